"""SIGTERM and SIGINT end a migration within a second, as any process and as number 1, wherever it
waits. It says what is applied, and leaves nothing behind on the server.
"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from campaigns import campaign
from edit import edit
from first_process import SOON, Running
from history import write_history
from local_server import server_of, server_of_its_own
from migrating import busy, held_lock, prepared, sessions, wait_for
from project import Project, wait_until
from revisions import write_upgrade
from sample import NewProject
from server import Database

TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project with a history, that waits long for locks."""
    return patient(prepared(new_project))


def patient(project: Project) -> Project:
    """A project that waits long for locks, and for the end of its session on a busy machine."""
    path = project.library / "interruption.py"
    edit(path, "\nENDING = 0.7", "\nENDING = 4.5")
    edit(path, "\nREPORT = 0.8", "\nREPORT = 4.6")
    return project.given(DB_MIGRATION_LOCK_WAIT="60")


@contextmanager
def in_use(database: Database, statement: bytes) -> Iterator[None]:
    """A transaction of somebody else's that has run a statement and does not end."""
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(statement)
        yield


READS = b"SELECT count(*) FROM items"
WRITES = b"UPDATE items SET total = total WHERE id = 1"


def assert_stopped(
    running: Running, number: signal.Signals, *words: str, seconds: float = SOON
) -> None:
    """It ends as it should, with these words."""
    code, said, took = running.stop(number)
    assert code == 128 + number, said
    assert took < seconds, said
    assert "Traceback" not in said
    assert "reconnect" not in said
    *_, last = said.splitlines()
    assert last == " ".join((f"Stopped by {number.name}.", *words))


@campaign(
    ("number", "driver"),
    [(number, driver) for number in (TERM, INT) for driver in ("asyncpg", "psycopg", "psycopg2")],
    keep=[(TERM, "psycopg"), (TERM, "psycopg2"), (INT, "asyncpg")],
)
def test_a_migration_that_waits_for_a_table(
    new_project: NewProject,
    database: Database,
    driver: str,
    number: signal.Signals,
) -> None:
    project = new_project()
    write_history(project, 6)
    sync = {"DB_DRIVER_SYNC": driver} if driver != "asyncpg" else {}
    project = patient(project).given(**sync)
    project.alembic("upgrade", "step003")
    with in_use(database, READS):
        running = Running(project, "db", "migrate")
        wait_until(lambda: busy(database, "ADD COLUMN c5"))
        assert_stopped(running, number, "Applied: step004. Not applied: step005, step006.")
        assert sessions(database) == 0
        assert database.query("SELECT version_num FROM alembic_version") == [("step004",)]
    project.alembic("upgrade", "head")


@pytest.mark.parametrize(
    "command", [("db", "migrate"), ("alembic", "upgrade", "head")], ids=" ".join
)
def test_a_process_that_is_not_number_1(
    project: Project, database: Database, command: tuple[str, ...]
) -> None:
    project = project.given(PAUSE="60")
    running = Running(project, *command, first=False)
    wait_until(lambda: busy(database, "pg_sleep"))
    applied = "Applied: step001, step002, step003 and 1 more."
    assert_stopped(running, TERM, f"{applied} Not applied: step005, step006.")
    assert sessions(database) == 0


@campaign("number", [TERM, INT, HUP], keep=[HUP])
def test_alembic_as_number_1(project: Project, database: Database, number: signal.Signals) -> None:
    running = Running(project.given(PAUSE="60"), "alembic", "upgrade", "head")
    wait_until(lambda: busy(database, "pg_sleep"))
    applied = "Applied: step001, step002, step003 and 1 more."
    assert_stopped(running, number, f"{applied} Not applied: step005, step006.")
    assert sessions(database) == 0


def test_a_downgrade(project: Project, database: Database) -> None:
    path = project.versions[4]
    edit(path, "    pass", '    op.execute("SELECT pg_sleep(60)")')
    project.alembic("upgrade", "head")
    running = Running(project, "alembic", "downgrade", "step003")
    wait_until(lambda: busy(database, "pg_sleep"))
    assert_stopped(running, TERM, "Downgraded: step006. Not downgraded: step005, step004.")
    assert database.query("SELECT version_num FROM alembic_version") == [("step005",)]


def test_a_process_that_waits_for_another_one_s_migration(
    project: Project, database: Database
) -> None:
    with held_lock(database):
        running = Running(project, "db", "migrate")
        wait_for(running.process, "Waiting for another process that migrates: pid")
        assert_stopped(running, TERM, "No revision was applied.")
        wait_until(lambda: sessions(database) == 0, seconds=2)


def test_an_index_that_is_built_concurrently(project: Project, database: Database) -> None:
    project.alembic("upgrade", "step002")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_items_total'::regclass"
    with in_use(database, WRITES):
        running = Running(project, "db", "migrate")
        wait_until(lambda: busy(database, "CREATE INDEX CONCURRENTLY"))
        assert_stopped(
            running,
            TERM,
            "Not applied: step003, step004, step005 and 1 more.",
            "What step003 did before and in its autocommit_block stays. Operations of",
            "alembic_live repair their part at the next run.",
        )
        assert sessions(database) == 0
        assert database.query(valid) == [(False,)]
    project.db("migrate")
    assert database.query(valid) == [(True,)]


@pytest.mark.parametrize(
    "command", [("db", "migrate"), ("alembic", "upgrade", "head")], ids=" ".join
)
def test_a_server_that_does_not_answer(
    project: Project, database: Database, command: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = replace(database, host="127.0.0.1", port=listening.getsockname()[1])
        running = Running(project.given(**silent.environment), *command)
        client, _ = listening.accept()
        with client:
            client.recv(8)
            assert_stopped(running, TERM, "No revision was applied.")


@pytest.mark.parametrize("of", ["library", "service"])  # the quick way does not import the second
def test_while_modules_are_imported(project: Project, of: str) -> None:
    path = (
        project.library / "plain_settings.py"
        if of == "library"
        else project.file("src/*/config.py")
    )
    path.write_text(
        f"{path.read_text()}\nprint('importing', flush=True)\n__import__('time').sleep(60)\n"
    )
    running = Running(project, "db", "migrate")
    wait_for(running.process, "importing")
    assert_stopped(running, TERM, "No revision was applied.")


def test_a_commit_that_the_signal_does_not_stop_counts_as_applied(
    service: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A server that waits for a standby that does not exist, after the commit.
    with server_of_its_own(service, tmp_path_factory.mktemp("own")) as (project, database):
        write_history(patient(project), 6)
        project.alembic("upgrade", "step003")
        database.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        database.query("SELECT pg_reload_conf()")
        with database.connect() as observer:
            running = Running(project, "db", "migrate")
            waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            wait_until(lambda: bool(observer.execute(waits).fetchall()))
            assert_stopped(running, TERM, "Applied: step004. Not applied: step005, step006.")
            now = observer.execute("SELECT version_num FROM alembic_version").fetchall()
            assert now == [("step004",)]


def test_a_server_that_hangs_is_not_waited_for(
    service: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with server_of_its_own(service, tmp_path_factory.mktemp("own")) as (project, database):
        write_history(project, 6)
        project = project.given(PAUSE="60")
        running = Running(project, "db", "migrate")
        wait_until(lambda: busy(database, "pg_sleep"))
        postmaster = server_of(project)
        postmaster.suspend()  # it answers nobody who connects
        try:
            applied = (
                "Applied: step001, step002, step003 and 1 more. Not applied: step005, step006."
            )
            unknown = "step005 may have been committed: `uv run db status`"
            words = applied, unknown, "shows the database's revision."
            assert_stopped(running, TERM, *words, seconds=2)
        finally:
            postmaster.resume()
        wait_until(lambda: sessions(database) == 0)
        assert database.query("SELECT version_num FROM alembic_version") == [("step004",)]


@campaign("number", [TERM, INT, HUP], keep=[TERM])
def test_other_commands_clean_up(
    project: Project, database: Database, number: signal.Signals
) -> None:
    project.alembic("upgrade", "head")
    project = project.given(PAUSE="60")
    scratch = (
        "SELECT 1 FROM pg_stat_activity WHERE datname LIKE '%scratch%' AND query LIKE '%sleep(60)%'"
    )
    running = Running(project, "db", "drift")
    wait_until(lambda: bool(database.query(scratch)))
    code, said, _ = running.stop(number)
    assert code == 128 + number, said
    assert said.endswith(f"Stopped by {number.name}.\n")
    made = "SELECT datname FROM pg_database WHERE datname LIKE 'my_service_scratch_%'"
    assert database.query(made) == []


OWN = """
import signal, sys
from alembic.config import main

def mine(number, frame):
    print("mine", flush=True)

default = signal.getsignal(signal.SIGINT)
if sys.argv[1] == "own":
    signal.signal(signal.SIGTERM, mine)
before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
main(argv=["upgrade", "head"])
assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
assert signal.set_wakeup_fd(-1) == -1
import threading
assert threading.active_count() == 1
print("restored")
"""


def test_handlers_are_restored(project: Project, database: Database) -> None:
    assert project.run("python", "-c", OWN, "default").stdout.endswith("restored\n")


def test_a_program_s_own_handlers_are_left_alone(project: Project, database: Database) -> None:
    running = Running(project.given(PAUSE="2"), "python", "-c", OWN, "own", first=False)
    wait_until(lambda: busy(database, "pg_sleep"))
    code, said, _ = running.stop(TERM)
    assert code == 0, said
    assert "mine\n" in said
    assert said.endswith("restored\n")


FORKS = """\
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(1) as pool:  # ends its process by SIGTERM
        pool.map(abs, [-1])
"""


def test_a_signal_to_a_process_that_a_revision_forks(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    write_upgrade(project, FORKS)
    project.alembic("upgrade", "head")
    assert "(head)" in project.alembic("current").stdout


IN_A_PROGRAM = """
import asyncio
from pathlib import Path
from alembic import command
from alembic_live import load_project, run_command, upgrade_to_head

project = load_project(Path("alembic.ini"))
asyncio.run(upgrade_to_head(project))
run_command(project, command.downgrade, "base")
run_command(project, command.upgrade, "head")
"""

HANDLERS = """\
    import signal
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert all("stop" not in repr(handler) for handler in handlers), handlers
"""


def test_a_migration_in_a_program_sets_no_handlers(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    write_upgrade(project, HANDLERS)
    project.run("python", "-c", IN_A_PROGRAM)
    project.alembic("downgrade", "base")
    refused = project.alembic("upgrade", "head", ok=False)
    assert "AssertionError" in refused.stderr  # Alembic is the program there
