"""Names from settings and from databases are names, and nothing else, in the SQL and in the commands that are
printed: for psql, for a shell, and for a person.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from campaigns import campaign
from conftest import Render
from project import Project, clean_environment, said
from psycopg import sql
from server import Database
from test_schema_file import program

NAMES = [
    "DB_USER",
    "DB_NAME",
    "DB_MIGRATION_USER",
    "DB_HOST",
    "DB_MIGRATION_HOST",
    "DB_SSLROOTCERT",
]
CONTROL = {
    "line break": "x\n\\! touch owned\n--",
    "return": "x\r\\! touch owned\r",
    "escape": "x\x1b[31m",
    "delete": "x\x7f",
    "C1": "x\x9b31m",
    "line separator": "x\u2028",
    "override": "x\u202e",
}

# What is said in SQL, in psql or in a shell by other characters than letters.
ODD = {
    "quotation marks": "a\"b'c`touch owned`",
    "a comment": "a -- b /* c",
    "dollars": "a$do$b$$c$doo$",
    "a variable": "a:HOME :'HOME' :\"HOME\"",
    "backslashes": "a\\'; DROP TABLE notes; -- \\! touch owned",
    "a shell": "a$(touch owned);touch owned&",
    "percent": "a%s%%I{database}",
    "a connection string": "a=b host=nowhere.invalid",
    "other scripts": "数\u200d\u0627",
}


def psql(project: Project, database: Database, script: str, *options: str) -> str:
    """What psql says of a script, and that it did nothing else than run SQL."""
    folder = project.path / "psql"
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [program(project, "psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--quiet", "--tuples-only",
         "--no-align", *options],
        input=script, check=False, capture_output=True, text=True, cwd=folder,
        env=clean_environment() | {
            "PGHOST": database.host, "PGPORT": str(database.port), "PGUSER": database.user,
            "PGPASSWORD": database.password, "PGDATABASE": database.name,
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout


@contextmanager
def dropped_afterwards(database: Database, *roles: str) -> Iterator[None]:
    try:
        yield
    finally:
        with database.connect() as connection:
            for name in roles:
                for statement in ("DROP OWNED BY {} CASCADE", "DROP ROLE {}"):
                    connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@campaign("value", CONTROL, keep=["line break", "override"])
@pytest.mark.parametrize("name", NAMES)
def test_a_control_character_in_a_name_is_refused(service: Project, name: str, value: str) -> None:
    settings = {
        "DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_USER": "u", "DB_PASSWORD": "p", "DB_NAME": "d",
        "DB_MIGRATION_USER": "m",
    }  # fmt: skip
    value = f"/{value}" if name.endswith("HOST") else value
    for command in (("db", "roles"), ("db", "migrate"), ("alembic", "upgrade", "head")):
        done = service.given(**settings | {name: value}).run(*command, ok=False)
        assert done.returncode != 0
        assert "CREATE" not in done.stdout
        assert f"{name}: it takes no control characters" in said(done)
        assert "touch owned" not in said(done)
        assert "Traceback" not in said(done)


def test_a_password_takes_all_but_nul(rendered: Render, tmp_path: Path) -> None:
    (tmp_path / "DB_PASSWORD").write_text("a\0b")
    # Without the .env of the service that others share, which comes before secrets.
    project = rendered().copy(tmp_path / "project").given(SECRETS_DIR=str(tmp_path))
    done = project.db("status", ok=False)
    assert "DB_PASSWORD: it takes every character but NUL" in said(done)


def test_a_control_character_in_the_schema_is_refused(render: Render) -> None:
    project = render().given(DB_MIGRATION_USER="owner of it")
    schema = project.path / "src" / project.package / "database" / "schema.py"
    schema.write_text('SCHEMA: str | None = "x\\n\\\\! touch owned\\n"\n')
    done = project.db("roles", ok=False)
    assert done.stdout == ""
    assert "has a control character" in said(done)


@pytest.mark.parametrize("conforming", ["on", "off"])
@campaign("odd", ODD, keep=["a variable", "backslashes", "a connection string"])
def test_psql_takes_every_other_name_as_it_is(
    service: Project, server: Database, database: Database, odd: str, conforming: str
) -> None:
    owner, application = f"o {odd}"[:60], f"p {odd}"[:60]
    with server.another(f"{odd[:40]} {conforming}") as named:
        with named.connect() as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET standard_conforming_strings = {}").format(
                    sql.Identifier(named.name), conforming
                )
            )
            connection.execute("CREATE TABLE notes (id int)")
        settings = {"DB_USER": application, "DB_MIGRATION_USER": owner}
        project = service.given(**named.environment | settings)
        script = project.db("roles").stdout
        with dropped_afterwards(named, owner, application):
            for _ in range(2):
                psql(project, named, script)
            assert named.query(
                "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'notes'"
            )
            found = named.query(
                "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [owner, application]
            )
            assert {name for (name,) in found} == {owner, application}
            # The lines that it shows for psql name the same roles.
            lines = re.findall(r"^--   \\password (.*)$", script, re.MULTILINE)
            assert lines == [sql.Identifier(name).as_string() for name in (owner, application)]


@pytest.mark.parametrize("odd", ['a"; DROP SCHEMA public; --', "a'b\\"])
def test_what_the_doctor_writes_is_sql(
    service: Project, server: Database, database: Database, odd: str
) -> None:
    role = f"{odd} {database.name[-20:]}"
    with database.connect() as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role))
        )
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with dropped_afterwards(database, role):
        project = service.given(**replace(database, user=role, password="x").environment)
        found = project.db("doctor", ok=False).stdout
        statement = re.search(r"GRANT CREATE, USAGE ON SCHEMA .*;", found)
        assert statement
        psql(project, database, statement[0])
        assert "WRONG privileges" not in project.db("doctor", ok=False).stdout


def test_a_database_is_no_connection_string(render: Render, server: Database) -> None:
    with server.another("dbname=postgres host=nowhere.invalid") as named:
        project = render().given(**named.environment)
        project.alembic("upgrade", "head")
        named.query("CREATE TABLE by_hand (id int)")
        assert "table by_hand" in project.db("drift", ok=False).stdout


def test_a_percent_sign_in_a_name_is_one(service: Project, server: Database) -> None:
    with server.another("100%d %s") as named:
        project = service.given(**named.environment)
        assert 'database "100%d %s"' in project.db("status").stdout
        found = json.loads(project.db("doctor", "--json", ok=False).stdout)
        assert 'database "100%d %s"' in found["findings"][0]["text"]


def test_a_command_to_copy_is_one_for_a_shell(
    service: Project, database: Database, tmp_path: Path
) -> None:
    service.given(**database.environment).alembic("upgrade", "head")
    revision = "'$(touch owned)`touch owned`;touch"
    database.query("UPDATE alembic_version SET version_num = %s", revision[:32])
    done = service.given(**database.environment).alembic("upgrade", "head", ok=False)
    shown = re.search(
        r"repair the database: uv run (db remove .*?)\. To let", " ".join(said(done).split())
    )
    assert shown
    copied = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {shown[1]}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert copied.stdout.splitlines() == ["db", "remove", revision[:32]]
    assert list(tmp_path.iterdir()) == []
