"""Two roles: the owner migrates, the application reads and writes rows and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import LiteralString

import psycopg
import pytest
from history import write_history
from project import Project, said
from psycopg import sql
from roles import role
from sample import NewProject
from server import Database

DENIED = psycopg.errors.InsufficientPrivilege


@pytest.fixture(params=["public", "sales"])
def schema(request: pytest.FixtureRequest) -> str:
    """Where the tables live."""
    name: str = request.param
    return name


@pytest.fixture
def project(new_project: NewProject, database: Database, schema: str) -> Project:
    """A project whose settings name two roles that are not there yet."""
    return new_project(database_schema=schema).given(
        DB_USER=f"app {database.name[-30:]}",
        DB_PASSWORD="the app's",
        DB_MIGRATION_USER=f"owner {database.name[-30:]}",
        DB_MIGRATION_PASSWORD="the owner's",
    )


@pytest.fixture
def application(project: Project, database: Database) -> Iterator[Database]:
    """The database as the application sees it, after a superuser ran `db roles`."""
    script = project.db("roles").stdout
    for password in ("the app's", "the owner's", database.password):
        assert password not in script
    names = {name: project.environment[name] for name in ("DB_USER", "DB_MIGRATION_USER")}
    with database.connect() as connection:
        for _ in range(2):  # it may be run again
            connection.execute(sql.SQL(script))
        for user, password in (
            ("DB_USER", "DB_PASSWORD"),
            ("DB_MIGRATION_USER", "DB_MIGRATION_PASSWORD"),
        ):
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(names[user]), project.environment[password]
                )
            )
    yield replace(database, user=names["DB_USER"], password="the app's")
    with database.connect() as connection:
        for name in names.values():
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_the_application_uses_what_the_owner_makes_and_changes_nothing(
    project: Project, application: Database, schema: str
) -> None:
    project.alembic("upgrade", "head")
    note = project.models / "note.py"
    project.write_model(
        "later", note.read_text().replace("Note", "Later").replace("notes", "later")
    )
    project.alembic("revision", "--autogenerate", "-m", "Later")
    project.alembic("upgrade", "head")
    assert project.db("doctor").returncode == 0

    def run(statement: str) -> None:
        with application.connect() as connection:
            connection.execute(f"SET search_path = {schema}".encode())
            connection.execute(statement.encode())

    for table in ("notes", "later"):  # the second one is of a later revision
        run(f"INSERT INTO {table} (title) VALUES ('a')")
        run(f"UPDATE {table} SET title = 'b'")
        run(f"SELECT * FROM {table}")
        run(f"DELETE FROM {table}")
    run("SELECT * FROM alembic_version")
    for statement in (
        "ALTER TABLE notes ADD COLUMN x int",
        "DROP TABLE notes",
        "TRUNCATE notes",
        "CREATE TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE INDEX mine ON notes (title)",
        "UPDATE alembic_version SET version_num = 'x'",
        "INSERT INTO alembic_version VALUES ('x')",
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
    ):
        with pytest.raises(DENIED):
            run(statement)


def test_tables_that_are_there_become_the_owner_s(
    new_project: NewProject, database: Database, request: pytest.FixtureRequest
) -> None:
    before = new_project()
    write_history(before, 3)
    before.alembic("upgrade", "head")
    database.query("CREATE TYPE mood AS ENUM ('good')")
    database.query("CREATE VIEW totals AS SELECT total FROM items")
    after = before.given(DB_USER="app of items", DB_MIGRATION_USER="owner of items")
    with database.connect() as connection:
        connection.execute(sql.SQL(after.db("roles").stdout))
        try:
            owners = connection.execute(
                "SELECT DISTINCT relowner::regrole::text FROM pg_class"
                " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
                " UNION SELECT typowner::regrole::text FROM pg_type WHERE typname = 'mood'"
            ).fetchall()
            assert owners == [('"owner of items"',)]
        finally:
            for name in ("app of items", "owner of items"):
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def taken_over(new_project: NewProject, database: Database) -> Iterator[Project]:
    """A project whose database and tables belong to the application, which is to change."""
    project = new_project().given(DB_USER="app of all", DB_PASSWORD="secret")
    with database.connect() as connection:
        connection.execute("CREATE ROLE \"app of all\" LOGIN PASSWORD 'secret'")
        connection.execute(
            sql.SQL('ALTER DATABASE {} OWNER TO "app of all"').format(sql.Identifier(database.name))
        )
    project.alembic("upgrade", "head")
    yield project.given(
        DB_MIGRATION_USER="owner of all",
        DB_MIGRATION_PASSWORD="secret",
    )
    with database.connect() as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                sql.Identifier(database.name), sql.Identifier(database.user)
            )
        )
        for name in ("app of all", "owner of all"):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchall():
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_what_the_application_owned_is_taken_from_it(
    taken_over: Project, database: Database
) -> None:
    with database.connect() as connection:
        connection.execute("CREATE ROLE \"owner of all\" LOGIN PASSWORD 'secret'")
        assert "owns the database and" in taken_over.db("doctor", ok=False).stdout
        connection.execute(sql.SQL(taken_over.db("roles").stdout))
    assert taken_over.db("doctor").returncode == 0
    application = replace(database, user="app of all", password="secret")
    for statement in (
        "DROP TABLE notes",
        "CREATE TABLE mine ()",
        "DROP SCHEMA public CASCADE",
    ):
        with pytest.raises(DENIED), application.connect() as connection:
            connection.execute(statement.encode())
    taken_over.alembic("downgrade", "base")
    taken_over.alembic("upgrade", "head")


@contextmanager
def administrator(database: Database, attributes: LiteralString) -> Iterator[Database]:
    """Who runs `db roles` in a managed database: a role that owns it, and is no superuser."""
    name = f"admin {database.name[-30:]}"
    with database.connect() as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret' CREATEROLE " + attributes).format(
                sql.Identifier(name)
            )
        )
        connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                sql.Identifier(database.name), sql.Identifier(name)
            )
        )
    try:
        yield replace(database, user=name, password="secret")
    finally:
        with database.connect() as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                    sql.Identifier(database.name), sql.Identifier(database.user)
                )
            )
            for part in ("app", "owner", "group", "admin"):
                role = f"{part} {database.name[-30:]}"
                if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchall():
                    role_name = sql.Identifier(role)
                    connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role_name))
                    connection.execute(sql.SQL("DROP ROLE {}").format(role_name))


@pytest.mark.parametrize(("schema", "attributes"), [("public", ""), ("sales", "NOINHERIT")])
def test_a_role_that_owns_the_database_and_may_create_roles_can_run_it(
    project: Project, database: Database, attributes: LiteralString
) -> None:
    if attributes and int(database.value("SHOW server_version_num")) < 160_000:
        pytest.skip("there, NOINHERIT of a role concerns all of its memberships")
    script = sql.SQL(project.db("roles").stdout)
    with administrator(database, attributes) as admin:
        with admin.connect() as connection:
            connection.execute("CREATE TABLE earlier ()")
            for _ in range(2):
                connection.execute(script)
            for name in ("MIGRATION_", ""):
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                        sql.Identifier(project.environment[f"DB_{name}USER"]),
                        project.environment[f"DB_{name}PASSWORD"],
                    )
                )
        project.alembic("upgrade", "head")
        assert project.db("doctor").returncode == 0


@pytest.mark.parametrize("schema", ["sales"])
def test_such_a_role_takes_what_the_application_owned(
    project: Project, database: Database, schema: str
) -> None:
    script = sql.SQL(project.db("roles").stdout)
    app = sql.Identifier(project.environment["DB_USER"])
    with administrator(database, "") as admin, admin.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(app))
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        with database.connect() as superuser:
            superuser.execute(sql.SQL("CREATE TABLE {}.mine ()").format(sql.Identifier(schema)))
            superuser.execute(
                sql.SQL("ALTER TABLE {}.mine OWNER TO {}").format(sql.Identifier(schema), app)
            )
        connection.execute(script)
        assert database.value(
            "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'mine'"
        ) == '"{DB_MIGRATION_USER}"'.format(**project.environment)


def test_a_superuser_is_no_role_for_an_application(taken_over: Project, database: Database) -> None:
    script = taken_over.db("roles").stdout
    with database.connect() as connection:
        connection.execute('ALTER ROLE "app of all" SUPERUSER')
        with (
            database.connect() as other,
            pytest.raises(psycopg.errors.RaiseException, match="is a superuser"),
        ):
            other.execute(sql.SQL(script))
        connection.execute('ALTER ROLE "app of all" NOSUPERUSER')


def test_the_script_does_not_queue_for_long(taken_over: Project, database: Database) -> None:
    script = taken_over.db("roles").stdout
    assert "SET LOCAL lock_timeout = '3s'" in script
    with database.connect() as reader, database.connect() as connection, reader.transaction():
        reader.execute("SELECT FROM notes")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute(sql.SQL(script))


def test_one_role_for_both_is_refused(service: Project, database: Database) -> None:
    done = service.given(**database.environment).db("roles", ok=False)
    assert done.returncode == 1
    assert "Set DB_MIGRATION_USER to the name of the role that owns" in said(done)


@pytest.mark.parametrize("schema", ["public"])
@pytest.mark.parametrize("driver", ["", "psycopg"])
def test_migrations_take_on_the_role_that_owns_the_tables(
    project: Project, database: Database, driver: str
) -> None:
    """DB_MIGRATION_ROLE: who logs in is a member of the owner, and need not inherit from it."""
    owner = f"group {database.name[-30:]}"
    project = project.given(DB_MIGRATION_ROLE=owner, DB_DRIVER_SYNC=driver)
    with administrator(database, "") as admin:
        with admin.connect() as connection:
            connection.execute(sql.SQL(project.db("roles").stdout))
            for name in ("DB_MIGRATION", "DB"):
                connection.execute(
                    sql.SQL("ALTER ROLE {} NOINHERIT PASSWORD {}").format(
                        sql.Identifier(project.environment[f"{name}_USER"]),
                        project.environment[f"{name}_PASSWORD"],
                    )
                )
        project.db("migrate")
        owner_of = "SELECT relowner::regrole::text FROM pg_class WHERE relname = %s"
        assert database.value(owner_of, "notes") == f'"{owner}"'
        assert "nothing to do" in said(project.db("migrate"))
        doctor = project.db("doctor").stdout
        assert f'in role "{owner}"' in doctor
        assert f'"{owner}" may create tables' in doctor
        project.alembic("check")
        project.db("drift")


def test_a_role_that_the_user_may_not_take_on(service: Project, database: Database) -> None:
    with role(database, "guest") as guest:
        guests = service.given(**guest.environment)
        for wrong, reason in (
            ("nobody here", 'role "nobody here" does not exist'),
            (database.user, f'permission denied to set role "{database.user}"'),
        ):
            done = guests.given(DB_MIGRATION_ROLE=wrong).alembic("upgrade", "head", ok=False)
            assert reason in said(done)
            assert "Check DB_MIGRATION_ROLE" in said(done)
