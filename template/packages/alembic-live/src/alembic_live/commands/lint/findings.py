"""What `db lint` finds, and how it reports it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic_live.history.git import folder_in_repository, root_of
from alembic_live.printable import one_line, printable
from alembic_live.project import Project

ERROR, WARNING, NOTE = "error", "warning", "note"  # as SARIF calls them


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation of a rule, at a line of a file."""

    path: Path
    line: int
    rule: str
    message: str
    remedy: str | None = None
    level: str = ERROR

    @property
    def advice(self) -> str:
        """What to do instead, as a sentence. Empty if that is not known."""
        return f"Instead: {self.remedy.removesuffix('.')}." if self.remedy else ""

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
    """The lines of the report, for people or for a run on GitHub."""
    if github:
        yield from annotations(project, result.findings)
    for finding in () if github else result.findings:
        yield printable(f"{finding.place(project)}: {finding.rule}: {finding.message}")
        if finding.advice:
            yield printable(f"    {finding.advice}")
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


def annotations(project: Project, findings: Sequence[Finding]) -> Iterator[str]:
    """The findings as commands to GitHub, which shows them in the difference of a pull request.

    https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    names = names_in_repository(project, findings)
    for finding in findings:
        values = {"file": names[finding.path], "line": finding.line, "title": finding.rule}
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in values.items())
        command = "notice" if finding.level == NOTE else finding.level
        yield f"::{command} {properties}::{_data(f'{finding.message} {finding.advice}'.strip())}"


def names_in_repository(project: Project, findings: Sequence[Finding]) -> dict[Path, str]:
    """The files of findings, by path, as they are called from the root of the repository. Versions
    can be outside of the project's folder.
    """
    prefix, root = folder_in_repository(project), root_of(project)

    def name(path: Path) -> str:
        if path.is_relative_to(root) and not path.is_relative_to(project.folder):
            return path.relative_to(root).as_posix()
        return f"{prefix}{project.relative(path)}"

    return {each.path: name(each.path) for each in findings}


def _data(text: str) -> str:
    """Escape a text for a command of GitHub, as its toolkit does.

    https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
    """
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
