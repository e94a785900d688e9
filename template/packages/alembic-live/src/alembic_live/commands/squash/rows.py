"""The rows that a history creates in a new database, and whether one revision can create them too."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import Connection, text

from alembic_live.address import Address
from alembic_live.autogenerate.from_scratch.build import run_source
from alembic_live.commands.squash.data_changes import (
    carried_over,
    data_changes_in,
    function_name,
)
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import Schema
from alembic_live.project import Project
from alembic_live.runtime.explanations import IN_SCRATCH

# Columns without a default that gives a new value each time.
STEADY_COLUMNS = text(
    """
    SELECT n.nspname, c.relname, a.attname FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
      AND coalesce(pg_get_expr(d.adbin, d.adrelid), '') !~* 'now\\(|current_|random|uuid|clock_|timeofday'
    ORDER BY a.attname
    """
)


class NotCarriedOverError(CommandError):
    """The row changes cannot be moved into the new revision."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The contents of a table."""

    count: int
    digest: str  # of all values except those that are new each time, such as now()


def rows_in(database: Address, schema: Schema) -> dict[str, Rows]:
    """The rows of each table."""
    tables = [(thing.schema, thing.name) for thing in schema if thing.kind == "TABLE"]

    def read(connection: Connection) -> dict[str, Rows]:
        quote = connection.dialect.identifier_preparer.quote_identifier
        columns: dict[tuple[str, str], list[str]] = {}
        for row in connection.execute(STEADY_COLUMNS):
            columns.setdefault((row.nspname, row.relname), []).append(quote(row.attname))
        found = {}
        for table in tables:
            values = ", ".join(columns.get(table, []))
            query = (
                f"SELECT count(*), coalesce(md5(string_agg(value, E'\\n' ORDER BY value)), '') "
                f"FROM (SELECT ROW({values})::text AS value FROM {'.'.join(map(quote, table))}) rows"
            )
            found[".".join(table)] = Rows(*connection.exec_driver_sql(query).one())
        return found

    return with_connection(make_engine(database), read)


def with_rows(
    project: Project,
    source: str,
    folded: Sequence[Script],
    rows: dict[str, Rows],
    schema: Schema,
    make: Callable[[], Address],
) -> str:
    """The new revision with the row changes of the old ones, after a trial in an empty database.

    Args:
        source: the source of the new revision.
        folded: the old revisions.
        rows: the rows that the old revisions create, by table.
        schema: the schema that they create.
        make: creates an empty database.

    Raises:
        NotCarriedOverError: they cannot be moved, fail on the newest schema, or create other rows.
    """
    try:
        source = carried_over(project, folded, source)
    except CommandError as error:
        raise NotCarriedOverError(str(error)) from error
    try:
        made = rows_in(run_source(project, source, make), schema)
    except Exception as error:  # any exception: the code is the project's
        reason = re.sub(rf"^\S*revision\.py:\d+: | {IN_SCRATCH}.*$", "", str(error))
        raise NotCarriedOverError(
            f"The row changes in {_failed_place(project, error, folded)} fail on the newest schema: "
            f"{reason}"
        ) from error
    wrong = [
        f"{table} ({made[table].count} rows instead of {found.count})"
        if made[table].count != found.count
        else f"{table} (other values)"
        for table, found in rows.items()
        if made[table] != found
    ]
    if wrong:
        raise NotCarriedOverError(
            f"The row changes that were carried over create other rows: {', '.join(wrong)}."
        )
    return source


def place_of(project: Project, revision: Script) -> str:
    """The file of a revision, and the lines in it that may change rows."""
    path = Path(revision.path)
    return f"{project.relative(path)}:{', '.join(map(str, data_changes_in(path)))}"


def _failed_place(project: Project, error: BaseException | None, folded: Sequence[Script]) -> str:
    """The place of the revision whose code failed."""
    by_function = {function_name(one.revision): one for one in folded}
    while error:
        for frame in extract_tb(error.__traceback__):
            if revision := by_function.get(frame.name):
                return place_of(project, revision)
        error = error.__cause__ or error.__context__
    return "the history"
