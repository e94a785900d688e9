"""What a server does in a second, measured with generated rows of the shape of each table."""

import math
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from secrets import token_hex

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_live.commands.plan.estimates.estimates import DEFAULT, Rate, Rates, Throughput
from alembic_live.commands.plan.estimates.generated_rows import GeneratedTable, copy_table
from alembic_live.commands.plan.estimates.sizes import Sizes, TableSize
from alembic_live.commands.plan.rehearsal.effects import RelationName, WorkKind
from alembic_live.postgres.connection import execute_verbatim
from alembic_live.postgres.explanations import reason_of
from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier
from alembic_live.terminal import bar, clear_progress, show_progress, tell

FEWEST = 10_000  # rows of a table that is measured: work on a smaller one takes no time
FIRST = 5_000  # rows that are generated first; then as many as there are
MOST = 300_000  # rows
MOST_BYTES = 128_000_000  # of a table and its indexes
GENERATING = 1.5  # seconds, after which no more rows are generated
SHARED = 100  # rows that reference the same one, at the fast end; at the slow end it is one
TIMEOUT = "10s"  # for each statement

FASTER = 2.0  # how many times faster a table can be than the generated rows
SLOWER = 2.0  # how many times slower, and
GROWTH = 1.3  # as many times more for each power of ten of rows: caches, checkpoints, sorts on disk


def calibrate(connection: Connection, tables: Collection[RelationName], sizes: Sizes) -> Throughput:
    """Measure work on generated rows. A table that is small, or that cannot be measured, keeps the
    default rates; the latter is told.

    Args:
        connection: a connection without a transaction in progress to a scratch database that has the
            schema. The rows are in another schema, which is dropped at the end. The session keeps a
            statement_timeout.
        tables: the tables to measure.
        sizes: the sizes of the live tables, to which the measurements are extrapolated.
    """
    with connection.begin():
        execute_verbatim(connection, f"SET statement_timeout = '{TIMEOUT}'")
    found = {}
    large = [name for name in tables if (((size := sizes.get(name)) and size.rows) or 0) >= FEWEST]
    for number, name in enumerate(large):
        share = number / len(large)
        show_progress(f"Calibrating {bar(share)} {number + 1} of {len(large)} tables: {name.name}")
        try:
            with _schema(connection) as schema:
                found[name] = _measured(connection, name, schema, sizes[name])
        except DBAPIError as error:
            shown = one_line(".".join(name))
            tell(f"{shown} keeps the default rates, because {reason_of(error)}.")
    clear_progress()
    return replace(DEFAULT, tables=found)


@contextmanager
def _schema(connection: Connection) -> Iterator[str]:
    name = f"alembic_live_{token_hex(4)}"
    with connection.begin():
        execute_verbatim(connection, f"CREATE SCHEMA {identifier(name)}")
    try:
        yield name
    finally:
        with connection.begin():
            execute_verbatim(connection, f"DROP SCHEMA {identifier(name)} CASCADE")


def _measured(
    connection: Connection, table: RelationName, schema: str, size: TableSize
) -> dict[WorkKind, Rates]:
    rows = size.rows or 1
    copy = copy_table(connection, table, schema, size.heap / rows)
    if copy.missing:
        missing = one_line(", ".join(copy.missing))
        tell(f"{one_line('.'.join(table))}: no value is known for {missing}, which stays NULL.")
    made = _fill(connection, copy)
    times = dict(_times(connection, copy, schema, made))
    return {
        kind: rates_for(times[kind], made, size, sorts=kind is WorkKind.BUILDS) for kind in times
    }


def _fill(connection: Connection, copy: GeneratedTable) -> TableSize:
    """Generate rows within the budget, and return how many there are."""
    last, until = 0, time.monotonic() + GENERATING
    while True:
        step = max(FIRST, last)
        copy.insert(connection, last + 1, last + step)
        last += step
        made = _size(connection, copy)
        if time.monotonic() > until or 2 * last > MOST or 2 * made.bytes > MOST_BYTES:
            break
    with connection.begin():
        execute_verbatim(connection, f"ANALYZE {copy.name}")
    return made


def _size(connection: Connection, copy: GeneratedTable) -> TableSize:
    with connection.begin():
        query = (
            "SELECT count(*) AS number, pg_table_size(tableoid) AS heap, "
            f"pg_indexes_size(tableoid) AS indexes "
            f"FROM {copy.name} GROUP BY tableoid"
        )
        row = execute_verbatim(connection, query).one()
        return TableSize(row.number, row.heap, row.indexes)


def _times(
    connection: Connection, copy: GeneratedTable, schema: str, made: TableSize
) -> Iterator[tuple[WorkKind, list[float]]]:
    """The seconds of each kind of work, in an order in which none makes the next one slower."""
    name, last = copy.name, identifier([*copy.columns][-1])
    other, filled = identifier(schema, "other keys"), identifier(schema, "filled")

    def seconds(statement: str) -> float:
        with connection.begin():
            began = time.monotonic()
            execute_verbatim(connection, statement)
            # The end of the transaction writes to disk, so it counts.
        return time.monotonic() - began

    check = f"CHECK ({last} IS NULL OR {last} IS NOT NULL)"
    reads = [seconds(f"ALTER TABLE {name} ADD {check}") for _ in range(2)]
    yield WorkKind.READS, [min(reads)]
    builds = [
        seconds(f"CREATE INDEX calibration_{number} ON {name} ({identifier(column)})")
        for number, column in enumerate(copy.sortable)
    ]
    if builds:
        yield WorkKind.BUILDS, builds
    for number in range(len(builds)):
        seconds(f"DROP INDEX {identifier(schema, f'calibration_{number}')}")
    compares = []
    rows = made.rows or 1
    for number in (rows // SHARED or 1, rows):
        seconds(f"CREATE TABLE {other} (id) AS SELECT generate_series(1::bigint, {number})")
        seconds(f"ALTER TABLE {other} ADD PRIMARY KEY (id)")
        key = f"1 + (hashtid(t.ctid) & 2147483647) % {number}"
        join = f"{name} t LEFT JOIN {other} o ON o.id = {key}"
        compares.append(seconds(f"SELECT count(*) FROM {join} WHERE o.id IS NULL"))
        seconds(f"DROP TABLE {other}")
    yield WorkKind.COMPARES, compares
    indexes = seconds(f"REINDEX TABLE {name}") if made.indexes else 0
    yield WorkKind.FILLS, [seconds(f"CREATE TABLE {filled} AS SELECT * FROM {name}") + indexes]
    yield (
        WorkKind.REWRITES,
        [seconds(f"ALTER TABLE {name} ADD calibration float8 DEFAULT random()")],
    )
    yield WorkKind.CHANGES, [seconds(f"UPDATE {name} SET {last} = {last}, calibration = random()")]


def rates_for(seconds: list[float], made: TableSize, size: TableSize, *, sorts: bool) -> Rates:
    """A fast and a slow rate, for a table of another size than the generated one.

    Args:
        seconds: what the work on the generated table took, measured in one or several ways.
        made: the generated table.
        size: the table that is estimated.
        sorts: whether the work grows as n log n.
    """
    rows, made_rows = max(size.rows or 1, 2), max(made.rows or 1, 2)
    grown = max(0.0, math.log10(rows / made_rows))
    comparisons = math.log(rows) / math.log(made_rows) if sorts else 1.0

    def rate(took: float, factor: float) -> Rate:
        took = max(took * factor, 1e-6)
        return Rate(made_rows / took, made.heap / took)

    return (
        rate(min(seconds), comparisons / FASTER),
        rate(max(seconds), comparisons * SLOWER * GROWTH**grown),
    )
