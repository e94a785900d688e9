"""Estimates of `db plan`, with default rates and calibrated, beside the time that a change takes."""

import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
from alembic_live.commands.plan.estimates.calibration import calibrate
from alembic_live.commands.plan.estimates.estimates import DEFAULT, Seconds, describe
from alembic_live.commands.plan.estimates.sizes import read_sizes
from alembic_live.commands.plan.rehearsal.effects import RelationName, Work, WorkKind
from alembic_live.postgres.connection import make_engine, with_connection
from server import Database

ROW_COUNTS = (1_000_000, 5_000_000, 20_000_000)
NARROW = 10_000_000  # with as many rows, a table has no long text
AIM = 3  # the factor between the middle of the estimate and the truth

TABLES = """
    CREATE TABLE customers (id bigint PRIMARY KEY, name text);
    INSERT INTO customers SELECT i, md5(i::text) FROM generate_series(1, {rows} / 10) i;
    CREATE TABLE orders (
        id bigint PRIMARY KEY, customer_id bigint, amount int, code text, note text
    );
    INSERT INTO orders SELECT i, 1 + (random() * ({rows} / 10 - 1))::int, (random() * 1e6)::int,
        left(md5(i::text), 12), {note} FROM generate_series(1, {rows}) i;
    CREATE INDEX ON orders (customer_id);
    CREATE MATERIALIZED VIEW summary AS SELECT id, customer_id, amount, code FROM orders;
    CREATE TABLE everything (LIKE orders) PARTITION BY RANGE (id)
"""
ORDERS, CUSTOMERS, SUMMARY = (
    RelationName("public", name) for name in ("orders", "customers", "summary")
)
KEY = "FOREIGN KEY (customer_id) REFERENCES customers"
READS = Work(WorkKind.READS, ORDERS)
COMPARES = Work(WorkKind.COMPARES, ORDERS, other=CUSTOMERS)
BUILDS = Work(WorkKind.BUILDS, ORDERS)
REWRITES = Work(WorkKind.REWRITES, ORDERS)


class Change(NamedTuple):
    """A change: what is measured, and what precedes and follows it."""

    name: str
    work: Work
    statement: str
    before: str = "SELECT"
    after: str = "SELECT"


CHANGES = (
    Change("add a check", READS, "ALTER TABLE orders ADD CONSTRAINT a CHECK (amount >= 0)"),
    Change(
        "validate a check",
        READS,
        "ALTER TABLE orders VALIDATE CONSTRAINT b",
        before="ALTER TABLE orders ADD CONSTRAINT b CHECK (code <> '') NOT VALID",
    ),
    Change("set not null", READS, "ALTER TABLE orders ALTER customer_id SET NOT NULL"),
    Change("add a foreign key", COMPARES, f"ALTER TABLE orders ADD CONSTRAINT c {KEY}"),
    Change(
        "validate a foreign key",
        COMPARES,
        "ALTER TABLE orders VALIDATE CONSTRAINT d",
        before=f"ALTER TABLE orders ADD CONSTRAINT d {KEY} NOT VALID",
        after="ALTER TABLE orders DROP CONSTRAINT c, DROP CONSTRAINT d",
    ),
    *(
        Change(f"create {name}", BUILDS, f"CREATE {how}", after="DROP INDEX made")
        for name, how in {
            "an index, int": "INDEX made ON orders (amount)",
            "an index, text": "INDEX made ON orders (code)",
            "an index, expression": "INDEX made ON orders (lower(code))",
            "a unique index, two columns": "UNIQUE INDEX made ON orders (code, id)",
            "an index concurrently": "INDEX CONCURRENTLY made ON orders (amount)",
        }.items()
    ),
    Change(
        "attach a partition",
        READS,
        "ALTER TABLE everything ATTACH PARTITION orders FOR VALUES FROM (1) TO (2000000000)",
        before="ALTER TABLE everything ALTER customer_id SET NOT NULL",
        after="ALTER TABLE everything DETACH PARTITION orders",
    ),
    Change("refresh a view", Work(WorkKind.FILLS, SUMMARY), "REFRESH MATERIALIZED VIEW summary"),
    Change(
        "int becomes bigint",
        REWRITES,
        "ALTER TABLE orders ALTER amount TYPE bigint",
        before="DROP MATERIALIZED VIEW summary",
    ),
    Change("volatile default", REWRITES, "ALTER TABLE orders ADD x float8 DEFAULT random()"),
    Change("cluster", REWRITES, "CLUSTER orders USING orders_pkey"),
    Change("update all rows", Work(WorkKind.CHANGES, ORDERS), "UPDATE orders SET amount = 1"),
)


def estimated(database: Database, rows: int) -> Iterator[str]:
    """A row of a table for each change, and how many estimates are good."""
    note = "NULL" if rows >= NARROW else "repeat('x', 80)"
    engine = make_engine(database.address("psycopg"))
    good = [0, 0]
    yield f"| {rows:,} rows | Took | By default | Factor | Calibrated | Factor |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    with database.connect() as connection:
        connection.execute(TABLES.format(rows=rows, note=note).encode())
        connection.execute("VACUUM ANALYZE")
        sizes = with_connection(engine, read_sizes)
        tables = [ORDERS, CUSTOMERS, SUMMARY]
        calibrated = with_connection(engine, lambda c: calibrate(c, tables, sizes))
        for change in CHANGES:
            connection.execute(change.before.encode())
            sizes = {**sizes, **with_connection(engine, read_sizes)}
            took = _seconds(connection, change)
            cells = []
            for number, throughput in enumerate((DEFAULT, calibrated)):
                found = throughput.seconds(change.work, sizes)
                assert found
                good[number] += is_good(found, took)
                cells += [describe(found), f"{factor(found, took):.1f}"]
            yield f"| {change.name} | {took:.2f} s | {' | '.join(cells)} |"
    share = " and ".join(f"{number} of {len(CHANGES)}" for number in good)
    yield f"In the range, or within {AIM} times its middle: {share} calibrated."
    yield ""


def _seconds(connection: psycopg.Connection[Any], change: Change) -> float:
    connection.execute("CHECKPOINT")
    began = time.monotonic()
    connection.execute(change.statement.encode())
    took = time.monotonic() - began
    connection.execute(change.after.encode())
    return took


def factor(found: Seconds, took: float) -> float:
    """How many times longer a change takes than the middle of the estimate."""
    return took / math.sqrt(max(found.low, found.high / 1000) * found.high)


def is_good(found: Seconds, took: float) -> bool:
    """Whether the truth is in the range, or near its middle."""
    return found.low <= took <= found.high or 1 / AIM <= factor(found, took) <= AIM
