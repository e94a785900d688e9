"""The address that an engine connects to, with every argument of its driver."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from alembic_live.address import DEFAULT_PORT, Address, driver_of
from alembic_live.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Engine
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
    if known := address_known_to(sync):
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


def connect_to(engine: Engine, address: Address) -> None:
    """Let an engine do for each new connection what its URL cannot say: ask for the password, and
    find the right one of several hosts.
    """
    if address.password_source is None and not address.further:
        return
    from sqlalchemy import event

    engine.update_execution_options(**{_ADDRESS: address})
    event.listen(engine, "do_connect", _Connector(address).connect)


class _Connector:
    """Connects to an address. The host that answered last is tried first."""

    def __init__(self, address: Address) -> None:
        self._hosts = address.each
        self._source = address.password_source

    def connect(self, dialect: Dialect, _record: object, args: Any, arguments: Any) -> Any:
        """A connection of the driver.

        Raises:
            Exception: the driver's, or its OperationalError with the reason of each host.
        """
        if len(self._hosts) == 1:
            return self._log_in(self._hosts[0], dialect, args, arguments)
        problems = []
        for one in list(self._hosts):
            place = {"host": one.host, "port": one.port}
            try:
                connection = self._log_in(one, dialect, args, arguments | place)
            except Exception as error:
                if not _is_of_host(error):
                    raise
                problems.append((one, error))
                continue
            self._hosts = [one, *(each for each in self._hosts if each is not one)]
            return connection
        reasons = "; ".join(f"{one.where}: {_reason(error)}" for one, error in problems)
        driver: Any = dialect.dbapi
        raise driver.OperationalError(reasons) from None

    def _log_in(self, address: Address, dialect: Dialect, args: Any, arguments: Any) -> Any:
        """If the server refuses a password that was kept, it is asked for once more."""
        if self._source is None:
            return dialect.connect(*args, **arguments)
        password = self._ask(address, dialect)
        try:
            return dialect.connect(*args, **arguments | {"password": password})
        except Exception as error:
            if not _is_refused_login(error):
                raise
            self._source.forget(password)
            another = self._ask(address, dialect)
            if another == password:
                raise
        return dialect.connect(*args, **arguments | {"password": another})

    def _ask(self, address: Address, dialect: Dialect) -> str:
        assert self._source is not None
        if not dialect.is_async:
            return self._source.for_address(address)
        from alembic_live.internals.sqlalchemy import wait_for

        # A command takes its time, and the loop goes on meanwhile.
        return wait_for(asyncio.to_thread(self._source.for_address, address))


def address_known_to(engine: Engine) -> Address | None:
    """The address that `connect_to` has given an engine; None if its URL has all of it."""
    known = engine.get_execution_options().get(_ADDRESS)
    return known if isinstance(known, Address) else None


def _is_refused_login(error: Exception) -> bool:
    """https://www.postgresql.org/docs/current/errcodes-appendix.html; libpq has no code for it."""
    return _code(error).startswith("28") or "authentication failed" in str(error)


def _is_of_host(error: Exception) -> bool:
    """Whether another host may help: nobody answers, or the server is not the one that is wanted."""
    if isinstance(error, (ConfigurationError, TypeError)) or _is_refused_login(error):
        return False
    code = _code(error)  # cannot_connect_now, or none
    return code in ("", "57P03") and "does not exist" not in str(error)


def _code(error: Exception) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if "target attribute" in str(error):  # asyncpg's words
        return "the server is a standby"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return " ".join(str(error).split()) or type(error).__name__


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
