"""No command shows a password that is in SQL, wherever the SQL comes from."""

from pathlib import Path

import pytest
from campaigns import campaign
from edit import edit
from project import Project, commit, said
from revisions import DOWN, UP, revision, write_revision
from sample import NewProject, write_sample
from secret_spellings import BODIES, SECRET, STATEMENTS
from server import Database

FORMS = [
    f"'{SECRET}'",
    f"E'\\x41{SECRET}'",
    f"$${SECRET}$$",
    f"$x$it's {SECRET}$x$",
    f"U&'{SECRET}\\0041'",
    f"U&'{SECRET}!0041' UESCAPE '!'",
    f"/* it's */ '{SECRET}'",
    f"'a'\n  '{SECRET}'",
    f"E'it\\'s'\n  '\\' {SECRET}'",
]
# As revisions have them: colons and percent signs as they are.
ALL = [
    *(STATEMENTS[0].replace("@", form) for form in FORMS),
    *(statement.replace("@", f"'{SECRET}'") for statement in STATEMENTS),
    *(body.replace("@", f"ALTER ROLE app PASSWORD '{SECRET}'") for body in BODIES),
]

# Each fails in another way, and Postgres says something else of it.
FAILING = {
    "no role": f"ALTER ROLE nobody_at_all PASSWORD '{SECRET}'",
    "quotation marks": f'ALTER ROLE postgres PASSWORD "{SECRET}"',
    "no end": f"ALTER ROLE postgres PASSWORD '{SECRET}",
    "in a block": f"DO $$ BEGIN EXECUTE 'ALTER ROLE nobody_at_all PASSWORD ''{SECRET}'''; END $$",
    "inside a block": f"DO $$ BEGIN EXECUTE 'ALTER ROLE postgres PASSWORD \"{SECRET}\"'; END $$",
    "a function": "SELECT set_it()",
    "a connection string": f"CREATE SUBSCRIPTION s CONNECTION 'host=a {SECRET}' PUBLICATION p",
    "a type": f"INSERT INTO users (name, password) VALUES (1, '{SECRET}'::int)",
    "a row": "UPDATE users SET name = NULL",
    "said by a function": f"DO $$ BEGIN RAISE 'the password is wrong: %', '{SECRET}'; END $$",
}
SET_UP = [
    "CREATE TABLE users (name int NOT NULL, password text)",
    f"INSERT INTO users VALUES (1, '{SECRET}')",
    "CREATE FUNCTION set_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE "
    f"'ALTER ROLE postgres PASSWORD \"{SECRET}\"'; END $$",
]


def runs_sql(project: Project, name: str, statements: list[str]) -> Path:
    """Write a revision that runs statements as they are."""
    project.alembic("revision", "-m", name)
    path = revision(project, name)
    calls = "".join(f"    run_sql({statement!r})\n" for statement in statements)
    imports = "from alembic_live.operations import run_sql\n"
    edit(path, "from alembic import op\n", f"from alembic import op\n{imports}")
    edit(path, UP, UP + calls)
    edit(path, DOWN, f"{DOWN}    pass\n")
    return path


def test_a_plan_shows_none(new_project: NewProject) -> None:
    project = new_project()
    body = f"DO $$ BEGIN EXECUTE 'ALTER ROLE app PASSWORD ''{SECRET}'''; END $$"
    rehearsed = ["CREATE ROLE app", f"ALTER ROLE app PASSWORD '{SECRET}'", body]
    runs_sql(project, "secrets", [*rehearsed, *ALL])
    for option in ("--verbose", "--json", "--markdown", "--sarif", "--github"):
        plan = project.db("plan", "5f0e:head", option)
        assert SECRET not in said(plan), option
    shown = project.db("plan", "5f0e:head", "--verbose").stdout
    assert "ALTER ROLE app PASSWORD '…'" in shown
    assert "DO " in shown
    # What a person runs is whole.
    assert project.alembic("upgrade", "5f0e:head", "--sql").stdout.count(SECRET) >= len(ALL)


def test_lint_shows_none(new_project: NewProject) -> None:
    project = new_project()
    commit(project.path)
    runs_sql(project, "secrets", [*ALL, f"ALTER ROLE app PASSWORD '{SECRET}"])
    for options in ((), ("--github",)):
        assert SECRET not in said(project.db("lint", *options, ok=False))


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Projects that migrate through each driver."""
    folder = tmp_path_factory.mktemp("drivers")
    return {name: write_sample(folder / name) for name in ("asyncpg", "psycopg", "psycopg2")}


@campaign("driver", ["asyncpg", "psycopg", "psycopg2"], keep=["asyncpg", "psycopg"])
@campaign("statement", FAILING, keep=["no end", "a function", "a connection string"])
def test_an_upgrade_that_fails_shows_none(
    drivers: dict[str, Project], database: Database, tmp_path: Path, driver: str, statement: str
) -> None:
    project = drivers[driver].given(
        **database.environment, DB_DRIVER_SYNC="" if driver == "asyncpg" else driver
    )
    for path in project.versions[1:]:
        path.unlink()
    runs_sql(project, "set_up", SET_UP)
    path = runs_sql(project, "secret", [statement])
    done = project.alembic("upgrade", "head", ok=False)
    assert "Traceback" not in said(done)
    assert f"{path.name}:" in said(done)
    assert "Postgres refused a statement" in said(done)
    assert SECRET not in said(done)
    # Nor where a person asks for the traceback, or a program logs the error.
    traced = project.alembic("--raiseerr", "upgrade", "head", ok=False)
    assert "CommandError" in said(traced)
    assert SECRET not in said(traced)
    script = tmp_path / "program.py"
    script.write_text(
        "import asyncio, logging\n"
        "from alembic_live import load_project, upgrade_to_head\n"
        "from pathlib import Path\n"
        "try:\n    asyncio.run(upgrade_to_head(load_project(Path('alembic.ini'))))\n"
        "except Exception:\n    logging.exception('It failed.')\n"
    )
    logged = project.run("python", script)
    assert "It failed." in said(logged)
    assert SECRET not in said(logged)


def test_the_rest_of_an_error_is_shown(new_project: NewProject) -> None:
    project = new_project()
    runs_sql(project, "secret", [f"ALTER ROLE nobody_at_all PASSWORD '{SECRET}'"])
    text = " ".join(said(project.alembic("upgrade", "head", ok=False)).split())
    assert 'role "nobody_at_all" does not exist' in text
    assert "Statement: ALTER ROLE nobody_at_all PASSWORD '…'." in text


def test_a_statement_that_waits_shows_none(new_project: NewProject, database: Database) -> None:
    project = new_project().given(DB_MIGRATION_LOCK_WAIT="0.5", DB_MIGRATION_LOCK_RETRIES="1")
    project.alembic("upgrade", "head")
    statement = f"ALTER TABLE notes ADD COLUMN password text DEFAULT '{SECRET}'"
    runs_sql(project, "waits", [statement])
    with database.connect() as other, other.transaction():
        other.execute("LOCK TABLE notes")
        done = project.alembic("upgrade", "head", ok=False)
    assert "ALTER TABLE notes ADD COLUMN password text DEFAULT '…'" in said(done)
    assert SECRET not in said(done)


def test_drift_shows_none(new_project: NewProject, database: Database) -> None:
    project = new_project()
    write_revision(
        project, "users", "CREATE TABLE users (password text DEFAULT 'a', kind text)", ""
    )
    project.alembic("upgrade", "head")
    for statement in (
        f"ALTER TABLE users ALTER password SET DEFAULT '{SECRET}'",
        "ALTER TABLE users ALTER kind SET DEFAULT 'shown'",
        f"CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM dblink('{SECRET}'); END $$",
    ):
        with database.connect() as connection:
            connection.execute(statement.encode())
    for options in ((), ("--json",)):
        done = project.db("drift", *options, ok=False)
        assert done.returncode == 1
        assert SECRET not in said(done)
        assert "kind text DEFAULT 'shown'::text" in done.stdout
        assert "table users" in done.stdout
        assert "function f()" in done.stdout


def test_a_schema_shows_no_credentials(new_project: NewProject) -> None:
    project = new_project()
    runs_sql(
        project,
        "servers",
        [
            "CREATE FOREIGN DATA WRAPPER w",
            f"CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (key '{SECRET}')",
            f"CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password '{SECRET}')",
        ],
    )
    done = project.db("schema", "head")
    assert "CREATE USER MAPPING" in done.stdout
    assert SECRET not in done.stdout
    project.db("schema")
    assert SECRET not in (project.path / "schema.sql").read_text()
    assert project.db("schema", "--check").returncode == 0


@pytest.mark.parametrize("command", [("alembic", "upgrade", "head"), ("db", "plan")], ids=" ".join)
def test_a_bug_in_a_revision_shows_none(new_project: NewProject, command: tuple[str, ...]) -> None:
    project = new_project()
    path = runs_sql(project, "bug", [])
    edit(
        path,
        UP,
        UP + f"    op.execute(\"ALTER ROLE app PASSWORD '{SECRET}'\", nothing={SECRET!r})\n",
    )
    done = project.run(*command, ok=False)
    assert "TypeError" in said(done)
    assert ("Traceback" in said(done)) == (command[0] == "alembic")
    assert SECRET not in said(done)


def test_a_log_of_statements_shows_none(new_project: NewProject) -> None:
    project = new_project()
    runs_sql(project, "secret", [f"SET app.token = '{SECRET}'"])
    ini = project.path / "alembic.ini"
    section = "[logger_sqlalchemy]\nlevel = "
    assert f"{section}WARNING" in ini.read_text()
    edit(ini, f"{section}WARNING", f"{section}INFO")
    done = project.alembic("upgrade", "head")
    assert "SET app.token = '…'" in said(done)
    assert SECRET not in said(done)


@pytest.mark.parametrize(
    "command", [("alembic", "upgrade", "head"), ("db", "current")], ids=" ".join
)
@campaign(
    "line",
    [
        f"sqlalchemy.url = postgresql+asyncpg://u:{SECRET}%@h/d",
        f"sqlalchemy.url = postgresql+asyncpg://u:{SECRET}%(NOTHING)s@h/d",
        f"sqlalchemy.url = {SECRET}@h:d",
        f"sqlalchemy.url = postgresql+asyncpg://u:{SECRET}@h:port/d",
    ],
    keep=[
        f"sqlalchemy.url = postgresql+asyncpg://u:{SECRET}%@h/d",
        f"sqlalchemy.url = {SECRET}@h:d",
    ],
)
def test_a_url_that_cannot_be_read_is_not_shown(
    new_project: NewProject, command: tuple[str, ...], line: str
) -> None:
    project = new_project()
    ini = project.path / "alembic.ini"
    before = next(each for each in ini.read_text().splitlines() if "sqlalchemy.url" in each)
    edit(ini, before, line)
    done = project.run(*command, ok=False)
    assert done.returncode != 0
    assert SECRET not in said(done)
    assert "Traceback" not in said(done)


def test_a_line_of_alembic_ini_that_makes_no_sense_is_not_shown(new_project: NewProject) -> None:
    project = new_project()
    ini = project.path / "alembic.ini"
    for text in (f"{SECRET}\n" + ini.read_text(), ini.read_text() + f"\n[x]\n{SECRET}\n"):
        ini.write_text(text)
        done = project.db("current", ok=False)
        assert "alembic.ini cannot be read: line" in said(done)
        assert SECRET not in said(done)


@pytest.mark.parametrize("name", ["DB_HOST", "DB_PORT", "DB_SSLMODE", "DB_NAME", "DB_SSLROOTCERT"])
def test_a_setting_that_is_wrong_is_not_shown(service: Project, name: str) -> None:
    done = service.given(**{name: f"postgresql://u:{SECRET}@h/d\n"}).db("status", ok=False)
    assert f"{name}: it takes" in said(done)
    assert SECRET not in said(done)


def test_what_holds_a_url_does_not_show_it(service: Project, database: Database) -> None:
    project = service.given(**database.environment | {"DB_PASSWORD": SECRET})
    program = (
        f"from {project.package}.config import settings\n"
        f"from {project.package}.database import project\n"
        "from alembic_live import create_application_engine\n"
        "from alembic_live.postgres.connection import make_engine\n"
        "address = settings.address\n"
        "engine, other = make_engine(address), create_application_engine(project)\n"
        "for each in (settings, address, engine, engine.url, engine.pool, other, [address], project):\n"
        "    print(repr(each), str(each))\n"
    )
    assert SECRET not in said(project.run("python", "-c", program))
