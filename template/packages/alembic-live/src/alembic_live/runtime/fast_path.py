"""Whether `db migrate` has nothing to do, found out with the driver alone.

Every start of a container asks this, and nearly always the answer is yes. Importing pydantic,
SQLAlchemy and Alembic takes several times longer than the question itself.

There is nothing to do if the version table holds the one head of the revision files, and nothing
else. Whatever is out of the ordinary, or fails, is left to `upgrade head`, which does the work or
says what is wrong.
"""

import asyncio
import threading
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic_live.address import CONNECT_TIMEOUT, Address
from alembic_live.history.files import (
    UnreadableRevisionError,
    heads_of,
    read_revisions_in,
)
from alembic_live.plain_settings import read_migration_address
from alembic_live.postgres.watchdog import limited_connecting
from alembic_live.runtime.declaration import Declaration
from alembic_live.sql.quoting import identifier

PATIENCE = 1.0  # seconds for the query: `upgrade head` names the session that it waits for
MOST_MEMORY = 64 << 20  # bytes for the answer of the server


def is_at_head(config_file: Path) -> bool:
    """Whether the database is at the one head of the history. False if that is not certain.

    Args:
        config_file: alembic.ini.
    """
    with suppress(Exception):
        declared = Declaration.read(config_file)
        head = _head(declared.versions)
        address = read_migration_address(declared.env_file)
        table = identifier(*filter(None, (declared.schema, declared.table)))
        # A second row means that the database is at several revisions.
        query = f"SELECT version_num::text FROM {table} LIMIT 2"
        return _rows(address, query) == [head]
    return False


def _head(versions: Path) -> str:
    """
    Raises:
        UnreadableRevisionError: there is not one head, or a revision follows a missing one.
        SyntaxError: the head is not Python.
    """
    files = read_revisions_in(versions)
    heads = heads_of(files)
    missing = {name for file in files for name in file.follows} - {file.revision for file in files}
    if len(heads) != 1 or missing:
        raise UnreadableRevisionError(f"{len(heads)} heads, {len(missing)} missing revisions")
    # The newest revision is the one that somebody edits. Reading the others in full takes too long.
    path = next(file.path for file in files if file.revision == heads[0])
    compile(path.read_bytes(), path, "exec")
    return heads[0]


def _rows(address: Address, query: str) -> list[Any]:
    """The first column of what a query returns, by the first host that can be asked."""
    ask = _rows_by_asyncpg if address.driver == "asyncpg" else _rows_by_libpq
    ports = {port for _, port in address.hosts}
    with limited_connecting(ports, patience=CONNECT_TIMEOUT, most_memory=MOST_MEMORY):
        *others, last = address.each
        for one in others:
            with suppress(Exception):
                return ask(one, address.timeout, query)
        return ask(last, address.timeout, query)


def _rows_by_asyncpg(address: Address, timeout: int, query: str) -> list[Any]:
    return asyncio.run(_rows_in_loop(address, timeout, query))


async def _rows_in_loop(address: Address, timeout: int, query: str) -> list[Any]:
    import asyncpg

    async with asyncio.timeout(timeout):
        connection = await asyncpg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.current_password() or None,
            database=address.name,
            statement_cache_size=0,  # a statement without a name, as poolers want it
            **address.connect_args({}) | {"timeout": timeout},
        )
        try:
            return [row[0] for row in await connection.fetch(query, timeout=PATIENCE)]
        finally:
            await connection.close(timeout=1)


def _rows_by_libpq(address: Address, timeout: int, query: str) -> list[Any]:
    """By psycopg or psycopg2, which take the same arguments."""
    connection: Any = import_module(address.driver).connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.current_password() or None,
        dbname=address.name,
        **address.connect_args({}) | {"connect_timeout": timeout},
    )
    with closing(connection):
        connection.autocommit = True
        timer = threading.Timer(PATIENCE, connection.cancel)
        timer.start()
        try:
            with closing(connection.cursor()) as cursor:
                cursor.execute(query)
                return [row[0] for row in cursor.fetchall()]
        finally:
            timer.cancel()
