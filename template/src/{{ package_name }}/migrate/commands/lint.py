"""What `db lint` finds: in the SQL of new revisions, and in what SQL cannot show."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from ...paths import PROJECT_ROOT, relative
from ...printable import one_line, printable
from ..git import git, knows, main_branch
from ..head_file import HEAD_FILE, what_is_wrong_with_the_head_file
from ..history import require_sound
from ..quoting import word
from ..revision_files import VERSIONS
from .revision_sql import Statement, sql_of
from .source import around, does_nothing, function_of, ignores_in, meaning, statement_around
from .squawk import remarks_on

REPLACES = re.compile(r"^replaces\b[^=]*=\s*\(([^)]*)\)", re.MULTILINE)  # what it was squashed from


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not go on as it is."""

    path: Path
    line: int
    rule: str
    message: str
    remedy: str | None = None

    @property
    def place(self) -> str:
        """file:line, from the project's folder."""
        return f"{self.path.relative_to(PROJECT_ROOT).as_posix()}:{self.line}"


@dataclass(frozen=True, slots=True)
class Linted:
    """What was looked at, and what was found."""

    revisions: int
    since: str | None  # the commit that they are new since
    findings: list[Finding]
    notes: list[str]


def lint(config: Config, *, since: str | None = None, revisions: str | None = None) -> Linted:
    """Look at the revisions that are new since a commit, or at a range of them.

    Args:
        config: Alembic's.
        since: a commit or branch; the main branch without one. All revisions are new where there is
            none.
        revisions: `a:b`, those after a up to b, in place of the new ones.

    Raises:
        CommandError: git or Squawk fails, or there is no such commit or revision.
    """
    if since and not knows(since):
        if set(since) != {"0"}:  # which is what a first push compares with
            raise CommandError(f"--since {since}: git knows no such commit.")
        since = None
    base = since or main_branch()
    base = git("merge-base", base, "HEAD").strip() if base else None
    script = ScriptDirectory.from_config(config)
    try:
        require_sound(script)
    except CommandError as error:
        return Linted(0, base, [Finding(VERSIONS, 1, "unsound-history", str(error))], [])
    findings = [*_in_the_history(script), *(_in_old_revisions(base) if base else ())]
    new = _in_range(script, revisions) if revisions else _new_since(script, base)
    notes: list[str] = []
    statements = {}
    for revision in new:
        statements[revision], failure = sql_of(revision, script=script)
        if failure:
            notes.append(
                f"{relative(Path(revision.path))} reads the database, so only the SQL before that "
                f"was looked at ({failure})."
            )
    findings = [*(f for f in findings if not _is_ignored(f)), *look_at(statements)]
    return Linted(len(new), base, findings, notes)


def look_at(revisions: Mapping[Script, list[Statement]]) -> list[Finding]:
    """What is dangerous in revisions, by their files and the SQL of each. What a comment with a reason
    allows is left out.

    Raises:
        CommandError: Squawk is not installed, or fails.
    """
    findings = [finding for revision in revisions for finding in _in_the_text(revision)]
    findings += _in_the_sql(revisions)
    return [finding for finding in findings if not _is_ignored(finding)]


def report(linted: Linted, *, github: bool) -> Iterator[str]:
    """Lines for people, or for a run on GitHub, which shows them beside the code.

    https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    for finding in linted.findings:
        path, _, line = finding.place.rpartition(":")
        remedy = f"Write instead: {finding.remedy}." if finding.remedy else ""
        if github:
            values = {"file": path, "line": line, "title": finding.rule}
            properties = ",".join(f"{name}={_property(value)}" for name, value in values.items())
            yield f"::error {properties}::{_data(f'{finding.message} {remedy}')}"
        else:
            yield printable(f"{finding.place}: {finding.rule}: {finding.message}")
            if remedy:
                yield printable(f"    {remedy}")
    yield from map(printable, linted.notes)
    what = f"{linted.revisions} new revision{'' if linted.revisions == 1 else 's'}"
    since = f" since {linted.since[:12]}" if linted.since else ""
    if not linted.findings:
        yield f"{what}{since}: nothing to say against."
        return
    yield (
        f"{what}{since}: {len(linted.findings)} finding{'' if len(linted.findings) == 1 else 's'}. "
        "One that must be: say so in a comment above it, # squawk-ignore <rule>: <reason>"
    )


def _data(text: str) -> str:
    """A text in a command for GitHub, as its toolkit writes it.

    https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
    """
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")


def _new_since(script: ScriptDirectory, base: str | None) -> list[Script]:
    """Oldest first."""
    every = list(script.walk_revisions())[::-1]
    if base is None:
        return every
    listed = git("ls-tree", "-r", "-z", "--name-only", base, "--", relative(VERSIONS))
    old = {PROJECT_ROOT / name for name in listed.split("\0")}
    return [revision for revision in every if Path(revision.path) not in old]


def _in_range(script: ScriptDirectory, revisions: str) -> list[Script]:
    lower, colon, upper = revisions.partition(":")
    if not colon:
        raise CommandError(f"{revisions} is no range: write from:to, as for upgrade --sql.")
    return list(script.walk_revisions(lower or "base", upper or "heads"))[::-1]


def _in_the_history(script: ScriptDirectory) -> Iterator[Finding]:
    heads = script.get_heads()
    if len(heads) > 1:
        yield Finding(
            Path(script.get_revision(heads[0]).path),
            1,
            "several-heads",
            f"Revisions {' and '.join(heads)} follow the same one, so `upgrade head` cannot choose.",
            "uv run db rebase puts yours behind the others'; uv run alembic merge heads joins them",
        )
    elif wrong := what_is_wrong_with_the_head_file():
        yield Finding(HEAD_FILE, 1, "head-file", wrong)


def _in_old_revisions(base: str) -> Iterator[Finding]:
    """Revisions that others have applied already: what is done to them now reaches nobody."""
    changes = git(
        "diff", "--name-status", "--no-renames", "--relative", "-z", base, "--", relative(VERSIONS)
    ).split("\0")
    squashed = {
        name for path in VERSIONS.glob("*.py") for name in _replaced(path.read_text("utf-8"))
    }
    for status, name in zip(changes[::2], changes[1::2], strict=False):
        path = PROJECT_ROOT / name
        if path.suffix != ".py" or status not in "MD":
            continue
        before = git("show", f"{base}:./{relative(path)}")
        if status == "M":
            after = path.read_text(encoding="utf-8")
            if meaning(before) == meaning(after) or _replaced(before) != _replaced(after):
                continue
            yield Finding(
                path,
                1,
                "edited-revision",
                "This revision is on the main branch, and databases that have applied it never see "
                "what was changed in it.",
                "put it back, and make the change in a new revision",
            )
        elif status == "D" and not squashed & set(re.findall(r'"([^"]+)"', _ids(before))):
            yield Finding(
                path,
                1,
                "deleted-revision",
                "This revision was on the main branch, and databases that have applied it can no "
                "longer be migrated.",
                f"git checkout {base[:12]} -- {word(relative(path))}, and undo it in a new revision",
            )


def _replaced(source: str) -> list[str]:
    return [name for names in REPLACES.findall(source) for name in re.findall(r'"([^"]+)"', names)]


def _in_the_text(revision: Script) -> Iterator[Finding]:
    path = Path(revision.path)
    up, down = (function_of(path, name) for name in ("upgrade", "downgrade"))
    if up and does_nothing(up) and not revision.is_merge_point:
        message = "The upgrade does nothing."
        yield Finding(path, up.lineno, "empty-upgrade", message, "fill it, or delete the revision")
    elif down and does_nothing(down) and not revision.is_merge_point:
        yield Finding(
            path,
            down.lineno,
            "empty-downgrade",
            "The upgrade does something and the downgrade does not take it back.",
            "write what takes it back; if that cannot be, raise an error that says so",
        )
    for ignore in ignores_in(path):
        if not ignore.reason:
            rules = ", ".join(ignore.rules)
            yield Finding(
                path,
                ignore.line,
                "ignored-without-a-reason",
                f"{rules} is ignored, and nobody can tell why.",
                f"# squawk-ignore {rules}: the reason",
            )


def _in_the_sql(revisions: Mapping[Script, list[Statement]]) -> Iterator[Finding]:
    paths = {revision.revision: Path(revision.path) for revision in revisions}
    statements = {revision.revision: sql for revision, sql in revisions.items()}
    for remark in remarks_on(statements):
        path = paths[remark.revision]
        first, _ = statement_around(path, remark.line)
        yield Finding(path, first, remark.rule, remark.message, remark.remedy)


def _is_ignored(finding: Finding) -> bool:
    """Whether a comment names the rule and a reason: in or right above the statement, or anywhere
    in the file where it is about the file.
    """
    if finding.path.suffix != ".py" or not finding.path.is_file():
        return False
    first, last = around(finding.path, finding.line) if finding.line > 1 else (1, 1 << 30)
    return any(
        finding.rule in ignore.rules and ignore.reason and first <= ignore.line <= last
        for ignore in ignores_in(finding.path)
    )


def _ids(source: str) -> str:
    return "".join(re.findall(r"^revision\b.*$", source, re.MULTILINE))
