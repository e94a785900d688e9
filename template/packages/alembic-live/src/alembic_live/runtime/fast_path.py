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

from alembic_live.address import Address
from alembic_live.history.files import (
    UnreadableRevisionError,
    heads_of,
    read_revisions_in,
)
from alembic_live.plain_settings import read_migration_address
from alembic_live.postgres.watchdog import limited_connecting
from alembic_live.runtime.declaration import Declaration
from alembic_live.sql.quoting import identifier

PATIENCE = 3  # seconds until `upgrade head` is left to find out why the server does not answer
QUICK = 1.0  # seconds for the query: `upgrade head` names the session that it waits for
MOST_MEMORY = 64 << 20  # bytes for the answer of the server

# A second row means that the database is at several revisions. A subscription may copy the rows from
# another database.
QUERY = (
    "SELECT v.version_num::text FROM {table} v "
    "WHERE NOT EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = v.tableoid) LIMIT 2"
)


def is_at_head(config_file: Path) -> bool:
    """Whether the database is at the one head of the history. False if that is not certain.

    Args:
        config_file: alembic.ini.
    """
    with suppress(Exception):
        declared = Declaration.read(config_file)
        head = _head(declared.versions)
        address = read_migration_address(declared.env_file)
        default = "" if address.sets_search_path else declared.default_schema
        table = identifier(declared.schema or default, declared.table)
        return _rows(address, QUERY.format(table=table)) == [head]
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
    timeout = min(PATIENCE, address.timeout)
    ports = {port for _, port in address.hosts}
    with limited_connecting(ports, patience=PATIENCE * len(address.hosts), most_memory=MOST_MEMORY):
        *others, last = address.each
        for one in others:
            with suppress(Exception):
                return ask(one, timeout, query)
        return ask(last, timeout, query)


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
            **address.connect_args(_session(address)) | {"timeout": timeout},
        )
        try:
            return [row[0] for row in await connection.fetch(query, timeout=QUICK)]
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
        **address.connect_args(_session(address)) | {"connect_timeout": timeout},
    )
    with closing(connection):
        connection.autocommit = True
        timer = threading.Timer(QUICK, connection.cancel)
        timer.start()
        try:
            with closing(connection.cursor()) as cursor:
                cursor.execute(query)
                return [row[0] for row in cursor.fetchall()]
        finally:
            timer.cancel()


def _session(address: Address) -> dict[str, str]:
    """Settings of the session. A pooler may refuse them, and `upgrade head` then decides."""
    return {"role": address.set_role} if address.set_role else {}
