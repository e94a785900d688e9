"""What the DB_* settings say is what Postgres gets, whatever their characters."""

import os
import shutil
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from campaigns import campaign
from local_server import server_of_its_own
from project import Project, said
from proxy import proxy
from psycopg import sql
from roles import owner, server_context
from server import Database

EVERYTHING = "p@ss%w0rd/:#x %40%% %(DB_USER)s ?a=b&c=d '\"\\ + = é数 $1 [::1] ;|<>{}^`~!*(),"
PASSWORDS = [*"%@:/#?&'\"\\+=é数", "a b", " a ", "%%", EVERYTHING, "Aa0-" * 200]
NAMES = [
    "per%20cent",
    "at@sign",
    "a:b",
    "a/b",
    "a?b#c&d=e",
    'it\'s "a"',
    "back\\slash",
    "имя",
    "%(x)s",
]


@pytest.fixture(scope="session")
def drivers(service: Project) -> dict[str, Project]:
    """A project for each driver that migrations can use."""
    return {"asyncpg": service, "psycopg": service.given(DB_DRIVER_SYNC="psycopg")}


driver = pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])


@driver
@campaign("password", PASSWORDS, keep=["%", EVERYTHING, "Aa0-" * 200])
def test_any_password_logs_in(
    drivers: dict[str, Project], server: Database, driver: str, password: str
) -> None:
    with owner(server, f"user_{uuid.uuid4().hex}", password) as database:
        assert_migrates(drivers[driver], database)


@driver
@campaign("name", NAMES, keep=["per%20cent", 'it\'s "a"', "%(x)s"])
def test_users_and_databases_may_have_any_name(
    drivers: dict[str, Project], server: Database, driver: str, name: str
) -> None:
    with owner(server, f"{name} {driver}", "secret") as database:
        assert_migrates(drivers[driver], database)


@driver
def test_migrations_may_use_another_address_than_the_application(
    drivers: dict[str, Project], server: Database, driver: str
) -> None:
    with owner(server, f"migrator_{driver}", EVERYTHING) as database:
        nowhere = replace(database, host="nowhere.invalid", port=1, user="nobody", password="x")
        project = drivers[driver]
        project.given(
            **nowhere.environment,
            DB_MIGRATION_HOST=database.host,
            DB_MIGRATION_PORT=str(database.port),
            DB_MIGRATION_USER=database.user,
            DB_MIGRATION_PASSWORD=database.password,
        ).alembic("upgrade", "head")
        assert owner_of_notes(database) == database.user


@driver
def test_a_database_url_leads_everything_to_the_database(
    drivers: dict[str, Project], server: Database, driver: str
) -> None:
    with owner(server, f"url_{driver} {EVERYTHING[:20]}", EVERYTHING) as database:
        user, password, host = (
            quote(value, safe="") for value in (database.user, database.password, database.host)
        )
        url = f"postgres://{user}:{password}@{host}:{database.port}/{quote(database.name, safe='')}"
        project = drivers[driver].given(
            DATABASE_URL=f"{url}?sslmode=prefer&connect_timeout=7&options=-csearch_path%3Dpublic",
        )
        project.db("migrate")
        assert owner_of_notes(database) == database.user
        assert "nothing to do" in said(project.db("migrate"))
        found = project.db("doctor").stdout
        assert (
            "DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME, DB_SSLMODE from DATABASE_URL" in found
        )
        wrong = project.given(DATABASE_URL=url.replace(password, "wrong")).db("status", ok=False)
        assert "Check the user and the password in DATABASE_URL." in said(wrong)
        assert database.password not in said(wrong) + found


@driver
@campaign("host", ["::1", "localhost"], keep=["::1"])
def test_hosts_may_be_ipv6_or_names(
    drivers: dict[str, Project], tmp_path: Path, driver: str, host: str
) -> None:
    with server_of_its_own(drivers[driver], tmp_path, DB_HOST=host) as (project, database):
        assert database.host == host
        assert_migrates(project, database)


@driver
def test_the_host_may_be_the_directory_of_a_unix_socket(
    drivers: dict[str, Project], tmp_path: Path, driver: str
) -> None:
    with (
        # Its name has what a URL would take for something else.
        tempfile.TemporaryDirectory(prefix="socket %2F?a=b&c ", dir="/tmp") as directory,
        server_of_its_own(drivers[driver], tmp_path) as (project, database),
    ):
        if os.geteuid() == 0:  # the server is not root
            shutil.chown(directory, "nobody")
        with database.connect() as connection:
            connection.execute(
                sql.SQL("ALTER SYSTEM SET unix_socket_directories = {}").format(directory)
            )
        project.db("stop")
        project.db("start")
        project.given(DB_HOST=directory).alembic("upgrade", "head")
        assert owner_of_notes(database) == database.user


@driver
@campaign(
    ("mode", "certified", "root", "outcome"),
    [
        ("disable", "localhost", None, "plain"),
        ("prefer", "localhost", None, "encrypted"),
        ("require", "another.example", None, "encrypted"),
        ("require", "another.example", "its", "encrypted"),
        ("require", "localhost", "another", "refused"),
        ("verify-ca", "another.example", "its", "encrypted"),
        ("verify-ca", "localhost", "another", "refused"),
        ("verify-full", "localhost", "its", "encrypted"),
        ("verify-full", "another.example", "its", "refused"),
        ("verify-full", "localhost", "another", "refused"),
        ("verify-full", "localhost", None, "refused"),
    ],
    keep=[
        ("disable", "localhost", None, "plain"),
        ("require", "another.example", None, "encrypted"),
        ("verify-ca", "another.example", "its", "encrypted"),
        ("verify-full", "localhost", "its", "encrypted"),
        ("verify-full", "another.example", "its", "refused"),
        ("verify-full", "localhost", "another", "refused"),
    ],
)
def test_tls_is_what_libpq_s_words_say(
    drivers: dict[str, Project],
    server: Database,
    tmp_path: Path,
    driver: str,
    mode: str,
    certified: str,
    root: str | None,
    outcome: str,
) -> None:
    context, authority, another = server_context(certified)
    settings = {"DB_SSLMODE": mode}
    if root:
        trusted = authority if root == "its" else another
        trusted.cert_pem.write_to_path(tmp_path / "root.crt")
        settings["DB_SSLROOTCERT"] = str(tmp_path / "root.crt")
    with (
        owner(server, f"tls_{uuid.uuid4().hex}", "secret") as database,
        proxy(server.host, server.port, context) as relay,
    ):
        through = replace(database, host="localhost", port=relay.port)
        done = (
            drivers[driver]
            .given(**through.environment, **settings)
            .alembic("upgrade", "head", ok=False)
        )
        if outcome == "refused":
            assert done.returncode != 0
            assert "Check DB_SSLMODE and DB_SSLROOTCERT" in said(done)
            assert "Traceback" not in said(done)
        else:
            assert done.returncode == 0, said(done)
            assert owner_of_notes(database) == database.user
            assert (relay.encrypted > 0) == (outcome == "encrypted")


def assert_migrates(project: Project, database: Database) -> None:
    """`alembic upgrade head` finds this very database as this very user."""
    project.given(**database.environment).alembic("upgrade", "head")
    assert owner_of_notes(database) == database.user


def owner_of_notes(database: Database) -> str:
    """Who made the example's table."""
    owner: str = database.value("SELECT tableowner FROM pg_tables WHERE tablename = 'notes'")
    return owner
