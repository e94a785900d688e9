"""The address that an engine connects to, with every argument of its driver."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from alembic_live.address import DEFAULT_PORT, Address, driver_of
from alembic_live.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

_ADDRESS = "alembic_live_address"  # an engine's execution option with its Address


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
    known = sync.get_execution_options().get(_ADDRESS)
    if isinstance(known, Address):  # its password is asked for when it connects
        return replace(known, origin=origin)
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
        sslcert=arguments.pop("sslcert", ""),
        sslkey=arguments.pop("sslkey", ""),
        driver=driver,
        arguments=arguments,
        origin=origin,
    )


def ask_for_passwords(engine: Engine, address: Address) -> None:
    """Let an engine ask for the password of each new connection, if the address says so. If the
    server refuses a password that was kept, it is asked for once more.
    """
    source = address.password_source
    if source is None:
        return
    from sqlalchemy import Dialect, event

    from alembic_live.internals.sqlalchemy import wait_for

    engine.update_execution_options(**{_ADDRESS: address})

    def ask(dialect: Dialect) -> str:
        if dialect.is_async:  # a command takes its time, and the loop goes on meanwhile
            return wait_for(asyncio.to_thread(source.for_address, address))
        return source.for_address(address)

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _record: object, args: Any, arguments: Any) -> Any:
        arguments["password"] = ask(dialect)
        try:
            return dialect.connect(*args, **arguments)
        except Exception as error:
            if not _is_refused_login(error):
                raise
            source.forget(arguments["password"])
            password = ask(dialect)
            if password == arguments["password"]:
                raise
            arguments["password"] = password
        return dialect.connect(*args, **arguments)


def knows_password(engine: Engine) -> bool:
    """Whether an engine has a password, or asks for one."""
    return bool(engine.url.password or engine.get_execution_options().get(_ADDRESS))


def _is_refused_login(error: Exception) -> bool:
    """https://www.postgresql.org/docs/current/errcodes-appendix.html; libpq has no code for it."""
    code = getattr(error, "sqlstate", None) or ""
    return str(code).startswith("28") or "authentication failed" in str(error)


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
