"""Quoting for SQL and for the shell."""

import re
import shlex

from alembic_live.errors import ConfigurationError
from alembic_live.printable import is_printable, one_line

IDENTIFIER = r'(?:"(?:[^"]|"")+"|\w+)'  # a pattern for names in the output of pg_dump


def identifier(*names: str | None) -> str:
    """Quote a name for SQL. Several names, such as a schema and a table, are joined by dots; a
    schema of None is left out.
    """
    return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)


def literal(text: str) -> str:
    """Quote a string for SQL. It works with standard_conforming_strings on and off."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", r"\\") if "\\" in quoted else quoted


def unquoted(identifier: str) -> str:
    """The name that an identifier in SQL stands for. Without quotation marks Postgres folds ASCII
    letters to lower case.
    """
    if identifier.endswith('"'):
        return identifier[identifier.index('"') + 1 : -1].replace('""', '"')
    return re.sub("[A-Z]+", lambda found: found.group().lower(), identifier)


def word(text: str) -> str:
    """Quote a word of a command that a person copies into a shell."""
    return shlex.quote(one_line(text))


def require_printable(*names: str) -> None:
    """Check names before they appear in SQL that a person runs: psql and terminals act on control
    characters.

    Raises:
        ConfigurationError: a name has a control character.
    """
    for name in names:
        if not is_printable(name):
            raise ConfigurationError(
                f"The name {one_line(name)!r} has a control character. Rename it, or correct the "
                "setting."
            )
