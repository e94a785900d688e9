"""Readers and writers beside a migration, and what waits for locks."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from server import Database


@contextmanager
def meanwhile(*works: Callable[[threading.Event], object]) -> Iterator[None]:
    """Do some works, each in a thread, until the block ends and their event is set."""
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def waiting_for(database: Database, table: str) -> bool:
    """Whether somebody waits for a lock on a table."""
    statement = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = to_regclass(%s)"
    return bool(database.query(statement, table))


@contextmanager
def long_transaction(database: Database) -> Iterator[int]:
    """A session that has looked at the notes and does not end its transaction."""
    with database.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL application_name = 'reporting'")
        connection.execute("SELECT count(*) FROM notes")
        yield connection.info.backend_pid


@contextmanager
def traffic(database: Database) -> Iterator[list[float]]:
    """Readers and writers of the notes; yields how long each query took, in seconds."""
    waits: list[float] = []

    def use(statement: str, stop: threading.Event) -> None:
        with database.connect() as connection:
            connection.prepare_threshold = None  # tables change under it
            while not stop.is_set():
                began = time.monotonic()
                connection.execute(statement)
                waits.append(time.monotonic() - began)
                time.sleep(0.005)

    statements = (
        "SELECT * FROM notes LIMIT 10",
        "INSERT INTO notes (title) VALUES ('busy')",
        "UPDATE notes SET body = body || '.' WHERE id = 1",
    )
    with meanwhile(*(partial(use, statement) for statement in statements)):
        yield waits


@contextmanager
def reading(database: Database, table: str) -> Iterator[None]:
    """A transaction that has read a table and does not end."""
    with database.connect() as connection, connection.transaction():
        connection.execute(f"SELECT FROM {table}".encode())
        yield


@contextmanager
def readers(database: Database, table: str, *, seconds: float) -> Iterator[None]:
    """Two readers of a table, in transactions that overlap, so that it is never free for long."""

    def read(delay: float, stop: threading.Event) -> None:
        time.sleep(delay)
        with database.connect() as connection:
            while not stop.is_set():
                with connection.transaction():
                    connection.execute(f"SELECT FROM {table}".encode())
                    time.sleep(seconds)

    with meanwhile(*(partial(read, n * seconds / 2) for n in range(2))):
        yield
