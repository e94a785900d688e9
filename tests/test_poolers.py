"""Behind PgBouncer: the application works in transaction mode, migrations go past it."""

from pathlib import Path

import pytest
from pgbouncer import find_pgbouncer, pooler
from project import Project, said
from server import Database

# What a pooler's administrator lets clients set when they connect.
TOLERANT = {"ignore_startup_parameters": "jit,extra_float_digits,options"}

USE = """
import asyncio
from sqlalchemy import select, func
from my_service.database.engine import get_engine
from my_service.database.models.note import Note
from my_service.database.session import read_session, session

async def use(number):
    for turn in range(10):
        async with session() as db:
            db.add(Note(title=f"{number}-{turn}"))
        async with read_session() as db:
            notes = await db.scalars(select(Note).where(Note.title == f"{number}-{turn}"))
            assert notes.one().body == ""
            await db.scalars(select(Note).limit(turn + 1))

async def main():
    await asyncio.gather(*(use(number) for number in range(12)))
    async with read_session() as db:
        print(await db.scalar(select(func.count()).select_from(Note)))
    await get_engine().dispose()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def pgbouncer(pytestconfig: pytest.Config) -> Path:
    """PgBouncer's program."""
    assert pytestconfig.cache
    return find_pgbouncer(pytestconfig.cache.mkdir("pgbouncer"))


@pytest.fixture
def installed(service: Project, with_drivers: Project, tmp_path: Path) -> dict[str, Project]:
    """A project for each driver of an application."""
    with_psycopg = with_drivers.copy(tmp_path / "psycopg", DB_DRIVER_ASYNC="psycopg")
    return {"asyncpg": service, "psycopg": with_psycopg}


def past(database: Database) -> dict[str, str]:
    """The settings that lead migrations straight to the server."""
    return {"DB_MIGRATION_HOST": database.host, "DB_MIGRATION_PORT": str(database.port)}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_the_application_works_and_migrations_go_past(
    installed: dict[str, Project], pgbouncer: Path, database: Database, driver: str
) -> None:
    with pooler(pgbouncer, database, "transaction") as pooled:
        project = installed[driver].given(
            DB_POOLER="transaction", **pooled.environment, **past(database)
        )
        project.alembic("upgrade", "head")
        assert project.run("python", "-c", USE).stdout.strip() == "120"
        assert "(head)" in project.alembic("current").stdout


def test_without_the_setting_the_application_fails(
    service: Project, pgbouncer: Path, database: Database
) -> None:
    with pooler(pgbouncer, database, "transaction") as pooled:
        project = service.given(**pooled.environment, **past(database))
        project.alembic("upgrade", "head")
        assert "prepared statement" in said(project.run("python", "-c", USE, ok=False))


def test_migrations_ask_for_the_server_where_only_a_pooler_is_known(
    service: Project, database: Database
) -> None:
    project = service.given(DB_POOLER="transaction", **database.environment)
    for command in (("alembic", "upgrade", "head"), ("db", "status")):
        done = project.run(*command, ok=False)
        assert done.returncode != 0
        assert "Set DB_MIGRATION_HOST or DB_MIGRATION_PORT" in " ".join(said(done).split())
        assert "Traceback" not in said(done)


@pytest.mark.parametrize("tolerant", [False, True], ids=["strict", "tolerant"])
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_migrations_refuse_a_pooler_in_transaction_mode(
    installed: dict[str, Project],
    pgbouncer: Path,
    database: Database,
    driver: str,
    tolerant: bool,
) -> None:
    settings = TOLERANT if tolerant else {}
    with pooler(pgbouncer, database, "transaction", **settings) as pooled:
        done = installed[driver].given(**pooled.environment).alembic("upgrade", "head", ok=False)
    text = " ".join(said(done).split())
    assert done.returncode != 0
    assert "pooler" in text
    assert "et DB_MIGRATION_HOST and DB_MIGRATION_PORT to the" in text
    assert "Traceback" not in text
    assert database.query("SELECT 1 FROM pg_class WHERE relname = 'notes'") == []


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_pooler_in_session_mode_will_do(
    installed: dict[str, Project], pgbouncer: Path, database: Database, driver: str
) -> None:
    with pooler(pgbouncer, database, "session", default_pool_size=1) as pooled:
        project = installed[driver].given(**pooled.environment)
        undecided = project.alembic("upgrade", "head", ok=False)
        assert "DB_POOLER=session" in " ".join(said(undecided).split())
        project = project.given(DB_POOLER="session")
        project.alembic("upgrade", "head")
        assert "(head)" in project.alembic("current").stdout


def test_a_pooler_that_is_said_to_be_in_session_mode_and_is_not(
    installed: dict[str, Project], pgbouncer: Path, database: Database
) -> None:
    settings = TOLERANT | {"server_round_robin": 1}
    with pooler(pgbouncer, database, "transaction", **settings) as pooled:
        with pooled.connect() as one, pooled.connect() as two, one.transaction():
            one.execute("SELECT 1")
            two.execute("SELECT 1")  # now the pool has two sessions
        project = installed["psycopg"].given(DB_POOLER="session", **pooled.environment)
        text = " ".join(said(project.alembic("upgrade", "head", ok=False)).split())
    assert "A pooler has changed the session in the middle of the migration" in text
    assert "Traceback" not in text
