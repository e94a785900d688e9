"""A server that does not behave costs a limited time and a limited memory, and writes nothing to the terminal
but what can be read there.
"""

import json
import re
import subprocess
import sys
import time

import psutil
import pytest
from campaigns import campaign
from edit import edit
from fake_server import Behaviour, fake_server
from migrating import crc, wait_for
from project import PATIENCE, Project, said
from psycopg import sql
from revisions import UP, write_revision
from sample import NewProject, write_sample
from server import Database
from terminal import on_a_terminal

# Sets a terminal's title, clears it, turns the reading direction; and a line that looks like another.
NASTY = "\x1b]0;owned\x07\x1b[2J\u202eevil\x9b31m"
LINE = "x\nFAILED: all is well\r::error::hidden"

MOST = 1 << 30  # bytes: what the libraries take, and the limit
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

HOSTILE: list[Behaviour] = [
    *("endless rows", "endless notices", "an endless error", "one byte at a time"),
    *("never answers", "never answers a query"),
]

COMMANDS = [
    ("alembic", "upgrade", "head"),
    ("alembic", "current"),
    ("db", "migrate"),
    ("db", "doctor"),
    ("db", "status"),
    ("db", "drift"),
]


def readable(text: str) -> str:
    """What was said, after a look that nothing in it is hidden."""
    assert not HIDDEN.search(text), repr(text)
    return text


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Projects that migrate through each driver, and have little patience."""
    folder = tmp_path_factory.mktemp("hostile")
    projects = {}
    for driver in ("asyncpg", "psycopg", "psycopg2"):
        project = write_sample(folder / driver)
        edit(project.library / "postgres" / "watchdog.py", "PATIENCE = 60.0", "PATIENCE = 4.0")
        projects[driver] = project.given(DB_DRIVER_SYNC="" if driver == "asyncpg" else driver)
    return projects


def at(project: Project, port: int) -> Project:
    return project.given(
        DB_HOST="127.0.0.1", DB_PORT=str(port), DB_USER="u", DB_PASSWORD="p", DB_NAME="d"
    )


def watched(project: Project, command: tuple[str, ...]) -> tuple[str, int, float, int]:
    """What a command says, its exit code, the seconds it took, and the most memory that it had."""
    began, most = time.monotonic(), 0
    process = project.begin(*command)
    watcher = psutil.Process(process.pid)
    if sys.platform == "linux":  # a mistake does not fill the machine
        watcher.rlimit(psutil.RLIMIT_AS, (4 * MOST, 4 * MOST))
    try:
        while process.poll() is None and time.monotonic() - began < PATIENCE:
            try:
                most = max(most, watcher.memory_info().rss)
            except psutil.Error:
                break
            time.sleep(0.01)
            assert most < 2 * MOST, "it would fill the machine"
        text, _ = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    return text, process.returncode, time.monotonic() - began, most


@campaign("driver", ["asyncpg", "psycopg", "psycopg2"], keep=["asyncpg"])
@campaign(
    "behaviour",
    ["endless rows", "never answers a query", "never answers", "an endless error"],
    keep=["endless rows", "never answers a query"],
)
def test_an_upgrade_comes_to_an_end(
    drivers: dict[str, Project], driver: str, behaviour: Behaviour
) -> None:
    with fake_server(behaviour) as server:
        text, code, seconds, most = watched(
            at(drivers[driver], server.port), ("alembic", "upgrade", "head")
        )
    assert code != 0
    assert 'Cannot connect to database "d" on 127.0.0.1' in " ".join(text.split())
    assert "Traceback" not in text
    assert seconds < 60
    assert most < MOST
    readable(text)


@campaign("command", COMMANDS, keep=[("db", "migrate")], ids=" ".join)
@campaign(
    "behaviour",
    ["endless rows", "never answers a query", "endless notices", "one byte at a time", "refuses"],
    keep=["one byte at a time"],
)
def test_every_command_comes_to_an_end(
    drivers: dict[str, Project], command: tuple[str, ...], behaviour: Behaviour
) -> None:
    with fake_server(behaviour, f"{NASTY}{LINE}") as server:
        text, code, seconds, most = watched(at(drivers["asyncpg"], server.port), command)
    assert code != 0
    assert "Traceback" not in text
    assert seconds < 90
    assert most < MOST
    assert "\nFAILED: all is well" not in readable(text)
    if behaviour == "refuses":
        assert r"\x1b]0;owned\x07" in text
        assert r"x\nFAILED" in text or "x FAILED" in text


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_program_that_is_not_postgres_is_named(drivers: dict[str, Project], driver: str) -> None:
    with fake_server("speaks HTTP") as server:
        done = at(drivers[driver], server.port).db("status", ok=False)
    text = " ".join(said(done).split())
    assert "Is it the address of a Postgres server" in text or "it is no Postgres server" in text
    assert "DB_PORT" in text


@campaign("driver", ["asyncpg", "psycopg", "psycopg2"], keep=["asyncpg"])
@campaign("behaviour", HOSTILE, keep=["endless rows", "never answers"])
def test_the_quick_look_gives_up_on_endless_answers(
    drivers: dict[str, Project], driver: str, behaviour: Behaviour
) -> None:
    """By itself: what comes after it has limits of its own."""
    program = (
        "import resource, sys, time\n"
        "from alembic_live.address import Address\n"
        "from alembic_live.runtime.fast_path import _rows\n"
        "began = time.monotonic()\n"
        f"address = Address('127.0.0.1', int(sys.argv[1]), 'u', 'p', 'd', 'disable', driver={driver!r})\n"
        "try:\n"
        "    _rows(address, 'SELECT 1')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "print(time.monotonic() - began < 8)\n"
    )
    with fake_server(behaviour) as server:
        done = drivers[driver].run("python", "-c", program, str(server.port))
    _, memory, in_time = done.stdout.split()
    assert int(memory) < 1_000_000  # kB; on a busy machine, much arrives between two looks
    assert in_time == "True"


@pytest.fixture
def project(new_project: NewProject) -> Project:
    return new_project()


def named(name: str, statement: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name))


@campaign(
    "revision",
    {
        "nasty": NASTY,
        "a line": LINE,
        "a command": "$(touch owned)`touch owned`;touch owned",
        "long": "x" * 1_000_000,
    },
    keep=["nasty", "a command"],
)
def test_revision_ids_in_a_database_are_shown_escaped(
    project: Project, database: Database, revision: str
) -> None:
    project.alembic("upgrade", "head")
    database.query("ALTER TABLE alembic_version DROP CONSTRAINT alembic_version_pkc")
    database.query("ALTER TABLE alembic_version ALTER version_num TYPE text")
    database.query("UPDATE alembic_version SET version_num = %s", revision)
    for command in (
        ("alembic", "upgrade", "head"), ("alembic", "current"), ("alembic", "check"),
        ("db", "status"), ("db", "doctor"), ("db", "doctor", "--json"), ("db", "plan"),
        ("db", "drift"), ("db", "remove", "5f0e"), ("db", "baseline"), ("db", "graph", "--history"),
        ("alembic", "downgrade", "-1"),
    ):  # fmt: skip
        done = project.run(*command, ok=False)
        text = readable(said(done))
        assert "Traceback" not in text, command
        assert "\nFAILED: all is well" not in text, command
        assert len(text) < 40_000, command
        for copied in re.findall(r"uv run db remove (.*?)(?:[.)] |[.)]?$)", text, re.MULTILINE):
            if "touch" in copied:
                assert copied.startswith("'$(touch owned)`touch owned`;touch owned'"), command
    warned = project.given(DB_MIGRATION_AHEAD="warn")
    database.query("UPDATE alembic_version SET version_num = %s", NASTY)
    assert r"\x1b]0;owned\x07" in readable(said(warned.alembic("upgrade", "head")))


def test_names_in_a_database_are_shown_escaped(project: Project, database: Database) -> None:
    project.alembic("upgrade", "head")
    with database.connect() as connection:
        for name in (f"t {NASTY}", f"u {LINE}"):
            connection.execute(named(name, "CREATE TABLE {} (id int)"))
            connection.execute(named(f"i {name}", "CREATE INDEX {} ON notes (title)"))
            connection.execute(named(name, "ALTER TABLE notes ADD COLUMN {} int"))
            connection.execute(named(f"e {name}", "CREATE TYPE {} AS ENUM ('a')"))
            connection.execute(
                sql.SQL("COMMENT ON TABLE notes IS {}").format(sql.Literal(f"{NASTY}{LINE}"))
            )
    for command in (
        ("alembic", "check"),
        ("alembic", "revision", "--autogenerate", "-m", "x"),
        ("db", "drift"),
        ("db", "drift", "--json"),
        ("db", "doctor"),
        ("db", "plan", "-1"),
    ):
        done = project.run(*command, ok=False)
        assert "Traceback" not in said(done)
        text = readable(said(done))
        assert not re.search(r"^\s*::error::", text, re.MULTILINE)
        if "--json" in command:
            assert any(NASTY in each["object"] for each in json.loads(done.stdout)["differences"])
    done = project.alembic("-x", "allow-drop", "revision", "--autogenerate", "-m", "x")
    readable(said(done))
    for path in project.versions:
        readable(path.read_text())
    assert "\nFAILED" not in said(done)
    project.alembic("upgrade", "head")  # what was written is Python, and drops them
    assert database.query("SELECT 1 FROM pg_class WHERE relname LIKE 't %%'") == []


def test_a_terminal_is_not_written_to_by_a_schema(project: Project) -> None:
    write_revision(
        project, "odd", f'CREATE TABLE "{NASTY}" (id int DEFAULT 1)'.replace(":", "\\:"), ""
    )
    shown, code = on_a_terminal(project, ["db", "schema", "head"], [])
    assert code == 0
    readable(shown.replace("\r\n", "\n"))
    whole = project.db("schema", "head").stdout
    assert NASTY in whole  # which psql may run


def test_sessions_in_the_way_are_shown_escaped(project: Project, database: Database) -> None:
    """Postgres itself lets no control character into an application's name; a role's may have any."""
    project = project.given(DB_MIGRATION_LOCK_WAIT="0.5", DB_MIGRATION_LOCK_RETRIES="1")
    write_revision(project, "more", "ALTER TABLE notes ADD COLUMN more int", "SELECT 1")
    project.alembic("upgrade", "5f0e")
    with database.connect() as connection:
        connection.execute(named(f"notes {NASTY}", "ALTER TABLE notes RENAME TO {}"))
        connection.execute(named(f"notes {NASTY}", "CREATE VIEW notes AS SELECT * FROM {}"))
    path = project.file("migrations/versions/*_more.py")
    statement = f'ALTER TABLE "notes {NASTY}" ADD COLUMN more int'.replace(":", "\\:")
    plain = '"ALTER TABLE notes ADD COLUMN more int"'
    edit(path, plain, repr(statement))
    with database.connect() as other, other.transaction():
        other.execute(named(f"notes {NASTY}", "LOCK TABLE {}"))
        done = project.alembic("upgrade", "head", ok=False)
    text = readable(said(done))
    assert r'Could not acquire a lock on "notes \x1b' in text
    assert r"\x1b]0;owned\x07" in text


def test_errors_and_notices_are_shown_escaped(project: Project, database: Database) -> None:
    body = f"RAISE WARNING '%', {sql.Literal(NASTY).as_string()}; RAISE EXCEPTION '%', {sql.Literal(NASTY + LINE).as_string()}"
    database.query("SELECT 1")
    with database.connect() as connection:
        connection.execute(
            sql.SQL("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS {}").format(
                sql.Literal(f"BEGIN {body}; END")
            )
        )
    write_revision(project, "odd", "SELECT f()", "SELECT 1")
    done = project.alembic("upgrade", "head", ok=False)
    text = readable(said(done))
    assert r"\x1b]0;owned\x07" in text
    assert "\nFAILED: all is well" not in text
    traced = project.alembic("--raiseerr", "upgrade", "head", ok=False)
    assert "Traceback" in said(traced)
    readable(said(traced))


def test_a_bug_that_quotes_a_database_is_shown_escaped(project: Project) -> None:
    project.alembic("revision", "-m", "bug")
    path = project.file("migrations/versions/*_bug.py")
    edit(path, UP, f"{UP}    raise RuntimeError({NASTY!r})\n")
    done = project.alembic("upgrade", "head", ok=False)
    assert "RuntimeError" in readable(said(done))


def test_what_pg_dump_says_is_shown_escaped(project: Project, database: Database) -> None:
    project.alembic("upgrade", "head")
    role = f"dumps {database.name[-30:]}"
    with database.connect() as connection:
        connection.execute(named(role, "CREATE ROLE {} LOGIN CREATEDB PASSWORD 'x'"))
        connection.execute(named(role, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}"))
        connection.execute(named(f"t {NASTY}", "CREATE TABLE {} (id int)"))
    try:
        done = project.given(DB_USER=role, DB_PASSWORD="x").db("drift", ok=False)
    finally:
        with database.connect() as connection:
            connection.execute(named(role, "DROP OWNED BY {}"))
            connection.execute(named(role, "DROP ROLE {}"))
    assert "pg_dump failed" in said(done)
    assert r"\x1b]0;owned\x07" in readable(said(done))


def test_the_log_of_waiting_processes_is_escaped(project: Project, database: Database) -> None:
    project.alembic("upgrade", "head")
    write_revision(project, "more", "SELECT 1", "SELECT 1")
    with database.connect() as connection:
        connection.execute("SELECT set_config('application_name', %s, false)", [NASTY])
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (crc(b"alembic"), crc(b"public")))
        waiting: subprocess.Popen[str] = project.begin("alembic", "upgrade", "head")
        wait_for(waiting, "Waiting for another process")
    text, _ = waiting.communicate(timeout=PATIENCE)
    readable(text)
    assert waiting.returncode == 0


def test_github_takes_no_command_from_a_name(project: Project) -> None:
    """A revision's file and message are those of a pull request by anybody."""
    odd = project.path / "migrations" / "versions" / "a%0A,b:c.py"
    odd.write_text(
        f'"""{LINE}"""\nrevision = "x%0A"\ndown_revision = "5f0e1c2d3a4b"\n'
        "branch_labels = None\ndepends_on = None\n\n\ndef upgrade() -> None:\n    pass\n\n\n"
        "def downgrade() -> None:\n    pass\n"
    )
    done = project.db("lint", "--github", ok=False)
    commands = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert commands
    for line in commands:
        assert re.fullmatch(r"::error file=[^:,]*,line=\d+,title=[^:,]*::.*", line), line
    assert any("file=migrations/versions/a%250A%2Cb%3Ac.py" in line for line in commands)


def test_a_diagram_keeps_its_fence(project: Project, database: Database) -> None:
    project.write_model(
        "odd",
        f"from sqlalchemy import text\nfrom sqlalchemy.orm import Mapped, mapped_column\n"
        f"from {project.package}.database.base import Base\n\n\n"
        "class Odd(Base):\n"
        f"    __tablename__ = {'x```' + NASTY + chr(10) + '```'!r}\n"
        f"    id: Mapped[int] = mapped_column({'c' + NASTY!r}, primary_key=True)\n",
    )
    output = project.path / "tables.md"
    project.db("graph", "--output", "tables.md", cwd=project.path)
    text = readable(output.read_text())
    assert text.count("```") == 2
    readable(project.db("graph").stdout)
