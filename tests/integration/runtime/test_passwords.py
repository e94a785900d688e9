"""Passwords that change while a service runs, and logins without a password."""

import asyncio
import os
import pwd
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from alembic_live import ConfigurationError, DatabaseSettings, create_application_engine
from alembic_live import Project as LiveProject
from alembic_live.address import Address
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import read_schema
from alembic_live.postgres.local.cluster import Cluster
from alembic_live.postgres.local.throwaway import new_folder, remove
from alembic_live.runtime.fast_path import _rows
from campaigns import campaign
from proxy import proxy
from psycopg import sql
from roles import owner, server_context
from server import Database
from sqlalchemy import MetaData, text

DRIVERS = ["asyncpg", "psycopg"]
WHO = "SELECT current_user::text"

driver = campaign("driver", DRIVERS, keep=["asyncpg"])


@pytest.fixture
def rotating(server: Database) -> Iterator[Database]:
    """A database of a role whose password is `first`."""
    with owner(server, f"rotating_{os.getpid()}", "first") as database:
        yield database


def rotate(server: Database, database: Database, password: str) -> None:
    """Set another password, and end the role's sessions."""
    with server.connect() as connection:
        role = sql.Identifier(database.user)
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
            [database.user],
        )


def project_of(database: Database, driver: str, **options: Any) -> LiveProject:
    """A project that connects to a database without a password in its settings."""
    settings = DatabaseSettings.load(
        **{k: v for k, v in database.environment.items() if k != "DB_PASSWORD"}
        | {"DB_DRIVER_ASYNC": driver}
        | options.pop("settings", {})
    )
    return LiveProject(settings=settings, metadata=MetaData(), **options)


@driver
@pytest.mark.parametrize("kind", ["file", "command", "function", "kept"])
def test_a_pool_goes_on_after_a_rotation(
    server: Database,
    rotating: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    driver: str,
    kind: str,
) -> None:
    file, asked = tmp_path / "DB_PASSWORD", tmp_path / "asked"
    file.write_text("first\n")
    options: dict[str, Any] = {}
    match kind:
        case "file":
            monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
        case "command":
            command = f'test "$PGUSER" = {rotating.user} && cat {file} && echo x >> {asked}'
            options["settings"] = {"DB_PASSWORD_COMMAND": command}
        case "function":
            options["password"] = lambda address: file.read_text().strip()
        case "kept":
            options["password"] = lambda address: (file.read_text().strip(), 60)
    project = project_of(rotating, driver, **options)

    async def use() -> None:
        engine = create_application_engine(project, pool_size=3)

        async def who() -> Any:
            async with engine.connect() as connection:
                return await connection.scalar(text(WHO))

        assert {*await asyncio.gather(who(), who(), who())} == {rotating.user}
        await asyncio.to_thread(rotate, server, rotating, "second")
        file.write_text("second\n")
        await engine.dispose()
        assert {*await asyncio.gather(who(), who(), who())} == {rotating.user}
        await engine.dispose()

    asyncio.run(use())
    if kind == "command":  # once before the rotation, and once after
        assert asked.read_text() == "x\nx\n"
    address = project.migration_address
    assert with_connection(make_engine(address), lambda it: it.scalar(text(WHO))) == rotating.user
    assert _rows(address, WHO) == [rotating.user]
    assert read_schema(address) == {}
    assert "second" not in repr(address) + str(address) + repr(project.settings)


@driver
def test_a_password_that_is_wrong_is_asked_for_twice(rotating: Database, driver: str) -> None:
    asked = []

    def ask(address: Address) -> tuple[str, float]:
        asked.append(address.user)
        return "wrong", 60

    engine = make_engine(project_of(rotating, driver, password=ask).migration_address)
    with pytest.raises(Exception, match="password authentication failed") as refused:
        with_connection(engine, lambda _: None)
    assert "Check DB_USER and DB_PASSWORD" in str(refused.value)
    assert len(asked) == 2


@driver
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo hunter2; echo hunter2 >&2; exit 3", "DB_PASSWORD_COMMAND exits with 3. Run it"),
        ("true", "DB_PASSWORD_COMMAND prints nothing"),
    ],
)
def test_a_command_that_fails_is_a_sentence(
    rotating: Database, driver: str, command: str, words: str
) -> None:
    project = project_of(rotating, driver, settings={"DB_PASSWORD_COMMAND": command})
    with pytest.raises(ConfigurationError, match=words) as refused:
        with_connection(make_engine(project.migration_address), lambda _: None)
    assert "hunter2" not in str(refused.value)


def test_a_password_in_the_settings_comes_first(rotating: Database) -> None:
    settings = {"DB_PASSWORD": "first", "DB_PASSWORD_COMMAND": "false"}
    project = project_of(rotating, "asyncpg", settings=settings, password=lambda _: "wrong")
    assert _rows(project.migration_address, WHO) == [rotating.user]


@driver
def test_a_missing_password_is_a_sentence(rotating: Database, driver: str) -> None:
    engine = make_engine(project_of(rotating, driver).migration_address)
    with pytest.raises(Exception, match="Cannot connect") as refused:
        with_connection(engine, lambda _: None)
    assert "The server asks for a password, and DB_PASSWORD is not set." in str(refused.value)


@driver
def test_a_password_file_and_a_service_are_those_of_libpq(
    rotating: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    file = tmp_path / "passwords"
    file.write_text("*:*:*:*:first\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    address = project_of(rotating, driver).migration_address
    assert with_connection(make_engine(address), lambda it: it.scalar(text(WHO))) == rotating.user
    assert _rows(address, WHO) == [rotating.user]
    assert read_schema(address) == {}

    services = tmp_path / "services"
    there = f"host={rotating.host}\nport={rotating.port}\nuser={rotating.user}\n"
    services.write_text(f"[mine]\n{there}dbname={rotating.name}\npassword=first\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    settings = DatabaseSettings.load(DB_SERVICE="mine", DB_DRIVER_ASYNC=driver)
    assert settings.address == Address(
        rotating.host, rotating.port, rotating.user, "first", rotating.name, driver=driver
    )
    assert _rows(settings.migration_address, WHO) == [rotating.user]


@pytest.fixture(scope="module")
def trusting() -> Iterator[Database]:
    """A server on a unix socket that knows its users from the system."""
    folder = new_folder()
    cluster = Cluster(folder, throwaway=True, password="secret")
    cluster.start(str(folder / "data"), 5432)
    try:
        there = Database(str(folder / "data"), 5432, "local_admin", "secret", "postgres")
        me = pwd.getpwuid(os.geteuid()).pw_name
        with there.connect() as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(me)))
            hba = folder / "data" / "pg_hba.conf"
            hba.write_text(f"local all {me} peer\n{hba.read_text()}")
            connection.execute("SELECT pg_reload_conf()")
        yield Database(there.host, there.port, me, "", "postgres")
    finally:
        remove(folder)


@driver
def test_the_server_may_know_the_user_from_the_system(trusting: Database, driver: str) -> None:
    address = project_of(trusting, driver).migration_address
    assert with_connection(make_engine(address), lambda it: it.scalar(text(WHO))) == trusting.user
    assert _rows(address, WHO) == [trusting.user]
    assert read_schema(address) == {}


@driver
@pytest.mark.parametrize("mode", ["prefer", "verify-full"])
def test_a_client_certificate_is_shown_to_the_server(
    rotating: Database, tmp_path: Path, driver: str, mode: str
) -> None:
    context, authority, _ = server_context("localhost")
    context.verify_mode = ssl.CERT_REQUIRED
    clients = trustme.CA()
    clients.configure_trust(context)
    mine = clients.issue_cert("me")
    certificate, key, root = (tmp_path / name for name in ("me.crt", "me.key", "root.crt"))
    mine.cert_chain_pems[0].write_to_path(certificate)
    mine.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    authority.cert_pem.write_to_path(root)
    settings = {"DB_PASSWORD": "first", "DB_SSLMODE": mode}
    if mode == "verify-full":
        settings["DB_SSLROOTCERT"] = str(root)
    with proxy(rotating.host, rotating.port, context) as relay:
        there = Database("localhost", relay.port, rotating.user, "", rotating.name)
        settings |= {"DB_SSLCERT": str(certificate), "DB_SSLKEY": str(key)}
        project = project_of(there, driver, settings=settings)
        assert _rows(project.migration_address, WHO) == [rotating.user]
        engine = make_engine(project.migration_address)
        assert with_connection(engine, lambda it: it.scalar(text(WHO))) == rotating.user
