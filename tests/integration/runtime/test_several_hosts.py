"""Several hosts: everything that writes finds the primary, also after a failover."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic.util import CommandError
from alembic_live import DatabaseSettings, create_application_engine, reading_engine
from alembic_live import Project as LiveProject
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import read_schema
from alembic_live.runtime.fast_path import _rows
from campaigns import campaign
from project import Project, said
from revisions import revise
from sample import NewProject
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError
from standby import Pair, pair

driver = campaign("driver", ["asyncpg", "psycopg"], keep=["asyncpg"])
IS_STANDBY = "SELECT pg_is_in_recovery()"
PORT = "SELECT inet_server_port()"


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    """A primary and a standby; no test promotes it."""
    with pair() as both:
        yield both


def project_of(settings: dict[str, str], driver: str, **more: str) -> LiveProject:
    loaded = DatabaseSettings.load(**settings | {"DB_DRIVER_ASYNC": driver} | more)
    return LiveProject(settings=loaded, metadata=MetaData())


def standby_first(servers: Pair) -> dict[str, str]:
    ports = f"{servers.second.port},{servers.first.port}"
    return servers.hosts | {"DB_PORT": ports}


@driver
def test_migrations_and_sessions_go_to_the_primary(servers: Pair, driver: str) -> None:
    project = project_of(standby_first(servers), driver)
    address = project.migration_address
    engine = make_engine(address)
    assert with_connection(engine, lambda it: it.scalar(text(IS_STANDBY))) is False
    assert _rows(address, PORT) == [servers.first.port]
    read_schema(address)
    assert asyncio.run(asked(create_application_engine(project), PORT)) == servers.first.port


async def asked(engine: Any, query: str) -> Any:
    async with engine.connect() as connection:
        value = await connection.scalar(text(query))
    await engine.dispose()
    return value


@driver
def test_readers_go_to_the_read_hosts(servers: Pair, driver: str) -> None:
    there = {"DB_READ_PORT": f"1,{servers.second.port}", "DB_READ_HOST": "127.0.0.1,127.0.0.1"}
    project = project_of(servers.hosts, driver, **there)

    async def use() -> None:
        engine = create_application_engine(project)
        reading = reading_engine(project, engine)
        async with reading.connect() as connection:
            assert await connection.scalar(text(IS_STANDBY)) is True
        before = reading.sync_engine.pool
        await engine.dispose()
        assert reading.sync_engine.pool is not before

    asyncio.run(use())
    same = project_of(servers.hosts, driver)
    assert same.read_address is None
    assert same.settings is not None
    hosts = {"DB_READ_HOST": servers.hosts["DB_HOST"], "DB_READ_PORT": servers.hosts["DB_PORT"]}
    assert project_of(servers.hosts, driver, **hosts).read_address is None


@driver
def test_a_dead_first_host_costs_a_bounded_time_and_once(servers: Pair, driver: str) -> None:
    with silent() as port:
        settings = servers.hosts | {"DB_PORT": f"{port},{servers.first.port}"}
        project = project_of(settings, driver)

        async def use() -> None:
            engine = create_application_engine(project)
            for most in (5.0, 1.0):
                began = time.monotonic()
                async with engine.connect() as connection:
                    await connection.scalar(text(PORT))
                assert time.monotonic() - began < most
                await engine.dispose()

        asyncio.run(use())


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@driver
def test_without_a_primary_the_reason_of_each_host_is_named(servers: Pair, driver: str) -> None:
    settings = servers.hosts | {"DB_PORT": f"1,{servers.second.port}"}
    address = project_of(settings, driver).migration_address
    with pytest.raises(CommandError) as refused:
        with_connection(make_engine(address), lambda _: None)
    sentence = str(refused.value)
    assert f'"postgres" on 127.0.0.1:1 or 127.0.0.1:{servers.second.port}, as' in sentence
    assert "127.0.0.1:1: " in sentence
    assert "refused" in sentence
    assert f"; 127.0.0.1:{servers.second.port}: " in sentence
    assert "standby. Check DB_HOST" in sentence.replace(" mode", "")


@driver
def test_a_wrong_password_is_not_tried_on_each_host(servers: Pair, driver: str) -> None:
    address = project_of(servers.hosts, driver, DB_PASSWORD="wrong").migration_address
    with pytest.raises(CommandError, match="Check DB_USER and DB_PASSWORD") as refused:
        with_connection(make_engine(address), lambda _: None)
    assert ";" not in str(refused.value).partition("Check")[0]


@driver
def test_a_pool_and_migrations_find_the_new_primary(service: Project, driver: str) -> None:
    with pair() as servers:
        environment = {**servers.hosts, "DB_DRIVER_ASYNC": driver}
        service.given(**environment).alembic("upgrade", "head")
        project = project_of(servers.hosts, driver)

        async def use() -> None:
            engine = create_application_engine(project, pool_size=2)

            async def write() -> int:
                async with engine.begin() as connection:
                    await connection.execute(text("INSERT INTO notes (title) VALUES ('x')"))
                    return int(await connection.scalar(text(PORT)))

            assert await write() == servers.first.port
            await asyncio.to_thread(servers.fail_over)
            deadline = time.monotonic() + 30
            while True:
                try:
                    assert await write() == servers.second.port
                    break
                except (DBAPIError, OSError):  # the connections of the pool are lost
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.2)
            await engine.dispose()

        asyncio.run(use())
        assert "nothing to do" in said(service.given(**environment).db("migrate"))
        service.given(**environment).alembic("downgrade", "base")
        assert servers.second.query("SELECT 1 FROM alembic_version") == []


def test_the_doctor_says_nothing_of_a_standby_that_only_the_primary_can_do(
    service: Project, servers: Pair
) -> None:
    done = service.given(**servers.second.environment).db("doctor", ok=False)
    assert "WRONG server      PostgreSQL" in done.stdout
    assert "Migrations need the primary" in done.stdout
    assert "may create" not in done.stdout
    assert "uv run alembic upgrade head on the primary, which this standby follows" in done.stdout


def test_a_plan_says_that_standbys_take_the_lock_too(
    new_project: NewProject, servers: Pair
) -> None:
    with servers.first.another("planned") as database:
        project = new_project().given(**database.environment)
        project.alembic("upgrade", "head")
        revise(project, "r1", 'op.add_column("notes", sa.Column("x", sa.Integer()))')
        plan = " ".join(project.db("plan").stdout.split())
        assert "1 standby: the ACCESS EXCLUSIVE lock on notes is taken there too" in plan
