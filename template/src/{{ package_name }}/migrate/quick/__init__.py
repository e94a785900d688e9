"""Whether there is nothing to do, before SQLAlchemy and Alembic are imported.

Every start of a container asks this, and nearly always the answer is yes. Where anything is out
of the ordinary the answer is no, and the ordinary way does the work or says what is wrong.
"""

import os
import re
from configparser import RawConfigParser
from contextlib import suppress

from ...database.schema import SCHEMA
from ...paths import PROJECT_ROOT
from ...printable import is_printable
from ..project import find_project, working_folder
from ..quoting import identifier
from ..revision_files import heads_of, read_revision_files
from .wire import UnsureError, ask

SECRETS_DIR = os.environ.get("SECRETS_DIR", "/run/secrets")
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# Settings that make no difference where there is nothing to do.
INDIFFERENT = re.compile(r"DB_(DRIVER_(A?SYNC)|POOLER|MIGRATION_(LOCK_.*|STATEMENT_TIMEOUT|AHEAD))")
KNOWN = re.compile(r"DB_((MIGRATION_)?(HOST|PORT|USER|PASSWORD)|NAME|SSLMODE|SSLROOTCERT)")

# What alembic.ini may say: whatever else could put the history, or the database, elsewhere.
SETTLED = {
    "script_location": "%(here)s/migrations",
    "sqlalchemy.url": "postgresql+%(DB_DRIVER)s://%(DB_USER)s:%(DB_PASSWORD)s@%(DB_HOST)s"
    ":%(DB_PORT)s/%(DB_NAME)s%(DB_QUERY)s",
}
OPEN = {"file_template", "path_separator", "prepend_sys_path", "timezone", "truncate_slug_length"}
# And what migrations/env.py does.
VERSION_TABLE = re.compile(r"\bversion_table\b")
ORDINARY = ("version_table_schema=metadata.schema,", "\nenvironment.run(migrate)\n")


def is_at_head() -> bool:
    """Whether the database is at the one head of the history. False where that is not sure."""
    with suppress(Exception):  # whatever it is, the ordinary way says it better
        _require_ordinary_files()
        return _current_revisions(_settings()) == [_head()]
    return False


def _require_ordinary_files() -> None:
    """Nothing leads Alembic to another history, another database or another version table."""
    ini = PROJECT_ROOT / "alembic.ini"
    if "ALEMBIC_CONFIG" in os.environ or find_project(working_folder()) != PROJECT_ROOT:
        raise UnsureError("another alembic.ini")
    parser = RawConfigParser()
    parser.read_string(ini.read_text(encoding="utf-8"))
    for name, value in parser["alembic"].items():
        if name not in OPEN and SETTLED.get(name) != value:
            raise UnsureError(name)
    if not SETTLED.keys() <= parser["alembic"].keys():
        raise UnsureError("alembic.ini leaves something to pyproject.toml")
    if "[tool.alembic" in (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"):
        raise UnsureError("pyproject.toml")
    program = (PROJECT_ROOT / "migrations" / "env.py").read_text(encoding="utf-8")
    if VERSION_TABLE.search(program) or not all(line in program for line in ORDINARY):
        raise UnsureError("env.py")


def _settings() -> dict[str, str]:
    """The DB_* settings from the environment and from files of secrets, as config.py takes them.
    `.env` is for developers, who have the time.
    """
    if (PROJECT_ROOT / ".env").exists():
        raise UnsureError(".env has rules of its own")
    found: dict[str, str] = {}
    if os.path.isdir(SECRETS_DIR):
        for name in os.listdir(SECRETS_DIR):
            if name.upper().startswith("DB_"):
                with open(os.path.join(SECRETS_DIR, name), encoding="utf-8") as file:
                    found[name] = file.read().strip()
    found |= {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith("DB_") and value
    }
    for name in found:
        if not KNOWN.fullmatch(name) and not INDIFFERENT.fullmatch(name):
            raise UnsureError(name)
    return found


def _current_revisions(settings: dict[str, str]) -> list[str | None]:
    """What is in the version table."""
    sslmode = settings.get("DB_SSLMODE", "prefer")
    if sslmode not in MODES:
        raise UnsureError(sslmode)
    plain = {name: settings[f"DB_{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD", "NAME")}
    used = {name: settings.get(f"DB_MIGRATION_{name}") or value for name, value in plain.items()}
    if not all(is_printable(used[name]) for name in ("HOST", "USER", "NAME")):
        raise UnsureError("config.py refuses it")
    if (
        settings.get("DB_POOLER") == "transaction"
        and used["HOST"] + used["PORT"] == plain["HOST"] + plain["PORT"]
    ):
        raise UnsureError("only the pooler's address is known")
    table = identifier(*filter(None, (SCHEMA, "alembic_version")))
    return ask(
        used["HOST"],
        int(used["PORT"]),
        used["USER"],
        used["PASSWORD"],
        used["NAME"],
        f"SELECT version_num FROM {table}",
        sslmode=sslmode,  # type: ignore[arg-type]
        sslrootcert=settings.get("DB_SSLROOTCERT", ""),
    )


def _head() -> str:
    """The one revision that no other follows."""
    [head] = heads_of(read_revision_files())
    return head
