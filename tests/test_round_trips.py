"""How often the client waits for the server: counted on the wire, so the same everywhere."""

from dataclasses import replace

import pytest
from project import Project
from proxy import proxy
from server import Database

READ = """
import asyncio, sys
from my_service.database.engine import get_engine
from my_service.database.models.note import Note
from my_service.database.session import read_session, session

async def main(kind, times):
    for _ in range(times):
        async with {"read": read_session, "write": session}[kind]() as db:
            await db.get(Note, 1)
    await get_engine().dispose()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.parametrize(("kind", "expected"), [("read", 1), ("write", 3)])
def test_a_read_by_primary_key_is_one_round_trip_in_a_reading_session(
    service: Project, database: Database, kind: str, expected: int
) -> None:
    service.given(**database.environment).alembic("upgrade", "head")

    def round_trips(times: int) -> int:
        with proxy(database.host, database.port) as relay:
            through = replace(database, port=relay.port)
            service.given(**through.environment).run("python", "-c", READ, kind, str(times))
            return relay.round_trips

    assert round_trips(11) - round_trips(1) == 10 * expected
