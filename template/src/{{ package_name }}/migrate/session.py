"""What a session on the server is set to while it migrates, and set back to afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import DBAPIError

from .timeouts import milliseconds

# The role or the database may have defaults for these, made for the service's short transactions.
# They would end a migration in the middle. Older servers do not know all of them.
LIFTED = (
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)

# The server looks whether the client is still there: every second during a statement, so that
# nobody waits for that of a killed process, and after a minute of silence, so that nobody waits
# for a machine that is gone. Servers on some systems cannot do the first.
NOTICING = (
    {"client_connection_check_interval": "1000"},
    {
        "tcp_keepalives_idle": "60",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    },
)

READ = text("SELECT name, setting FROM pg_settings WHERE name IN :names").bindparams(
    bindparam("names", expanding=True)
)


@contextmanager
def migrating_session(connection: Connection, *, lock: float = 0) -> Iterator[None]:
    """Prepare the session of a connection without a transaction in progress for the block.

    Args:
        connection: whose session it is.
        lock: seconds that a statement may wait for a lock; 0 is no limit.
    """
    limits = dict.fromkeys(LIFTED, "0") | {"lock_timeout": str(milliseconds(lock))}
    names = [name for group in (limits, *NOTICING) for name in group]
    with connection.begin():
        rows = connection.execute(READ, {"names": names}).all()
    before = {row.name: row.setting for row in rows}
    try:
        _set(connection, {name: limits[name] for name in limits if name in before})
        for group in NOTICING:
            with suppress(DBAPIError):
                _set(connection, group)
        yield
    finally:
        if not (connection.invalidated or connection.closed):
            with suppress(DBAPIError):
                connection.rollback()
                _set(connection, before)


def _set(connection: Connection, values: Mapping[str, str]) -> None:
    calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in values.items())
    with connection.begin():
        connection.exec_driver_sql(f"SELECT {calls}")
