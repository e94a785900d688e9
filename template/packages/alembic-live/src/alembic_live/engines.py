"""The address that an engine connects to, with every argument of its driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from alembic_live.address import DEFAULT_PORT, Address, driver_of
from alembic_live.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


def address_of(engine: Engine | AsyncEngine, origin: str) -> Address:
    """The address that an engine connects to. This function does not connect: the engine's last event
    before a connection has the arguments, with a token that an earlier listener has set.

    https://docs.sqlalchemy.org/en/21/core/engines.html#fully-replacing-the-dbapi-connect-function

    Args:
        engine: the engine.
        origin: the place that names the engine, for messages.

    Raises:
        ConfigurationError: the engine is not for Postgres, or does not connect with its driver's
            arguments.
    """
    from sqlalchemy import Engine as SyncEngine

    sync = engine if isinstance(engine, SyncEngine) else engine.sync_engine
    driver = driver_of(sync.url, origin)
    arguments = _arguments_of(sync, origin)
    arguments.pop("context", None)  # psycopg's adapters, which each engine has for itself
    host = arguments.pop("host", "") or ""
    if not isinstance(host, str) or "," in host:
        raise ConfigurationError(
            f"The engine of {origin} connects to several hosts. Name the primary alone: migrations "
            "write."
        )
    ssl = arguments.get("ssl", "prefer")
    password = arguments.get("password", "")
    name = arguments.pop("database", "") or arguments.pop("dbname", "")
    return Address(
        host=host,
        port=int(arguments.pop("port", None) or DEFAULT_PORT),
        user=arguments.pop("user", "") or "",
        password=arguments.pop("password", "") if isinstance(password, str) else "",
        name=name or "",
        sslmode=arguments.pop("sslmode", ssl if isinstance(ssl, str) else "require"),
        sslrootcert=arguments.pop("sslrootcert", ""),
        driver=driver,
        arguments=arguments,
        origin=origin,
    )


class _CapturedError(Exception):
    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.arguments = arguments


def _arguments_of(engine: Engine, origin: str) -> dict[str, Any]:
    from sqlalchemy import event
    from sqlalchemy.exc import MissingGreenlet

    def capture(_dialect: object, _record: object, _args: object, arguments: Any) -> NoReturn:
        raise _CapturedError(dict(arguments))

    event.listen(engine, "do_connect", capture)
    pool = engine.pool.recreate()  # the engine's may have a connection that is open
    try:
        pool.connect().close()
    except _CapturedError as captured:
        return captured.arguments
    except MissingGreenlet:  # of an async creator
        pass
    finally:
        event.remove(engine, "do_connect", capture)
        pool.dispose()
    raise ConfigurationError(
        f"The engine of {origin} connects by a creator, or by a listener that makes the connection, "
        "so this command cannot connect to another database of the same server. Give Project() a url, "
        "or pass connect_args to create_engine()."
    )
