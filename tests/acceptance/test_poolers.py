"""Behind PgBouncer: the application works in transaction mode, migrations go past it."""

from pathlib import Path

import pytest
from pgbouncer import pooler
from project import Project, said
from server import Database

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
