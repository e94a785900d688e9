"""`db doctor` names what is wrong, each thing in a sentence."""

import json
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from edit import edit
from local_server import server_of_its_own
from migrating import held_lock
from pgbouncer import TOLERANT, pooler
from project import Project, said, wait_until
from psycopg import sql
from revisions import NOTES, revise
from roles import a_role, role
from sample import NewProject
from server import Database


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project whose database is in order."""
    project = new_project()
    project.alembic("upgrade", "head")
    return project


def wrong(project: Project) -> dict[str, str]:
    """What the doctor finds wrong, by check; both outputs and the exit code have to say so."""
    done = project.db("doctor", "--json", ok=False)
    result = json.loads(done.stdout)
    findings = [(item["check"], item["text"]) for item in result["findings"] if not item["ok"]]
    found = {name: " ".join(text for its, text in findings if its == name) for name, _ in findings}
    assert result["ok"] is (not found)
    assert done.returncode == (1 if found else 0)
    assert "Traceback" not in said(done)
    people = project.db("doctor", ok=False)
    assert people.returncode == done.returncode
    assert people.stdout.count("WRONG") == len(findings)
    password = project.environment.get("DB_PASSWORD")
    assert not password or password not in said(done) + said(people)
    return found


def test_nothing_is_wrong(project: Project) -> None:
    assert wrong(project) == {}
    assert wrong(project.given(DB_DRIVER_ASYNC="asyncpg")) == {}


def test_missing_and_wrong_settings(new_project: NewProject) -> None:
    project = new_project()
    assert (
        "DB_HOST and DB_PORT are not set"
        in wrong(project.given(DB_HOST="", DB_PORT=""))["settings"]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": "nowhere.invalid"}, "Name or service not known. Check DB_HOST"),
        ({"port": 1}, "Connection refused. Is the server running?"),
        ({"password": "wrong"}, "An existing data folder or volume keeps its first password"),
        ({"name": "nowhere"}, 'database "nowhere" does not exist. Check DB_NAME'),
        ({"user": "nobody-here"}, "Check DB_USER and DB_PASSWORD"),
    ],
    ids=["host", "port", "password", "database", "user"],
)
def test_a_server_that_cannot_be_reached(
    service: Project, database: Database, change: dict[str, object], words: str
) -> None:
    there = replace(database, **change)  # type: ignore[arg-type]
    found = wrong(service.given(**there.environment))
    assert list(found) == ["connection"]
    assert words in found["connection"]


def test_the_hosts_of_readers(project: Project) -> None:
    there = project.given(DB_READ_HOST="localhost")
    assert wrong(there) == {}
    assert "ok    readers     read_session() reaches " in there.db("doctor").stdout
    found = wrong(project.given(DB_READ_HOST="localhost", DB_READ_PORT="1"))
    assert "Connection refused" in found["connection"]


def test_a_server_without_tls(service: Project, database: Database) -> None:
    found = wrong(service.given(**database.environment, DB_SSLMODE="require"))
    assert "check DB_SSLMODE" in found["connection"]


def test_a_server_that_demands_tls(service: Project, tmp_path: Path) -> None:
    with server_of_its_own(service, tmp_path) as (project, database):
        rules = project.path / ".postgres" / "data" / "pg_hba.conf"
        with database.connect() as connection:
            rules.resolve().write_text("hostssl all all all scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")
            wait_until(lambda: "connection" in wrong(project))
        found = wrong(project)
    assert "no encryption" in found["connection"]
    assert "Check DB_SSLMODE" in found["connection"]


def test_a_schema_that_the_role_may_not_create_in(service: Project, database: Database) -> None:
    with role(database, "guest") as guest:
        found = wrong(service.given(**guest.environment))
    assert 'GRANT CREATE, USAGE ON SCHEMA "public" TO "guest' in found["privileges"]
    assert "Since Postgres 15" in found["privileges"]


def test_a_schema_that_the_role_may_not_create(new_project: NewProject, database: Database) -> None:
    with role(database, "guest") as guest:
        found = wrong(new_project(database_schema="sales").given(**guest.environment))
    assert 'CREATE SCHEMA "sales" AUTHORIZATION "guest' in found["privileges"]


def test_a_version_table_that_the_role_may_not_read(project: Project, database: Database) -> None:
    with role(database, "guest") as guest:
        found = wrong(project.given(**guest.environment))
    assert "permission denied for table alembic_version" in found["revision"]


def test_revisions_that_are_not_applied(project: Project) -> None:
    project.alembic("downgrade", "base")
    assert wrong(project) == {"revision": "1 revision is not applied: uv run alembic upgrade head"}


def test_a_revision_that_the_code_does_not_have(project: Project, database: Database) -> None:
    database.query("UPDATE alembic_version SET version_num = 'tomorrow'")
    assert "revision tomorrow, which is not in this code" in wrong(project)["revision"]


def test_several_heads(project: Project) -> None:
    for name in ("one", "two"):
        project.alembic("revision", "-m", name, "--head", "5f0e1c2d3a4b", "--splice")
    assert "uv run alembic merge " in wrong(project)["heads"]


def test_branches_that_are_not_all_applied(project: Project) -> None:
    project.alembic("revision", "-m", "other", "--head=base", "--branch-label=other")
    found = wrong(project)
    assert "1 revision is not applied" in found["revision"]
    project.alembic("upgrade", "heads")
    assert wrong(project) == {}


def test_an_invalid_index(project: Project, database: Database) -> None:
    database.query("INSERT INTO notes (title) VALUES ('twice'), ('twice')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.query("CREATE UNIQUE INDEX CONCURRENTLY half ON notes (title)")
    assert "half of notes" in wrong(project)["indexes"]


def test_a_lock_of_a_dead_migration(project: Project, database: Database) -> None:
    doctor = project.library / "commands" / "doctor.py"
    with held_lock(database) as pid:
        time.sleep(11)
        assert wrong(project) == {}  # it may pause because it does not get a lock
        edit(doctor, "SILENCE = LONGEST_PAUSE + 30", "SILENCE = 10")
        assert f"SELECT pg_terminate_backend({pid})" in wrong(project)["lock"]


def test_poolers(project: Project, database: Database, pgbouncer: Path) -> None:
    with pooler(pgbouncer, database, "transaction", **TOLERANT) as pooled:
        through = project.given(**pooled.environment)
        assert "Set DB_MIGRATION_HOST" in wrong(through)["pooler"]
        assert "pooler" not in wrong(through.given(DB_POOLER="session"))
        past = through.given(DB_MIGRATION_HOST=database.host, DB_MIGRATION_PORT=str(database.port))
        assert "set DB_POOLER=transaction" in wrong(past)["pooler"]
        assert wrong(past.given(DB_POOLER="transaction")) == {}


def test_a_server_that_is_too_old(project: Project) -> None:
    # There is none here, so the oldest supported version becomes one of the far future.
    doctor = project.library / "commands" / "doctor.py"
    edit(doctor, "OLDEST_SERVER = 14", "OLDEST_SERVER = 99")
    assert "The oldest supported version is 99" in wrong(project)["server"]


def test_what_the_application_may_not_do(new_project: NewProject, database: Database) -> None:
    """A role that has the rights to read, and forgot the others."""
    project = new_project()
    project.alembic("upgrade", "head")
    database.query("CREATE TABLE numbered (id serial, log text)")
    with role(database, "guest") as guest:
        grantee = sql.Identifier(guest.user)
        two = project.given(
            DB_USER=guest.user,
            DB_PASSWORD=guest.password,
            DB_MIGRATION_USER=database.user,
            DB_MIGRATION_PASSWORD=database.password,
        )
        with database.connect() as connection:
            for grant, words in (
                (
                    "SELECT ON ALL TABLES",
                    "may not write to notes, numbered and may not use the seq",
                ),
                ("INSERT ON ALL TABLES", "may write to the version table"),
            ):
                connection.execute(
                    sql.SQL(f"GRANT {grant} IN SCHEMA public TO {{}}").format(grantee)
                )
                found = wrong(two)
                assert words in found["roles"]
                assert "`uv run db roles` prints SQL" in found["roles"]
            connection.execute(sql.SQL("REVOKE INSERT ON alembic_version FROM {}").format(grantee))
            assert (
                wrong(two)["roles"].split(" may not ")[1].startswith("use the sequences numbered")
            )
            connection.execute(
                sql.SQL("GRANT USAGE ON SEQUENCE numbered_id_seq TO {}").format(grantee)
            )
            assert wrong(two) == {}
            connection.execute(sql.SQL("DROP OWNED BY {}").format(grantee))


def test_what_the_migrating_role_may_not_do(new_project: NewProject, database: Database) -> None:
    """The message of the revision that fails says the same as the doctor."""
    project = new_project()
    project.alembic("upgrade", "head")
    revise(project, "r1", 'op.add_column("notes", sa.Column("x", sa.Integer()))')
    revise(project, "r2", 'op.create_table("t2", sa.Column("x", sa.Integer()))', follows="r1")
    database.query("CREATE TYPE mood AS ENUM ('good')")
    database.query("ALTER TABLE notes ADD COLUMN mood mood")
    name = sql.Identifier(database.name)

    def remedies(owner: Project, part: str, remedy: str) -> None:
        for text in (
            json.loads(owner.db("doctor", "--json", ok=False).stdout)["findings"],
            owner.alembic("upgrade", "head", ok=False),
        ):
            said_of = (
                " ".join(each["text"] for each in text)
                if isinstance(text, list)
                else " ".join(said(text).split())
            )
            assert part in said_of
            assert remedy in said_of
            assert "correct it" not in said_of

    with a_role(database, "") as role_, database.connect() as connection:
        owner, grantee = project.given(**role_.environment), sql.Identifier(role_.user)
        connection.execute(sql.SQL("GRANT SELECT ON alembic_version TO {}").format(grantee))
        remedies(owner, "notes", "`uv run db roles` prints SQL that does it for all objects")
        assert "mood, notes: the owner is" in owner.db("doctor", ok=False).stdout
        connection.execute(sql.SQL("ALTER TABLE notes OWNER TO {}").format(grantee))
        connection.execute(sql.SQL("ALTER TYPE mood OWNER TO {}").format(grantee))

        connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = ''").format(name))
        remedies(owner, "no", "default_schema = public")
        connection.execute(sql.SQL("ALTER DATABASE {} RESET search_path").format(name))

        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name)
        )
        remedies(owner, "read-only", "SET default_transaction_read_only = off")
        assert "may create tables" not in owner.db("doctor", ok=False).stdout
        connection.execute(
            sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name)
        )
        space = sql.Identifier(f"space of {database.name}")
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute(sql.SQL("CREATE TABLESPACE {} LOCATION ''").format(space))
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_tablespace = {}").format(name, space)
        )
        revise(project, "r0", 'op.create_table("t0", sa.Column("x", sa.Integer()))')
        edit(
            project.path / "migrations/versions/r1.py",
            f"down_revision = '{NOTES}'",
            "down_revision = 'r0'",
        )
        remedies(owner, "tablespace", "As a superuser, run: GRANT CREATE ON TABLESPACE")
        connection.execute(sql.SQL("ALTER DATABASE {} RESET default_tablespace").format(name))
        connection.execute(sql.SQL("DROP TABLESPACE {}").format(space))

        remedies(owner, "alembic_version", "GRANT SELECT, INSERT, UPDATE, DELETE ON")
        connection.execute(
            sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON alembic_version TO {}").format(grantee)
        )
        owner.alembic("upgrade", "head")
        assert wrong(owner) == {}


def test_an_application_with_another_search_path(project: Project, database: Database) -> None:
    edit(project.path / "alembic.ini", "env_file", "default_schema = public\nenv_file")
    database.query("CREATE SCHEMA other")
    with database.connect() as connection:
        name = sql.Identifier(database.name)
        connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = other").format(name))
    assert "search_path of the application's role" in wrong(project)["search_path"]
    assert 'SET search_path = "public"' in wrong(project)["search_path"]
    with role(database, "guest") as guest:
        found = wrong(
            project.given(
                DB_MIGRATION_USER=database.user,
                DB_MIGRATION_PASSWORD=database.password,
                DB_USER=guest.user,
                DB_PASSWORD=guest.password,
            )
        )
    assert "guest" in found["search_path"]
