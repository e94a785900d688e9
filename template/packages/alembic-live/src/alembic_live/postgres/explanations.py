"""Turns errors of the driver and the server into sentences that say what to do."""

import os
import re
import ssl
from configparser import InterpolationError
from typing import Any

from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_live.engines import address_known_to
from alembic_live.hints import hints_on_login
from alembic_live.postgres.grants import advice_on_privileges
from alembic_live.postgres.remedies import ORIGIN, Kind, remedy
from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier

_WAIT = "Wait a moment and try again."

# The kind of an error by its SQLSTATE, or by words in the message if the driver gives no SQLSTATE:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_REMEDIES: dict[str, Kind] = {
    "to set role": "role",
    "28P01": "login",
    "28000": "login",
    "password authentication failed": "login",
    "private key": "tls",
    "3D000": "name",
    "22023": "role",
    "unsupported startup parameter": "pooler",
    "prepared statement": "pooler",
    'invalid value for parameter "role"': "role",
    "does not exist": "name",
    "not known": "host",
    "failed to resolve": "host",
    "resolution": "host",
    "standby": "host",
    # What libpq and asyncpg say of a program that answers in another protocol.
    "invalid response to SSL negotiation": "postgres",
    "expected authentication request from server": "postgres",
    "rejected SSL upgrade": "encryption",
    "SSL": "tls",
    "TLS": "tls",
    "certificate": "tls",
}
_PASSWORD_ASKED = ("password authentication failed", "no password supplied")
# too_many_connections, or what libpq says of it: it has no SQLSTATE of a connection that failed.
_FULL = ("too many connections for", "too many clients", "remaining connection slots")
# Remedies that do not depend on the origin of the address.
_OTHER_REMEDIES = {
    "57P03": _WAIT,
    "starting up": _WAIT,
}

_NO_EXTENSION = re.compile(r'extension "[^"]+" is not available|extension control file')

# not_null_violation and check_violation, whose DETAIL is a whole row.
_QUOTE_ROWS = ("23502", "23514")


def statement_of(error: Exception, otherwise: str = "") -> str:
    """The failed statement, on one line and without secrets. Empty if it is unknown.

    Args:
        error: an error of SQLAlchemy, which has the statement, or of the driver.
        otherwise: the statement if the error does not have it.
    """
    from alembic_live.sql.redaction import redacted  # only errors need it

    statement = getattr(error, "statement", None) or otherwise
    return one_line(" ".join(redacted(statement).split()))


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of an error of SQLAlchemy or the driver. Empty if it has none."""
    original = getattr(error, "orig", None) or error
    # psycopg2 has pgcode.
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or ""


def explain_connection_error(error: Exception, engine: Engine, limit: str = "") -> str:
    """Why a connection failed, to which database, and what to do.

    Args:
        error: the error of the driver.
        engine: the engine that could not connect.
        limit: the limit that the server exceeded, as a clause.
    """
    url = engine.url
    reason = limit or reason_of(error)
    host = url.query.get("host") or url.host
    address = address_known_to(engine)
    place = f"{host}, port {url.port}"
    if address and address.further:
        place = address.where
    where = one_line(f'"{url.database}" on {place}, as "{url.username}"')
    origin = engine.get_execution_options().get(ORIGIN, "the URL of the engine")
    kind = _kind(error, reason, limit)
    asks = sqlstate(error) == "28P01" or any(words in reason for words in _PASSWORD_ASKED)
    if asks and not (url.password or address):
        kind = "password"
    what_to_do = _other_remedy(error, reason) or remedy(kind, origin)
    if is_full(error):
        what_to_do = _remedy_for_full(reason, url)
    if kind in ("login", "name", "host"):
        parts = {
            "The user": url.username,
            "The password": url.password,
            "The name of the database": url.database,
        }
        what_to_do = f"{what_to_do} {hints_on_login(parts.items())}".rstrip()
    return f"Cannot connect to database {where}: {reason}. {what_to_do}"


def is_full(error: Exception) -> bool:
    """Whether there is no free connection: of the role, of the database, or of the server."""
    return sqlstate(error) == "53300" or any(words in reason_of(error) for words in _FULL)


def _remedy_for_full(reason: str, url: URL) -> str:
    """Which limit to raise. A migration needs one connection, and a second one to name its waits."""
    for kind, name in (("role", url.username), ("database", url.database)):
        if f"for {kind}" in reason and name:
            return (
                f"Close other connections of the {kind}, or raise its limit, as a superuser: ALTER "
                f"{kind.upper()} {one_line(identifier(name))} CONNECTION LIMIT 10; (-1 is no limit)"
            )
    return "Close other connections, or raise max_connections on the server."


def _other_remedy(error: Exception, reason: str) -> str | None:
    by_code = _OTHER_REMEDIES.get(sqlstate(error))
    return by_code or next(
        (text for words, text in _OTHER_REMEDIES.items() if words in reason), None
    )


def _kind(error: Exception, reason: str, limit: str) -> Kind:
    if limit:
        return "postgres"
    if "no encryption" in reason:  # has the same SQLSTATE as a wrong password
        return "tls"
    by_words = (kind for words, kind in _REMEDIES.items() if words in reason)
    return _REMEDIES.get(sqlstate(error)) or next(by_words, None) or "running"


def explain_refusal(error: DBAPIError, role: str = "") -> str:
    """Why Postgres rejected a statement that no revision contains.

    Args:
        error: the error.
        role: the role that executed it.
    """
    return (
        f"Postgres refused a statement: {reason_of(error)}.{shown_statement(error)}"
        f"{advice_on(error, role)}"
    )


def explain_sqlalchemy_error(error: SQLAlchemyError) -> str:
    """Why SQLAlchemy rejected something, such as a URL in alembic.ini."""
    return f"SQLAlchemy refuses it: {reason_of(error)}."


def advice_on(error: Exception, role: str = "") -> str:
    """Sentences on what to do about a refusal, after a space. Empty if the reason says it.

    Args:
        error: an error of SQLAlchemy or of the driver.
        role: the role that executed the statement.
    """
    original = getattr(error, "orig", None) or error
    message, *_ = _fields(original.__cause__ or original)
    if advice := advice_on_privileges(sqlstate(error), one_line(message), role):
        return f" {advice}"
    if _NO_EXTENSION.search(str(original)):
        return (
            " The wheel's programs, which run the local server and that of the tests, have no "
            "contrib modules. Set PG_BIN to the folder of other Postgres programs, such as "
            "/usr/lib/postgresql/18/bin of the apt package postgresql-18. PostGIS is in "
            "postgresql-18-postgis-3."
        )
    return ""


def shown_statement(error: Exception) -> str:
    """The failed statement as a sentence. Empty if it is unknown."""
    statement = statement_of(error)
    return f" Statement: {statement}." if statement else ""


def reason_of(error: Exception) -> str:
    """The driver's message on one line, without the class name that SQLAlchemy adds."""
    from alembic_live.sql.redaction import (  # only errors need it
        may_hold_a_secret,
        redacted_message,
    )

    original = getattr(error, "orig", None) or error
    # asyncpg's TimeoutError has a CancelledError as its cause.
    if isinstance(original, TimeoutError) or isinstance(original.__cause__, TimeoutError):
        return "no answer in time"
    original = original.__cause__ or original
    if isinstance(original, ssl.SSLError):
        return f"TLS negotiation failed: {one_line(original.strerror or str(original))}"
    if isinstance(original, OSError) and original.errno:
        return os.strerror(original.errno) if original.errno > 0 else str(original.strerror)
    about = (getattr(error, "statement", None), *sql_around(original))
    message, detail, hint = _fields(original)
    if row_quoted_by(original) or any(map(may_hold_a_secret, filter(None, about))):
        detail = ""
    parts = filter(None, (message, detail, hint))
    text = " ".join(" ".join(redacted_message(part, *about).split()) for part in parts)
    return one_line(text).rstrip(".?") or type(original).__name__


def _fields(error: BaseException) -> tuple[str, str, str]:
    """Message, DETAIL and HINT of a server's error, or the text of a driver's error. Other fields,
    such as LINE and CONTEXT, quote SQL.
    """
    fields: Any = getattr(error, "diag", None) or error  # of psycopg, or attributes of asyncpg
    primary = getattr(fields, "message_primary", None) or getattr(fields, "message", None)
    if not isinstance(primary, str):
        return str(error), "", ""
    detail = getattr(fields, "message_detail", None) or getattr(fields, "detail", None)
    hint = getattr(fields, "message_hint", None) or getattr(fields, "hint", None)
    return primary, f"DETAIL: {detail}" if detail else "", f"HINT: {hint}" if hint else ""


def row_quoted_by(error: BaseException) -> str:
    """The DETAIL of an error if it quotes a whole row. Otherwise empty."""
    _, detail, _ = _fields(error)
    return detail.removeprefix("DETAIL: ") if sqlstate(error) in _QUOTE_ROWS else ""


def sql_around(error: BaseException) -> tuple[str, ...]:
    """The SQL inside the failed statement, as far as the error has it: the query of a function, and
    the SQL that CONTEXT quotes.
    """
    fields: Any = getattr(error, "diag", None) or error
    context = str(getattr(fields, "context", None) or "")
    quoted = context[context.find('"') + 1 : context.rfind('"')]
    return tuple(filter(None, (getattr(fields, "internal_query", None), quoted)))


def explain_interpolation_error(error: InterpolationError) -> str:
    """Which value of alembic.ini cannot be read. A percent sign starts a %(name)s there."""
    return (
        f'alembic.ini cannot be read: the value of "{error.option}" in [{error.section}] has a '
        "percent sign that does not start a %(name)s. Write %% for a percent sign. Alembic does "
        "not support `%` in the path of the project: move the project to another folder."
    )
