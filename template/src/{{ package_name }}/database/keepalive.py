"""How soon each side of a connection notices that the other side's machine is gone.

TCP's own limits are two hours for a connection that is idle and 15 minutes for data that nobody
acknowledges. A vanished client's locks stay for that long, and a vanished server's client hangs.
A side that is busy for long is not cut off: its kernel answers the probes.
"""

import socket
from contextlib import closing, suppress
from functools import cache
from typing import Any

from sqlalchemy import Engine, event

IDLE = 15  # seconds without traffic until the first probe
INTERVAL = 10  # seconds between two probes
COUNT = 3  # probes without an answer that end the connection
UNACKNOWLEDGED = IDLE + INTERVAL * COUNT  # seconds that sent data may lack an acknowledgement
CHECK = 5.0  # seconds between two checks of the server, during a statement, for its client

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES: libpq ignores them
# for unix sockets and on systems that lack them.
LIBPQ_OPTIONS = {
    "keepalives": 1,
    "keepalives_idle": IDLE,
    "keepalives_interval": INTERVAL,
    "keepalives_count": COUNT,
    "tcp_user_timeout": UNACKNOWLEDGED * 1000,
}

# https://www.postgresql.org/docs/current/runtime-config-connection.html#RUNTIME-CONFIG-TCP-SETTINGS
SERVER_SETTINGS = {
    "tcp_keepalives_idle": str(IDLE),
    "tcp_keepalives_interval": str(INTERVAL),
    "tcp_keepalives_count": str(COUNT),
    "tcp_user_timeout": str(UNACKNOWLEDGED * 1000),
}
CHECK_SETTING = "client_connection_check_interval"  # which other systems than Linux may refuse

# macOS has its own name for the first, and no system but Linux has the last.
SOCKET_OPTIONS = (
    ("TCP_KEEPIDLE", IDLE),
    ("TCP_KEEPALIVE", IDLE),
    ("TCP_KEEPINTVL", INTERVAL),
    ("TCP_KEEPCNT", COUNT),
    ("TCP_USER_TIMEOUT", UNACKNOWLEDGED * 1000),
)


def watch_clients(engine: Engine) -> None:
    """Let the server watch for the client of each new connection of an engine. It costs one round
    trip: the settings cannot go along at the start, because poolers refuse them there.
    """

    @event.listens_for(engine, "connect")
    def watch(connection: Any, _record: object) -> None:
        if engine.dialect.driver == "asyncpg":  # its own way, which neither begins nor prepares
            connection.run_async(lambda driver: driver.execute(watching_sql(CHECK)))
            return
        autocommit, connection.autocommit = connection.autocommit, True
        with closing(connection.cursor()) as cursor:
            cursor.execute(watching_sql(CHECK))
        connection.autocommit = autocommit


def watching_sql(check: float) -> str:
    """A statement that lets the server watch for the client of its session.

    Args:
        check: seconds between two checks for the client while a statement runs.
    """
    settings = ", ".join(
        f"set_config('{name}', '{value}', false)" for name, value in SERVER_SETTINGS.items()
    )
    return (
        f"SELECT {settings}, CASE WHEN position('linux' IN version()) > 0 "
        f"THEN set_config('{CHECK_SETTING}', '{round(check * 1000)}', false) END"
    )


@cache
def asyncpg_connection() -> Any:
    """The class of asyncpg's connections with the options on their sockets: asyncpg has no
    parameters for them (https://github.com/MagicStack/asyncpg/issues/606).
    """
    import asyncpg  # costs time that the other drivers need not take

    class KeptAliveConnection(asyncpg.Connection):  # type: ignore[misc]
        def __init__(self, protocol: Any, transport: Any, *rest: Any) -> None:
            super().__init__(protocol, transport, *rest)
            keep_alive(transport.get_extra_info("socket"))

    return KeptAliveConnection


def keep_alive(connected: socket.socket) -> None:
    """Set the options on a socket, without those that the system or a unix socket lacks."""
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in SOCKET_OPTIONS:
        with suppress(AttributeError, OSError):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
