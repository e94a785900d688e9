"""The rows that a history makes in a new database, and whether one revision can make them too."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import Connection, text

from ...config import settings
from ...database.address import Address
from ...paths import relative
from ..connection import make_engine, with_connection
from ..from_scratch import try_source
from ..schema_dump import Schema
from .data_changes import carried_over, data_changes_in, name_of_function

# Values of the others are new each time.
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
    """What changes rows cannot be moved into the new revision."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a table holds."""

    count: int
    digest: str  # of all values but those that are new each time, such as now()


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

    return with_connection(make_engine(database, settings.migration_driver), read)


def with_rows(
    source: str,
    folded: Sequence[Script],
    rows: dict[str, Rows],
    schema: Schema,
    make: Callable[[], Address],
) -> str:
    """The new revision with what changed rows in the old ones, tried in an empty database.

    Raises:
        NotCarriedOverError: it cannot be moved, fails on the newest schema, or makes other rows.
    """
    try:
        source = carried_over(folded, source)
    except CommandError as error:
        raise NotCarriedOverError(str(error)) from error
    try:
        made = rows_in(try_source(source, make), schema)
    except Exception as error:  # of any kind: it is the code of others
        reason = re.sub(r"^\S*revision\.py:\d+: | This revision is not marked.*$", "", str(error))
        raise NotCarriedOverError(
            f"What {_place_of(error, folded)} does to rows cannot be run on the newest schema: "
            f"{reason}"
        ) from error
    wrong = [
        f"{table} ({made[table].count} rows in place of {found.count})"
        if made[table].count != found.count
        else f"{table} (other values)"
        for table, found in rows.items()
        if made[table] != found
    ]
    if wrong:
        raise NotCarriedOverError(f"What was carried over makes other rows: {', '.join(wrong)}.")
    return source


def place_of(revision: Script) -> str:
    """The file of a revision, and the lines in it that change rows, or may."""
    path = Path(revision.path)
    return f"{relative(path)}:{', '.join(map(str, data_changes_in(path)))}"


def _place_of(error: BaseException | None, folded: Sequence[Script]) -> str:
    """That of the revision whose code fails."""
    by_function = {name_of_function(one.revision): one for one in folded}
    while error:
        for frame in extract_tb(error.__traceback__):
            if revision := by_function.get(frame.name):
                return place_of(revision)
        error = error.__cause__ or error.__context__
    return "the history"
