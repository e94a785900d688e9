"""What happens to both in a deploy: many processes at once, processes that are killed, traffic."""

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from contestants import Contestant
from history import body, expected
from server import Database

EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"

LENGTH = 10
PROCESSES = 8
LONG_TRANSACTION = 6.0  # seconds
PATIENCE = 60  # seconds for one process; bare ones may wait for each other for ever

HEADER = '''"""Step {number}"""

import os

from alembic import op
{imports}
revision = "step{number:03}"
down_revision = {down_revision!r}


def upgrade() -> None:
{body}

def downgrade() -> None:
    pass
'''

OURS_INDEX = body(3)
BARE_INDEX = """\
    with op.get_context().autocommit_block():
        op.create_index("ix_items_total", "items", ["total"], postgresql_concurrently=True)
"""
IMPORT = "from alembic_live.operations import create_index_concurrently\n"

Both = Callable[[str], AbstractContextManager[tuple[Contestant, Contestant]]]


def write(contestant: Contestant, bodies: list[str], imports: str = "") -> None:
    """Write a history in place of the one that is there."""
    folder = contestant.folder / "migrations" / "versions"
    for path in folder.glob("*.py"):
        path.unlink()
    for number, text in enumerate(bodies, start=1):
        (folder / f"{number:03}.py").write_text(
            HEADER.format(
                number=number,
                imports=imports,
                down_revision=f"step{number - 1:03}" if number > 1 else None,
                body=text,
            )
        )


def write_revisions(contestant: Contestant, number: int) -> None:
    """Write that many revisions, of a table with an index each."""
    table = "    op.execute('CREATE TABLE t{0} (id int PRIMARY KEY)')\n"
    write(contestant, [table.format(each) for each in range(number)])


def write_deploy(contestant: Contestant, *, is_ours: bool) -> None:
    """Write tables, data that would show if they were changed twice, and a concurrent index."""
    bodies = [
        body(number)
        .format(number=number)
        .replace(OURS_INDEX, OURS_INDEX if is_ours else BARE_INDEX)
        for number in range(1, LENGTH + 1)
    ]
    write(contestant, bodies, IMPORT if is_ours else "")


def campaigns(both: Both, rounds: int) -> Iterator[str]:
    """One line for each kind of trouble."""
    with both("deploys") as contestants:
        mine, other = (
            replace(contestant, environment=contestant.environment | {"PAUSE": "0.05"})
            for contestant in contestants
        )
        for contestant in (mine, other):
            write_deploy(contestant, is_ours=contestant is mine)
        for name, campaign in (
            (f"races of {PROCESSES}", race),
            ("kills", kill),
            ("kills amid an index", kill_amid_index),
        ):
            sums = {id(mine): Outcome(0, 0), id(other): Outcome(0, 0)}
            for turn in range(rounds):
                for contestant in (mine, other):
                    contestant.database.query(EMPTY)
                    sums[id(contestant)] += campaign(contestant, turn)
            yield f"{name}, {rounds} of each: {sums[id(mine)]}   bare: {sums[id(other)]}"
        waits = [longest_wait(contestant) for contestant in (mine, other)]
        yield f"longest wait of a reader: {waits[0]:5.1f} s   bare {waits[1]:5.1f} s"


def race(contestant: Contestant, _turn: int) -> "Outcome":
    """8 processes at once."""
    processes = [contestant.begin("upgrade", "head") for _ in range(PROCESSES)]
    deadline = time.monotonic() + PATIENCE
    failed = sum(not succeeds(process, deadline) for process in processes)
    return Outcome(failed, not is_complete(contestant.database))


def kill(contestant: Contestant, turn: int) -> "Outcome":
    """One that is killed at a random moment, and the next run."""
    process = contestant.begin("upgrade", "head")
    time.sleep(random.Random(turn).uniform(0.4, 1.1))
    return after_killing(process, contestant)


def kill_amid_index(contestant: Contestant, _turn: int) -> "Outcome":
    """One that is killed while it builds an index and waits for a writer, and the next run."""
    database = contestant.database
    if not succeeds(contestant.begin("upgrade", "step002")):
        return Outcome(1, 1)
    with database.connect() as writer, writer.transaction():
        writer.execute("LOCK TABLE items IN ROW EXCLUSIVE MODE")
        process = contestant.begin("upgrade", "head")
        while not database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"):
            time.sleep(0.02)
        process.kill()
        time.sleep(2)  # the writer goes on
    return after_killing(process, contestant)


def after_killing(process: subprocess.Popen[str], contestant: Contestant) -> "Outcome":
    """What the next run makes of it."""
    process.kill()
    process.communicate()
    ok = succeeds(contestant.begin("upgrade", "head"))
    return Outcome(int(not ok), not is_complete(contestant.database))


def succeeds(process: subprocess.Popen[str], deadline: float | None = None) -> bool:
    """Whether a process ends well, and in time."""
    seconds = PATIENCE if deadline is None else deadline - time.monotonic()
    try:
        process.communicate(timeout=max(0.1, seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    return process.returncode == 0


@dataclass(frozen=True)
class Outcome:
    """How many processes failed that should not have, and how many histories are not complete."""

    failed: int
    incomplete: int

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.failed + other.failed, self.incomplete + other.incomplete)

    def __str__(self) -> str:
        return f"failed {self.failed:3}, half applied {self.incomplete:2}"


def is_complete(database: Database) -> bool:
    """Whether every revision was applied exactly once and the index is valid."""
    marks, total, _ = expected(LENGTH)
    tables = "SELECT to_regclass('marks') IS NOT NULL AND to_regclass('ix_items_total') IS NOT NULL"
    return (
        database.value(tables)
        and [step for (step,) in database.query("SELECT step FROM marks ORDER BY 1")] == marks
        and database.query("SELECT DISTINCT total FROM items") == [(total,)]
        and database.value(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_items_total'::regclass"
        )
    )


def longest_wait(contestant: Contestant) -> float:
    """Seconds that a reader waits while a revision wants a table that a report is reading."""
    database = contestant.database
    database.query(EMPTY)
    database.query("CREATE TABLE items (id int)")
    write(contestant, ["    op.execute('ALTER TABLE items ADD COLUMN total int')\n"])
    waits: list[float] = []
    stop = threading.Event()

    def read() -> None:
        with database.connect() as connection:
            while not stop.is_set():
                began = time.monotonic()
                connection.execute("SELECT count(*) FROM items")
                waits.append(time.monotonic() - began)
                time.sleep(0.01)

    reader = threading.Thread(target=read)
    with database.connect() as report, report.transaction():
        report.execute("SELECT * FROM items")
        migrating = contestant.begin("upgrade", "head")
        reader.start()
        time.sleep(LONG_TRANSACTION)
    migrating.communicate(timeout=PATIENCE)
    stop.set()
    reader.join()
    return max(waits)
