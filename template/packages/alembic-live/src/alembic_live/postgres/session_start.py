"""What the sessions of an address begin with: the role that owns what they create, and the schema
of tables that name none.
"""

from sqlalchemy import Connection, Engine, event

from alembic_live.address import Address
from alembic_live.keepalive import watch_clients
from alembic_live.postgres.grants import ROLE
from alembic_live.sql.quoting import identifier, literal

# Other schemas on the path keep their places behind the first one: revisions may call their functions.
_PATH = """\
set_config('search_path', concat_ws(', ', {schema},
    nullif(current_setting('search_path'), '')), {local})"""

HIDE_NOTHING = "set_config('row_security', 'off', true)"


def start_sessions(engine: Engine, address: Address, **settings: str) -> None:
    """Begin each session of an engine as its address says, in the round trip that lets the server
    watch for its client. Row-level security hides no rows from it: Postgres refuses a statement that
    would miss them.

    Args:
        engine: the engine.
        address: its address.
        settings: further settings of the session.
    """
    engine.update_execution_options(**{ROLE: address.owner})
    calls = _calls(address.set_role, address.default_schema, local=False)
    watch_clients(engine, *calls, row_security="off", **settings)


def start_transactions(engine: Engine, address: Address) -> None:
    """Begin each transaction of an engine as its address says. Its sessions may be a pooler's, which
    gives them to other clients.
    """
    engine.update_execution_options(**{ROLE: address.owner})
    calls = _calls(address.set_role, address.default_schema, local=True)
    sql = f"SELECT {', '.join([*calls, HIDE_NOTHING])}"

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def session_script(role: str, schema: str) -> str:
    """The same as the start of a script.

    Args:
        role: the role that migrations take on; empty if it is the user.
        schema: the schema of tables that name none; empty if it is left to the search path.
    """
    calls = _calls(role, schema, local=False)
    return "\n\n".join(["SET row_security = off;", *(f"SELECT {call};" for call in calls), ""])


def _calls(role: str, schema: str, *, local: bool) -> list[str]:
    """The calls that set the role and the path, in this order: "$user" in a path is the role."""
    is_local = str(local).lower()
    return [
        *([f"set_config('role', {literal(role)}, {is_local})"] if role else []),
        *([_PATH.format(schema=literal(identifier(schema)), local=is_local)] if schema else []),
    ]
