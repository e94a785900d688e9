"""A hundred tests that use the database: rolled back, as rendered projects do it, or each one
with an empty database that is migrated for it.
"""

from pathlib import Path

ROLLED_BACK, MIGRATED = "tests/test_rolled_back.py", "tests/test_migrated.py"

_TESTS = """
import asyncio
from collections.abc import AsyncIterator

import pytest
from alembic import command
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from alembic_live.address import Address
from my_service.database.models.tables_0000 import Table0
from alembic_live.runtime.program import run_command


@pytest.fixture
async def migrated(empty_database: Address) -> AsyncIterator[AsyncSession]:
    await asyncio.to_thread(run_command, command.upgrade, "head")
    engine = create_async_engine(empty_database.url("asyncpg"))
    async with AsyncSession(engine) as session:
        yield session
    await engine.dispose()


@pytest.mark.parametrize("number", range(100))
async def test_there_is_one_row({session}: AsyncSession, number: int) -> None:
    {session}.add(Table0(name=str(number)))
    await {session}.commit()
    assert await {session}.scalar(select(func.count()).select_from(Table0)) == 1
"""


def write_tests(project: Path) -> None:
    """Write both kinds of tests into a project that has tables."""
    (project / ROLLED_BACK).write_text(_TESTS.format(session="db"))
    (project / MIGRATED).write_text(_TESTS.format(session="migrated"))
