"""What to do about a failed connection. The texts name the place where the address is set."""

from typing import Literal

from alembic_live.database_url import NAME, SERVICE

ORIGIN = "alembic_live_origin"  # an engine's execution option with its Address.origin

Kind = Literal[
    "login",
    "password",
    "name",
    "role",
    "host",
    "encryption",
    "tls",
    "pooler",
    "primary",
    "postgres",
    "running",
]

_START = "`uv run db start` starts a local one"

_OF_SETTINGS: dict[Kind, str] = {
    "login": (
        "Check DB_USER and DB_PASSWORD (for migrations DB_MIGRATION_USER and "
        "DB_MIGRATION_PASSWORD, if set). An existing data folder or volume keeps its first "
        "password."
    ),
    "password": (
        "The server asks for a password, and DB_PASSWORD is not set. Set it or DB_PASSWORD_COMMAND, or "
        "write it into libpq's password file (~/.pgpass)."
    ),
    "name": "Check DB_NAME, or create the database; `uv run db start` creates a local one.",
    "role": (
        "Check DB_MIGRATION_ROLE: the role must exist, and the user must be a member of it. `uv run db "
        "roles` prints SQL that creates it."
    ),
    "host": "Check DB_HOST (for migrations DB_MIGRATION_HOST, if set).",
    "tls": "Check DB_SSLMODE and DB_SSLROOTCERT (DB_SSLCERT and DB_SSLKEY, if set): does the server support them?",
    "encryption": (
        "Either it is no Postgres server: check DB_HOST and DB_PORT (for migrations DB_MIGRATION_HOST "
        "and DB_MIGRATION_PORT, if set). Or it has no TLS: check DB_SSLMODE."
    ),
    "pooler": (
        "This is a pooler, not a Postgres server. For migrations, set DB_MIGRATION_HOST and "
        "DB_MIGRATION_PORT to the server. If the pooler is in session mode, set DB_POOLER=session, or "
        "DB_MIGRATION_POOLER=session if it serves migrations alone."
    ),
    "primary": (
        "Migrations need the primary: check DB_HOST (for migrations DB_MIGRATION_HOST, if set). With "
        "the addresses of both, DB_HOST=one,other, they find it."
    ),
    "postgres": (
        "Check DB_HOST and DB_PORT (for migrations DB_MIGRATION_HOST and DB_MIGRATION_PORT, if "
        "set). Is it the address of a Postgres server, and does the server work?"
    ),
    "running": (
        f"Is the server running? {_START}. For another server, check DB_HOST "
        "and DB_PORT (for migrations DB_MIGRATION_HOST and DB_MIGRATION_PORT, if set)."
    ),
}
_OF_A_URL: dict[Kind, str] = {
    "login": (
        "Check the user and the password in {origin}. An existing data folder or volume keeps its "
        "first password."
    ),
    "password": (
        "The server asks for a password, and {origin} has none. Write it there, or into libpq's "
        "password file (~/.pgpass)."
    ),
    "name": (
        "Check the name of the database in {origin}, or create the database; `uv run db start` "
        "creates a local one."
    ),
    "role": "Check the role that {origin} names: the user must be a member of it.",
    "host": "Check the host in {origin}.",
    "tls": "Check sslmode and sslrootcert (sslcert and sslkey, if set) in {origin}: does the server support them?",
    "encryption": (
        "Either it is no Postgres server: check the host and the port in {origin}. Or it has no TLS: "
        "check sslmode there."
    ),
    "pooler": (
        "This is a pooler, not a Postgres server. Put the address of the server into {origin}. If "
        'the pooler is in session mode, set Project(pooler="session").'
    ),
    "primary": "Migrations need the primary: check the host in {origin}.",
    "postgres": (
        "Check the host and the port in {origin}. Is it the address of a Postgres server, and does "
        "the server work?"
    ),
    "running": (
        f"Is the server running? {_START}. For another server, check the host and the port in "
        "{origin}."
    ),
}

_POOLED_SETTINGS = (
    "Set DB_MIGRATION_HOST and DB_MIGRATION_PORT to the Postgres server. If the pooler is in "
    "session mode, set DB_POOLER=session instead, or DB_MIGRATION_POOLER=session if it serves "
    "migrations alone."
)
_POOLED_URL = (
    "Put the address of the Postgres server into {origin}. If the pooler is in session mode, set "
    'Project(pooler="session") instead.'
)


def remedy(kind: Kind, origin: str) -> str:
    """What to do about a failed connection.

    Args:
        kind: the kind of problem.
        origin: the place where the address is set. Empty for the DB_* settings.
    """
    if not origin or (kind == "pooler" and origin.startswith((NAME, SERVICE))):
        return _OF_SETTINGS[kind]
    return _OF_A_URL[kind].format(origin=origin)


def without_pooler(origin: str) -> str:
    """How to connect migrations without a pooler."""
    if not origin or origin.startswith((NAME, SERVICE)):
        return _POOLED_SETTINGS
    return _POOLED_URL.format(origin=origin)
