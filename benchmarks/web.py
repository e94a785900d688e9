"""The rendered web application beside the same handlers with plain sessions, and on asyncpg's pool."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from contestants import Contestant
from project import clean_environment

LOAD = Path(__file__).with_name("load.py")
CLIENTS = (1, 50, 200)
SECONDS = 1.0
REQUESTS = {"read": ("GET", "/notes/1"), "list": ("GET", "/notes"), "create": ("POST", "/notes")}

# The same handlers, as the documentation of FastAPI and SQLAlchemy writes the session. The pools
# have the same size.
_PLAIN = """
from fastapi import FastAPI
from my_service.config import settings
from my_service.database.session import get_read_session, get_session
from my_service.web import notes
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

engine = create_async_engine(settings.address.url, pool_size=15, max_overflow=0)
factory = async_sessionmaker(engine, expire_on_commit=False)


async def reading():
    async with factory() as db:
        yield db


async def writing():
    async with factory.begin() as db:
        yield db


app = FastAPI()
app.include_router(notes.router)
app.dependency_overrides = {get_session: writing, get_read_session: reading}
"""

_ASYNCPG = """
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, HTTPException, Response
from my_service.config import settings
from my_service.web.notes import NewNote, Notes, StoredNote

COLUMNS = "id, title, body, created_at"
address = settings.address


@asynccontextmanager
async def lifespan(app):
    app.state.pool = await asyncpg.create_pool(
        host=address.host, port=address.port, user=address.user, password=address.password,
        database=address.name, min_size=15, max_size=15,
    )
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


@app.get("/notes/{note_id}")
async def read(note_id: int) -> StoredNote:
    row = await app.state.pool.fetchrow(f"SELECT {COLUMNS} FROM notes WHERE id = $1", note_id)
    if row is None:
        raise HTTPException(404)
    return StoredNote.model_validate(dict(row))


@app.get("/notes")
async def page(before: int = 2**31 - 1, limit: int = 20) -> Notes:
    rows = await app.state.pool.fetch(
        f"SELECT {COLUMNS} FROM notes WHERE id < $1 ORDER BY id DESC LIMIT $2", before, limit + 1
    )
    found = [StoredNote.model_validate(dict(row)) for row in rows]
    return Notes(items=found[:limit], next=found[limit - 1].id if found[limit:] else None)


@app.post("/notes", status_code=201)
async def create(new: NewNote, response: Response) -> StoredNote:
    row = await app.state.pool.fetchrow(
        f"INSERT INTO notes (title, body) VALUES ($1, $2) RETURNING {COLUMNS}", new.title, new.body
    )
    response.headers["Location"] = f"/notes/{row['id']}"
    return StoredNote.model_validate(dict(row))
"""


def web(contestant: Contestant, rounds: int) -> Iterator[str]:
    """Requests a second, the 99th percentile of the latency, and the processor time of the server for
    a request, which other programs on the machine disturb least. The sides take turns.
    """
    for name, source in (("plain", _PLAIN), ("pool", _ASYNCPG)):
        (contestant.folder / f"{name}.py").write_text(source)
    uvicorn = ("uvicorn", "--no-access-log", "--log-level=warning")
    sides = {
        "ours, as rendered": ("my-service",),
        "ours, without a log": ("my-service",),
        "plain SQLAlchemy": (*uvicorn, "plain:app"),
        "asyncpg's pool": (*uvicorn, "pool:app"),
    }
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(_served(contestant, command, quiet="without" in name))
            for name, command in sides.items()
        }
        urllib.request.urlopen(_create(servers["plain SQLAlchemy"].port)).close()
        for label, (method, path) in REQUESTS.items():
            for clients in CLIENTS:
                found = defaultdict(list)
                for number in range(rounds):
                    order = list(servers) if number % 2 else list(servers)[::-1]
                    for name in order:
                        found[name].append(_load(servers[name], method, path, clients))
                for name, runs in found.items():
                    rate = median(run["rate"] for run in runs)
                    p99 = median(run["p99"] for run in runs) * 1000
                    cpu = median(run["cpu"] for run in runs) * 1e6
                    yield (
                        f"{label:7}{clients:4} clients   {name:20}{rate:7.0f} /s"
                        f"   p99 {p99:7.1f} ms   {cpu:6.0f} µs of a processor"
                    )
    times = defaultdict(list)
    for _ in range(rounds):
        for name, command in sides.items():
            began = time.perf_counter()
            with _served(contestant, command, quiet=True):
                times[name].append(time.perf_counter() - began)
    for name, took in times.items():
        yield f"first answer   {name:20}{median(took):6.2f} s"


@dataclass(frozen=True)
class _Server:
    port: int
    process: psutil.Process

    @property
    def seconds(self) -> float:
        """The processor time that it has taken."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


def _load(server: _Server, method: str, path: str, clients: int) -> dict[str, float]:
    command = (sys.executable, LOAD, server.port, method, path, clients, SECONDS)
    before = server.seconds
    done = subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True, timeout=60
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures | {"cpu": (server.seconds - before) / figures["requests"]}


def _create(port: int) -> urllib.request.Request:
    return urllib.request.Request(
        f"http://127.0.0.1:{port}/notes", b'{"title":"x"}', {"Content-Type": "application/json"}
    )


@contextmanager
def _served(contestant: Contestant, command: tuple[str, ...], *, quiet: bool) -> Iterator[_Server]:
    """Run a server, and wait for its first answer that needs the database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program, *options = command
    environment = clean_environment() | contestant.environment | {"PYTHONPATH": "."}
    environment |= {"WEB_PORT": str(port), "WEB_LOG_LEVEL": "WARNING" if quiet else "INFO"}
    if options:
        options = [*options, f"--port={port}"]
    with (contestant.folder / "log").open("a") as log:
        process = subprocess.Popen(
            [contestant.programs / program, *options],
            cwd=contestant.folder, stdout=log, stderr=log, env=environment,
        )  # fmt: skip
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/notes").close()
                    break
                except OSError:
                    assert process.poll() is None, (contestant.folder / "log").read_text()
                    time.sleep(0.005)
            yield _Server(port, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait()
