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
from edit import edit
from programs import psql
from project import Project, said
from psycopg import sql
from sample import NewProject
from server import Database

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


@contextmanager
def dropped_afterwards(database: Database, *roles: str) -> Iterator[None]:
    try:
        yield
    finally:
        with database.connect() as connection:
            for name in roles:
                for statement in ("DROP OWNED BY {} CASCADE", "DROP ROLE {}"):
                    connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


# tests/unit/test_settings.py has all names and all characters.
@pytest.mark.parametrize("name", ["DB_USER", "DB_SSLROOTCERT"])
def test_a_control_character_in_a_name_is_refused(service: Project, name: str) -> None:
    settings = {
        "DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_USER": "u", "DB_PASSWORD": "p", "DB_NAME": "d",
        "DB_MIGRATION_USER": "m", name: "x\n\\! touch owned\n--",
    }  # fmt: skip
    for command in (("db", "roles"), ("db", "migrate"), ("alembic", "upgrade", "head")):
        done = service.given(**settings).run(*command, ok=False)
        assert done.returncode != 0
        assert "CREATE" not in done.stdout
        assert f"{name}: it takes no control characters" in said(done)
        assert "touch owned" not in said(done)
        assert "Traceback" not in said(done)


def test_a_control_character_in_the_schema_is_refused(new_project: NewProject) -> None:
    project = new_project().given(DB_MIGRATION_USER="owner of it")
    database = project.path / "src" / project.package / "database" / "__init__.py"
    edit(database, "MetaData(\n", 'MetaData(\n    schema="x\\n\\\\! touch owned\\n",\n')
    done = project.db("roles", ok=False)
    assert done.stdout == ""
    assert "has a control character" in said(done)


@pytest.mark.parametrize("conforming", ["on", "off"])
@campaign("odd", ODD, keep=["a variable", "backslashes", "a connection string"])
def test_psql_takes_every_other_name_as_it_is(
    service: Project, server: Database, odd: str, conforming: str, tmp_path: Path
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
                psql(named, script, tmp_path)
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
    service: Project, database: Database, odd: str, tmp_path: Path
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
        psql(database, statement[0], tmp_path)
        assert "WRONG privileges" not in project.db("doctor", ok=False).stdout


def test_a_database_is_no_connection_string(new_project: NewProject, server: Database) -> None:
    with server.another("dbname=postgres host=nowhere.invalid") as named:
        project = new_project().given(**named.environment)
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
