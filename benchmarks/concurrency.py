"""Sessions of a rendered project beside those of a plain engine, under concurrent tasks."""

import json
from collections.abc import Iterator
from statistics import median

from contestants import Contestant

TASKS = (50, 200)

# Both sides have the same number of connections. They take turns in one process, and who begins
# changes with each round.
_PROGRAM = """
import asyncio, gc, json, sys, time

from my_service.config import settings
from my_service.database.engine import get_engine
from my_service.database.models.note import Note
from my_service.database.session import read_session, session
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

rounds, sessions = int(sys.argv[1]), 400
plain_engine = create_async_engine(settings.address.url, pool_size=15, max_overflow=0)
plain = async_sessionmaker(plain_engine, expire_on_commit=False).begin


async def read(begin):
    async with begin() as db:
        await db.get(Note, 1)


async def write(begin):
    async with begin() as db:
        db.add(Note(title="x"))


async def seconds(work, begin, tasks):
    async def some():
        for _ in range(sessions // tasks):
            await work(begin)

    gc.collect()
    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(tasks)))
    return time.perf_counter() - began


async def main():
    found = {}
    async with session() as db:
        db.add(Note(title="x"))
    for tasks in json.loads(sys.argv[2]):
        for name, work, ours in (
            ("read, session()", read, session),
            ("insert, session()", write, session),
            ("read, read_session()", read, read_session),
        ):
            pairs = []
            for number in range(rounds + 1):
                sides = [ours, plain] if number % 2 else [plain, ours]
                times = {side: await seconds(work, side, tasks) for side in sides}
                pairs.append((times[ours], times[plain]))
            found[f"{name}, {tasks} tasks"] = pairs[1:]
    await get_engine().dispose()
    await plain_engine.dispose()
    print(json.dumps(found))


asyncio.run(main())
"""


def concurrency(contestant: Contestant, rounds: int) -> Iterator[tuple[str, float, float, float]]:
    """What is measured, the medians of both sides in seconds, and the median of their ratios."""
    output = contestant.program("python", "-c", _PROGRAM, str(rounds), json.dumps(TASKS))
    for name, pairs in json.loads(output).items():
        ours, plain = (median(times) for times in zip(*pairs, strict=True))
        yield name, ours, plain, median(mine / other for mine, other in pairs)
