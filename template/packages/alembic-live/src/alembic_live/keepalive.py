"""How fast each side of a connection notices that the other machine is gone.

The defaults of TCP are two hours for an idle connection and 15 minutes for unacknowledged data. For that
long the locks of a vanished client stay, and the client of a vanished server hangs. A busy side is not
disconnected: its kernel answers the probes.
"""

import socket
from contextlib import closing, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Engine

IDLE = 15  # seconds without traffic before the first probe
INTERVAL = 10  # seconds between two probes
COUNT = 3  # unanswered probes that end the connection
UNACKNOWLEDGED = IDLE + INTERVAL * COUNT  # seconds that sent data may stay unacknowledged
CHECK = 5.0  # seconds between two checks of the server for its client during a statement

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
CHECK_SETTING = (
    "client_connection_check_interval"  # servers on other systems than Linux may refuse it
)

# macOS has another name for the first. Only Linux has the last.
SOCKET_OPTIONS = (
    ("TCP_KEEPIDLE", IDLE),
    ("TCP_KEEPALIVE", IDLE),
    ("TCP_KEEPINTVL", INTERVAL),
    ("TCP_KEEPCNT", COUNT),
    ("TCP_USER_TIMEOUT", UNACKNOWLEDGED * 1000),
)


def watch_clients(engine: "Engine", *calls: str, **settings: str) -> None:
    """Let the server watch for its client in each new connection of an engine. This takes one round
    trip, because poolers refuse such settings in the startup message.

    Args:
        engine: the engine.
        calls: SQL of functions to call in the same round trip.
        settings: further settings of the session.
    """
    sql = f"SELECT {', '.join([watching(CHECK, **settings), *calls])}"

    from sqlalchemy import event

    # Before SQLAlchemy asks for the current schema.
    @event.listens_for(engine, "connect", insert=True)
    def watch(connection: Any, _record: object) -> None:
        if engine.dialect.driver == "asyncpg":  # without BEGIN and without preparing
            connection.run_async(lambda driver: driver.execute(sql))
            return
        autocommit, connection.autocommit = connection.autocommit, True
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql)
        connection.autocommit = autocommit


def watching(check: float, **settings: str) -> str:
    """SQL expressions that let the server watch for the client of its session.

    Args:
        check: seconds between two checks for the client during a statement.
        settings: further settings of the session.
    """
    all_settings = ", ".join(
        f"set_config('{name}', '{value}', false)"
        for name, value in {**SERVER_SETTINGS, **settings}.items()
    )
    return (
        f"{all_settings}, CASE WHEN position('linux' IN version()) > 0 "
        f"THEN set_config('{CHECK_SETTING}', '{round(check * 1000)}', false) END"
    )


@cache
def asyncpg_connection() -> Any:
    """A subclass of asyncpg's Connection that sets the options on its socket."""
    from alembic_live.internals.asyncpg import connection_class  # other drivers do not need it

    return connection_class(keep_alive)


def keep_alive(connected: socket.socket) -> None:
    """Set the options on a socket, except those that the system or a unix socket lacks."""
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in SOCKET_OPTIONS:
        with suppress(AttributeError, OSError):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
