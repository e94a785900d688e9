"""A program that reads rows through the service's sessions."""

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
