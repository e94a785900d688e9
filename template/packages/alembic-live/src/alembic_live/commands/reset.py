"""`db reset`: recreate the development database at the newest revision."""

from argparse import ArgumentParser, Namespace
from functools import partial

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.address import Address
from alembic_live.postgres import databases
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.explanations import explain_refusal
from alembic_live.postgres.scratch import scratch_databases
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_of
from alembic_live.runtime.lock import lock_holder
from alembic_live.runtime.program import replay
from alembic_live.terminal import require_consent, tell

MARK = "production"  # in the database's comment

COMMENT = text(
    "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = :name"
)
CONTENTS = text(
    """
    SELECT count(*), coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint,
           (SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid())
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)'
    """
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--yes", action="store_true", help="Do not ask for confirmation.")
    parser.add_argument(
        "--force",
        action="store_true",
        help="Continue if the database does not look like a development database.",
    )


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    tell("\n".join(reset(project, yes=arguments.yes, force=arguments.force)))
    return 0


def reset(project: Project, *, yes: bool, force: bool) -> list[str]:
    """Replace the project's database with a new one at the newest revision. The old database stays
    until the new one is complete. Returns a report.

    Args:
        yes: do not ask for confirmation.
        force: continue if the database does not look like a development database.

    Raises:
        CommandError: it does not look like one, the user declines, or the role lacks privileges.
            The old database is unchanged.
    """
    address = project.migration_address
    if not force:
        _require_local(address)
    exists, comment = databases.administer(
        address,
        lambda connection: (
            databases.exists(connection, address.name),
            connection.scalar(COMMENT, {"name": address.name}) or "",
        ),
    )
    if MARK in comment.lower() and not force:
        raise CommandError(
            f'The comment of database "{address.name}" is "{one_line(comment)}", so it is not reset. '
            "If you mean it: uv run db reset --force"
        )
    if exists:
        contents = with_connection(make_engine(address), partial(_describe_contents, project))
        require_consent(f"This drops the {address}: {contents}.", yes=yes)
    with scratch_databases(project, on=address) as make:
        new = make()
        replay(project, new, "heads")
        databases.administer(address, lambda c: _replace(c, new.name, address.name))
    report = [f'Database "{address.name}" is new, and at the newest revision.']
    if address.user != project.application_address.user:
        report.append(
            f'Role "{project.application_address.user}" has no privileges in it yet: uv run db roles'
        )
    return report


def _require_local(address: Address) -> None:
    if not address.is_on_this_machine:
        raise CommandError(
            f"The {address} is on another machine, so it may not be a development database and is "
            "not reset. If you mean it: uv run db reset --force"
        )


def _describe_contents(project: Project, connection: Connection) -> str:
    tables, rows, sessions = connection.execute(CONTENTS).one()
    connection.rollback()
    schema = configuration_of(project, connection).version_table.schema
    if holder := lock_holder(connection, schema):
        raise CommandError(
            f"Another process is migrating this database: {holder}. Nothing was done."
        )
    others = f"{sessions} {'session is' if sessions == 1 else 'sessions are'} connected"
    return f"it has {tables} tables with about {rows} rows{f', and {others}' if sessions else ''}"


def _replace(connection: Connection, new: str, old: str) -> None:
    databases.drop(connection, old)
    try:
        databases.execute(connection, "ALTER DATABASE %I RENAME TO %I", new, old)
    except DBAPIError as error:
        raise CommandError(
            f'Another process recreated database "{old}" at the same time: {explain_refusal(error)}'
        ) from error
