"""Test clients, plugins and loop scopes use the transaction of `db`. Runs inside a rendered project."""

import asyncio
import os
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import anyio
import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from my_service.database.engine import get_engine
from my_service.database.models.note import Note
from my_service.database.session import get_read_session, get_session, session
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

with warnings.catch_warnings():  # it recommends another library than httpx
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

COUNT = select(func.count()).select_from(Note)
TWICE = pytest.mark.parametrize("time", ["first", "second"])  # each begins without notes

STRICT = """
import asyncio, pytest
from my_service.database.session import session
from sqlalchemy import text


@pytest.mark.parametrize("time", range(2))
@pytest.mark.asyncio(loop_scope="function")
async def test_strict(db, time):
    async with session() as writer:
        await writer.execute(text("INSERT INTO notes (title) VALUES ('x')"))
    assert await db.scalar(text("SELECT count(*) FROM notes")) == 1


def test_sync(db):
    assert asyncio.run(db.scalar(text("SELECT count(*) FROM notes"))) == 0
"""


async def add(title: str) -> None:
    async with session() as writer:
        writer.add(Note(title=title))


async def count() -> int:
    async with session() as reader:
        return await reader.scalar(COUNT) or 0


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await add("lifespan")
    yield
    await get_engine().dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/notes")
async def write(
    title: str,
    db: Annotated[AsyncSession, Depends(get_session, scope="function")],
    later: BackgroundTasks,
) -> None:
    db.add(Note(title=title))
    later.add_task(add, "later")


@app.get("/notes")
async def read(db: Annotated[AsyncSession, Depends(get_read_session)]) -> int:
    return await db.scalar(COUNT) or 0


@app.post("/many")
async def write_many() -> None:
    await asyncio.gather(*(add(title) for title in "abc"))


def use(client: TestClient) -> None:
    client.post("/notes", params={"title": "x"}).raise_for_status()
    client.post("/many").raise_for_status()
    assert client.post("/notes", params={"title": ""}).status_code == 500


@TWICE
@pytest.mark.usefixtures("db")
def test_a_synchronous_client(time: str) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    use(client)
    assert client.get("/notes").json() == 5


@TWICE
def test_a_synchronous_client_with_a_lifespan(db: AsyncSession, time: str) -> None:
    with TestClient(app, raise_server_exceptions=False) as client:
        use(client)
        assert client.get("/notes").json() == 6
    assert asyncio.run(db.scalar(COUNT)) == 6


@TWICE
async def test_a_synchronous_client_in_a_coroutine(db: AsyncSession, time: str) -> None:
    db.add(Note(title="of the test"))
    await db.flush()
    with TestClient(app, raise_server_exceptions=False) as client:
        use(client)
    await db.commit()
    assert await db.scalar(COUNT) == 7


@TWICE
async def test_an_asynchronous_client(db: AsyncSession, time: str) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        requests = [client.post("/notes", params={"title": str(each)}) for each in range(4)]
        await asyncio.gather(*requests)
    assert await db.scalar(COUNT) == 8


@TWICE
@pytest.mark.asyncio(loop_scope="function")
async def test_a_loop_of_the_function(db: AsyncSession, time: str) -> None:
    await asyncio.gather(*(add(title) for title in "abc"))
    assert await db.scalar(COUNT) == 3


@TWICE
@pytest.mark.asyncio(loop_scope="module")
async def test_a_loop_of_the_module(db: AsyncSession, time: str) -> None:
    await asyncio.gather(*(add(title) for title in "abc"))
    assert await db.scalar(COUNT) == 3


class TestAnyio:
    """Tests of anyio's plugin, with its own loop."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @TWICE
    @pytest.mark.anyio
    async def test_a_loop_of_anyio(self, db: AsyncSession, time: str) -> None:
        async with anyio.create_task_group() as group:
            for title in "abc":
                group.start_soon(add, title)
        assert await db.scalar(COUNT) == 3


def test_the_strict_mode_of_pytest_asyncio() -> None:
    Path("tests/test_strict.py").write_text(STRICT)
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--asyncio-mode=strict",
        "tests/test_strict.py",
    )
    own = ("DB_", "ALEMBIC_LIVE_")  # it is another run, with another server
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert "3 passed" in done.stdout, done.stdout


async def test_two_sessions_meet_in_a_database_that_commits(committing_db: object) -> None:
    both = asyncio.Barrier(2)

    async def write_and_wait(title: str) -> None:
        async with session() as writer:
            writer.add(Note(title=title))
            await writer.flush()
            await both.wait()

    await asyncio.gather(write_and_wait("one"), write_and_wait("two"))
    assert await asyncio.to_thread(lambda: asyncio.run(count())) == 2
