"""A change of millions of rows during traffic: in batches, and as one statement."""

import time
from collections.abc import Iterator
from dataclasses import replace

from contestants import Contestant
from lock_waits import lock_waits
from server import Database

ROW_COUNT = 4_000_000
TABLE = """
    CREATE TABLE orders (
        id bigint PRIMARY KEY, price int NOT NULL, amount int NOT NULL, total bigint, note text
    );
    INSERT INTO orders SELECT i, i % 100, i % 7, NULL, repeat('x', 100)
        FROM generate_series(1, {rows}) AS i;
    ANALYZE orders
"""
TRAFFIC = (
    "SELECT note FROM orders WHERE id = (SELECT 1 + (random() * {rows})::int)",
    "UPDATE orders SET note = 'y' WHERE id = (SELECT 1 + (random() * {rows})::int)",
)
CHANGES = {
    "in batches": 'update_in_batches("orders", "total = price * amount", where="total IS NULL")',
    "one UPDATE": 'op.execute("UPDATE orders SET total = price * amount WHERE total IS NULL")',
}
REVISION = """
from alembic import op
from alembic_live.operations import update_in_batches

revision = "rows"
down_revision = None


def upgrade() -> None:
    {change}
"""


def rows(mine: Contestant, server: Database) -> Iterator[str]:
    """A row of a table for each way and each driver."""
    yield "| Change | Driver | Time | Rows a second | Longest wait |"
    yield "| --- | --- | ---: | ---: | ---: |"
    traffic = [statement.format(rows=ROW_COUNT - 1) for statement in TRAFFIC]
    for driver in ("asyncpg", "psycopg"):
        for name, change in CHANGES.items():
            with server.another("rows") as database:
                with database.connect() as connection:
                    connection.execute(TABLE.format(rows=ROW_COUNT).encode())
                path = mine.folder / "migrations" / "versions" / "rows.py"
                path.write_text(REVISION.format(change=change))
                environment = mine.environment | database.environment | {"DB_DRIVER_ASYNC": driver}
                there = replace(mine, database=database, environment=environment)
                began = time.monotonic()
                with lock_waits(database, traffic) as waits:
                    there.alembic("upgrade", "head")
                took = time.monotonic() - began
                rate, longest = ROW_COUNT / took, max(waits, default=0)
                yield f"| {name} | {driver} | {took:.0f} s | {rate:,.0f} | {longest:.0f} ms |"
