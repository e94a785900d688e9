"""What a session on the server is set to while it migrates, and set back to afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import DBAPIError

# Outside of transactions, where CREATE INDEX CONCURRENTLY runs, nothing is cut off, whatever the
# role's or the database's own defaults are.
UNLIMITED = {"lock_timeout": "0", "statement_timeout": "0"}

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
def migrating_session(connection: Connection) -> Iterator[None]:
    """Prepare the session of a connection without a transaction in progress for the block."""
    names = [name for group in (UNLIMITED, *NOTICING) for name in group]
    with connection.begin():
        rows = connection.execute(READ, {"names": names}).all()
    before = {row.name: row.setting for row in rows}
    try:
        _set(connection, UNLIMITED)
        for group in NOTICING:
            with suppress(DBAPIError):
                _set(connection, group)
        yield
    finally:
        if not connection.invalidated:
            with suppress(DBAPIError):
                connection.rollback()
                _set(connection, before)


def _set(connection: Connection, values: dict[str, str]) -> None:
    calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in values.items())
    with connection.begin():
        connection.exec_driver_sql(f"SELECT {calls}")
