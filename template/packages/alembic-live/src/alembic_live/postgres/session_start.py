"""What the sessions of an address begin with: the role that owns what they create, and the schema
of tables that name none.
"""

from sqlalchemy import Connection, Engine, event

from alembic_live.address import Address
from alembic_live.keepalive import watch_clients
from alembic_live.sql.quoting import literal

# A path that begins with another schema, such as "$user", keeps its schemas behind this one.
_PATH = """\
set_config('search_path', CASE WHEN current_schema() = {schema} THEN current_setting('search_path')
ELSE concat_ws(', ', quote_ident({schema}), nullif(current_setting('search_path'), '')) END, {local})"""


def start_sessions(engine: Engine, address: Address, **settings: str) -> None:
    """Begin each session of an engine as its address says, in the round trip that lets the server
    watch for its client.

    Args:
        engine: the engine.
        address: its address.
        settings: further settings of the session.
    """
    watch_clients(engine, *_expressions(address, local=False), **settings)


def start_transactions(engine: Engine, address: Address) -> None:
    """Begin each transaction of an engine as its address says. Its sessions may be a pooler's, which
    gives them to other clients.
    """
    if expressions := _expressions(address, local=True):
        sql = f"SELECT {', '.join(expressions)}"

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def _expressions(address: Address, *, local: bool) -> list[str]:
    """The calls that set the role and the path, in this order: "$user" in a path is the role."""
    is_local = str(local).lower()
    role, schema = address.set_role, address.default_schema
    return [
        *([f"set_config('role', {literal(role)}, {is_local})"] if role else []),
        *([_PATH.format(schema=literal(schema), local=is_local)] if schema else []),
    ]
