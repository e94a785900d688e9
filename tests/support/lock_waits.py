"""Readers and writers, and how long they had to wait for locks, by what Postgres itself says."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import psycopg
from server import Database
from traffic import meanwhile

NOTICED = 20  # milliseconds: shorter waits are not counted
ACQUIRED = re.compile(r"acquired .* after ([0-9.]+) ms")

# While a table is renamed, or a column is gone, the old statements fail; that is not a wait.
GONE = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)

STATEMENTS = (
    "SELECT * FROM things WHERE id = 7",
    "SELECT count(*) FROM owners",
    "SELECT word FROM tags WHERE id = 7",
    "UPDATE things SET touched = touched + 1 WHERE id = 1 + (random() * 999)::int",
    "INSERT INTO tags (word) VALUES ('more')",
)


@contextmanager
def lock_waits(database: Database, statements: Sequence[str] = STATEMENTS) -> Iterator[list[float]]:
    """Read and write meanwhile, things, owners and tags by default; yields the waits, in
    milliseconds.

    https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-LOG-LOCK-WAITS
    """
    waits: list[float] = []

    def note(message: psycopg.errors.Diagnostic) -> None:
        if found := ACQUIRED.search(message.message_primary or ""):
            waits.append(float(found[1]))

    def use(statement: str, stop: threading.Event) -> None:
        with database.connect() as connection:
            connection.prepare_threshold = None  # tables change under it
            connection.add_notice_handler(note)
            connection.execute(f"SET deadlock_timeout = {NOTICED}".encode())
            connection.execute("SET log_lock_waits = on; SET client_min_messages = log")
            while not stop.is_set():
                with suppress(*GONE):
                    connection.execute(statement.encode())
                time.sleep(0.01)

    with meanwhile(*(partial(use, statement) for statement in statements)):
        yield waits
