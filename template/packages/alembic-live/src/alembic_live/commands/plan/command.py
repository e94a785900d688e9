"""`db plan`: show what an upgrade or a downgrade would do, without executing it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import Connection

from alembic_live.commands.lint.command import lint_revisions
from alembic_live.commands.lint.findings import Finding
from alembic_live.commands.lint.revision_sql import (
    RevisionSQL,
    RevisionStatement,
    render_revision_sql,
)
from alembic_live.commands.plan.analysis import analyze
from alembic_live.commands.plan.catalog import Catalog
from alembic_live.commands.plan.catalog_queries import read_catalog
from alembic_live.commands.plan.report import Plan, Step, as_object, as_text, heading
from alembic_live.commands.plan.steps import Steps, steps_between, steps_to
from alembic_live.history.graph import describe_unknown, require_sound, unknown_revisions
from alembic_live.history.irreversible import require_reversible
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.watchdog import limited
from alembic_live.printable import as_json
from alembic_live.project import Project
from alembic_live.runtime.version_table import current_revisions
from alembic_live.sql.statements import statements_in
from alembic_live.terminal import show, show_data, tell


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "target",
        nargs="?",
        default="heads",
        help="a target of upgrade or downgrade, or a range, from:to (default: heads)",
    )
    parser.add_argument("--json", action="store_true", help="Print JSON.")


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    plan = make_plan(project, arguments.target)
    tell(heading(plan))
    if arguments.json:
        show_data(as_json(as_object(project, plan)))
    else:
        for line in as_text(project, plan):
            show(line)
    return 0


def make_plan(project: Project, target: str) -> Plan:
    """The plan of an upgrade or a downgrade.

    Args:
        target: a target of `upgrade` or `downgrade`, or a range, `from:to`, which needs no database.

    Raises:
        CommandError: the database cannot be reached, or its revision is not in this code; or there
            is no such target, or a downgrade to it is impossible.
        ConfigurationError: settings are missing.
    """
    script = project.script
    require_sound(script)
    if ":" in target:
        lower, _, upper = target.partition(":")
        database, current = None, tuple(part for part in (lower,) if part not in ("", "base"))
        steps = steps_between(script, lower, upper)
    else:
        database, current = str(project.migration_address), _current_revisions(project)
        if unknown := unknown_revisions(script, current):
            raise CommandError(
                describe_unknown(
                    unknown,
                    ". Either a newer version of the code migrated it, or the revision's file was "
                    "deleted.",
                )
            )
        steps = steps_to(script, target, current)
    if steps.is_downgrade:
        require_reversible(steps.revisions)
    written = {
        revision: render_revision_sql(project, revision, down=steps.is_downgrade, script=script)
        for revision in steps.revisions
    }
    catalog = _read_catalog(project, written.values()) if database and written else Catalog()
    return _plan(project, database, current, steps, written, catalog)


def _plan(
    project: Project,
    database: str | None,
    current: tuple[str, ...],
    steps: Steps,
    written: dict[Script, RevisionSQL],
    catalog: Catalog,
) -> Plan:
    findings: list[Finding] = []
    not_linted = None
    try:
        findings = lint_revisions(
            project,
            {revision: sql.statements for revision, sql in written.items()},
            down=steps.is_downgrade,
        )
    except CommandError as error:
        not_linted = str(error)
    return Plan(
        database,
        current,
        steps.is_downgrade,
        [
            Step(
                revision,
                sql._replace(statements=[each for each in sql.statements if _is_shown(each)]),
                analyze([each for each in sql.statements if not each.is_cleanup], catalog),
                [finding for finding in findings if str(finding.path) == revision.path],
            )
            for revision, sql in written.items()
        ],
        catalog,
        not_linted,
    )


def _current_revisions(project: Project) -> tuple[str, ...]:
    try:
        return current_revisions(project)
    except CommandError as error:
        raise CommandError(
            f"{error} A range needs no database: uv run db plan <from>:<to>"
        ) from error


def _read_catalog(project: Project, written: Iterable[RevisionSQL]) -> Catalog:
    names = {
        name
        for sql in written
        for each in sql.statements
        for statement in statements_in(each.sql)
        for name in statement.names()
    }

    def read(connection: Connection) -> Catalog:
        with limited(connection):
            return read_catalog(connection, names)

    return with_connection(make_engine(project.migration_address), read)


def _is_shown(statement: RevisionStatement) -> bool:
    """Whether a statement is the revision's own, and more than the begin or end of a transaction."""
    words = statement.sql.strip("; \n").upper()
    return (
        statement.line is not None and not statement.is_cleanup and words not in ("BEGIN", "COMMIT")
    )
