"""`db lint`: find dangerous statements in new revisions, and mistakes that SQL does not show."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from alembic_live.commands.lint import rows
from alembic_live.commands.lint.findings import Finding, LintResult, report
from alembic_live.commands.lint.history import check_heads, check_old_revisions
from alembic_live.commands.lint.revision_sql import RevisionStatement, render_revision_sql
from alembic_live.commands.lint.rules import explain
from alembic_live.commands.lint.sarif import as_sarif
from alembic_live.commands.lint.source import (
    does_nothing,
    function_in,
    ignores_in,
    statement_at,
    statement_with_comments_at,
)
from alembic_live.commands.lint.squawk import Violation, find_violations
from alembic_live.commands.plan.steps import Steps, steps_between
from alembic_live.history.graph import require_sound
from alembic_live.history.irreversible import EXAMPLE, why_irreversible
from alembic_live.history.new_revisions import base_commit, new_revisions
from alembic_live.printable import as_json
from alembic_live.project import Project
from alembic_live.terminal import show_data

BROKEN = "broken-revision"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "revisions", nargs="?", help="a range, from:to, to check instead of the new revisions"
    )
    parser.add_argument(
        "--since",
        metavar="COMMIT",
        help="Check the revisions that are new since this commit; defaults to the main branch.",
    )
    parser.add_argument(
        "--explain", metavar="RULE", help="Explain a rule: the danger, unsafe code and safe code."
    )
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument(
        "--github", action="store_true", help="Print the findings as annotations for GitHub."
    )
    formats.add_argument(
        "--sarif", action="store_true", help="Print the findings as SARIF, for code scanning."
    )


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    if arguments.explain:
        show_data(explain(arguments.explain))
        return 0
    result = lint(project, since=arguments.since, revisions=arguments.revisions)
    if arguments.sarif:
        show_data(as_json(as_sarif(project, "lint", result.findings, result.notes)))
        return 1 if result.findings else 0
    for line in report(project, result, github=arguments.github):
        print(line)  # report() has escaped it, and show() would escape GitHub's commands
    return 1 if result.findings else 0


def lint(project: Project, *, since: str | None = None, revisions: str | None = None) -> LintResult:
    """Check the revisions that are new since a commit, or a range of revisions.

    Args:
        since: a commit or branch. Default: the main branch. Without one, all revisions are new.
        revisions: a range, `a:b`: the revisions after a up to b. If b is before a, their
            downgrades are checked.

    Raises:
        CommandError: git or Squawk fails, or there is no such commit, revision or range.
    """
    base = base_commit(project, since)
    script = project.script
    try:
        require_sound(script)
    except CommandError as error:
        return LintResult(
            0, base, [Finding(Path(script.dir), 1, "unsound-history", str(error))], []
        )
    findings = [
        *check_heads(project, script),
        *(check_old_revisions(project, script, base) if base else ()),
    ]
    new, down = new_revisions(project, script, base), False
    if revisions:
        steps = _in_range(script, revisions)
        new, down = steps.revisions, steps.is_downgrade
    notes: list[str] = []
    statements = {}
    for revision in new:
        rendered = render_revision_sql(project, revision, down=down, script=script)
        statements[revision] = rendered.statements
        failure, path = rendered.failure, Path(revision.path)
        if rendered.mistake:
            message = f"The {'downgrade' if down else 'upgrade'} fails. {failure}"
            findings.append(
                Finding(path, rendered.mistake, BROKEN, message, "correct the revision")
            )
        elif failure:
            notes.append(
                f"{project.relative(path)} reads the database, so only the SQL before "
                f"that was checked ({failure})."
            )
    findings = [
        *(f for f in findings if not _is_ignored(f)),
        *lint_revisions(project, statements, down=down),
    ]
    return LintResult(len(new), base, findings, notes, revisions)


def lint_revisions(
    project: Project, revisions: Mapping[Script, list[RevisionStatement]], *, down: bool = False
) -> list[Finding]:
    """The findings in the files of revisions and in their SQL. A finding that a comment allows, with
    a reason, is left out.

    Args:
        project: the project.
        revisions: the statements of each revision.
        down: they are those of downgrades. A downgrade drops what the upgrade has created, and
            the rules about files concern the upgrade.

    Raises:
        CommandError: Squawk is not installed, or fails.
    """
    files = () if down else revisions
    findings = [finding for revision in files for finding in _check_file(revision)]
    in_sql = _check_sql(project, revisions)
    findings += [each for each in in_sql if not (down and each.rule.startswith("ban-drop-"))]
    return [finding for finding in findings if not _is_ignored(finding)]


def _in_range(script: ScriptDirectory, revisions: str) -> Steps:
    """The revisions that `db plan` shows for the same range."""
    lower, colon, upper = revisions.partition(":")
    if not colon:
        raise CommandError(f"{revisions} is not a range. Write from:to, as for upgrade --sql.")
    return steps_between(script, lower, upper)


def _check_file(revision: Script) -> Iterator[Finding]:
    path = Path(revision.path)
    up, down = (function_in(path, name) for name in ("upgrade", "downgrade"))
    if up and does_nothing(up) and not revision.is_merge_point:
        message = "The upgrade does nothing."
        yield Finding(path, up.lineno, "empty-upgrade", message, "fill it, or delete the revision")
    elif down and does_nothing(down) and not revision.is_merge_point:
        yield Finding(
            path,
            down.lineno,
            "empty-downgrade",
            "The downgrade does not undo the upgrade.",
            f"write the statements that undo it, or, if it cannot be undone: {EXAMPLE}",
        )
    elif down and why_irreversible(path) == "":
        yield Finding(
            path,
            down.lineno,
            "irreversible-without-a-reason",
            "The downgrade raises an error that does not say why the revision cannot be undone.",
            EXAMPLE,
        )
    for ignore in ignores_in(path):
        if not ignore.reason:
            rules = ", ".join(ignore.rules)
            words = f"squawk-ignore{'-file' if ignore.of_file else ''} {rules}".rstrip()
            yield Finding(
                path,
                ignore.line,
                "ignored-without-a-reason",
                f"The comment ignores {rules or 'all rules'} without a reason.",
                f"# {words}: <reason>",
            )


def _check_sql(
    project: Project, revisions: Mapping[Script, list[RevisionStatement]]
) -> Iterator[Finding]:
    paths = {revision.revision: Path(revision.path) for revision in revisions}
    statements = {revision.revision: sql for revision, sql in revisions.items()}
    many = [
        Violation(revision, each.line, rows.RULE, rows.MESSAGE, rows.REMEDY)
        for revision, sql in statements.items()
        for each in rows.changes_of_many_rows(sql)
        if each.line is not None and not each.is_safe
    ]
    for violation in [*find_violations(project, statements), *many]:
        path = paths[violation.revision]
        if not any(ignore.allows_in_file(violation.rule) for ignore in ignores_in(path)):
            first, _ = statement_at(path, violation.line)
            yield Finding(path, first, violation.rule, violation.message, violation.remedy)


def _is_ignored(finding: Finding) -> bool:
    """Whether a comment names the rule and a reason. The comment is in the statement or right above
    it; for a finding about the file it can be anywhere in the file.
    """
    if finding.path.suffix != ".py" or not finding.path.is_file():
        return False
    first, last = (
        statement_with_comments_at(finding.path, finding.line) if finding.line > 1 else (1, 1 << 30)
    )
    return any(
        finding.rule in ignore.rules and ignore.reason and first <= ignore.line <= last
        for ignore in ignores_in(finding.path)
    )
