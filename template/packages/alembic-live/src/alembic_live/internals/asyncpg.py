"""What is used of asyncpg though its documentation does not have it."""

import inspect
import socket
from collections.abc import Callable
from typing import Any

import asyncpg

from alembic_live.internals import Internal, require

LIBRARY = "asyncpg"


def connection_class(with_socket: Callable[[socket.socket], None]) -> Any:
    """A class of connections that call a function with their socket. asyncpg has no parameters for
    the options of a socket (https://github.com/MagicStack/asyncpg/issues/606). `connect()` takes
    the class; the arguments that it makes one with are not documented.

    Its `at_begin` is SQL that is sent with the next BEGIN, so that it takes no round trip.

    Raises:
        IncompatibleLibraryError: they are not the expected ones.
    """
    require(CONNECTION)

    class Connection(asyncpg.Connection):  # type: ignore[misc]
        def __init__(self, protocol: Any, transport: Any, *rest: Any) -> None:
            super().__init__(protocol, transport, *rest)
            self.at_begin = ""
            with_socket(transport.get_extra_info("socket"))

        async def execute(self, query: str, *args: Any, timeout: float | None = None) -> Any:
            if self.at_begin and query.startswith("BEGIN"):  # of asyncpg's Transaction
                query, self.at_begin = f"{query} {self.at_begin}", ""
            return await super().execute(query, *args, timeout=timeout)

    return Connection


def _takes_a_transport() -> bool:
    arguments = list(inspect.signature(asyncpg.Connection.__init__).parameters)
    return arguments[1:3] == ["protocol", "transport"]


CONNECTION = (Internal(LIBRARY, "Connection(protocol, transport, …)", _takes_a_transport),)
