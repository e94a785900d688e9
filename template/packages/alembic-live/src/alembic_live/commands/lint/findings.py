"""What `db lint` finds, and how it reports it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic_live.history.git import folder_in_repository
from alembic_live.printable import one_line, printable
from alembic_live.project import Project


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation of a rule, at a line of a file."""

    path: Path
    line: int
    rule: str
    message: str
    remedy: str | None = None

    def place(self, project: Project) -> str:
        """file:line, with the path from the project's folder."""
        return f"{project.relative(self.path)}:{self.line}"


@dataclass(frozen=True, slots=True)
class LintResult:
    """What was checked, and the findings."""

    revisions: int  # how many were checked
    since: str | None  # the commit that the revisions are newer than
    findings: list[Finding]
    notes: list[str]
    range: str | None = None  # the range that was checked instead of the new revisions


def report(project: Project, result: LintResult, *, github: bool) -> Iterator[str]:
    """The lines of the report, for people or for a run on GitHub, which shows findings in the diff.

    https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    prefix = folder_in_repository(project) if github else ""
    for finding in result.findings:
        remedy = f"Instead: {finding.remedy.removesuffix('.')}." if finding.remedy else ""
        if github:
            values = {
                "file": f"{prefix}{project.relative(finding.path)}",
                "line": finding.line,
                "title": finding.rule,
            }
            properties = ",".join(
                f"{name}={_property(str(value))}" for name, value in values.items()
            )
            yield f"::error {properties}::{_data(f'{finding.message} {remedy}')}"
        else:
            yield printable(f"{finding.place(project)}: {finding.rule}: {finding.message}")
            if remedy:
                yield printable(f"    {remedy}")
    yield from map(printable, result.notes)
    what = f"revision{'' if result.revisions == 1 else 's'}"
    if result.range:
        what = f"{result.revisions} {what} of {one_line(result.range)}"
    else:
        since = f" since {result.since[:12]}" if result.since else ""
        what = f"{result.revisions} new {what}{since}"
    if not result.findings:
        yield f"{what}: no findings{' in the SQL that was checked' if result.notes else ''}."
        return
    yield (
        f"{what}: {len(result.findings)} finding{'' if len(result.findings) == 1 else 's'}. "
        "To allow one, add a comment above the statement: # squawk-ignore <rule>: <reason>"
    )


def _data(text: str) -> str:
    """Escape a text for a command of GitHub, as its toolkit does.

    https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
    """
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
