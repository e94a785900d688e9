"""Names and texts as SQL and shells take them."""

import shlex

from ..errors import ConfigurationError
from ..printable import is_printable, one_line


def identifier(*names: str) -> str:
    """A name in SQL, in quotation marks; of a schema and a table, both with a dot between them.

    Raises:
        ConfigurationError: a name has a control character, which psql or a person might act upon.
    """
    return ".".join('"' + _checked(name).replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    """A text in SQL, also where standard_conforming_strings is off.

    Raises:
        ConfigurationError: it has a control character.
    """
    quoted = "'" + _checked(text).replace("'", "''") + "'"
    return "E" + quoted.replace("\\", r"\\") if "\\" in quoted else quoted


def word(text: str) -> str:
    """A word of a command that a person copies into a shell."""
    return shlex.quote(one_line(text))


def _checked(text: str) -> str:
    if not is_printable(text):
        raise ConfigurationError(
            f"The name {one_line(text)!r} has a control character. Rename it, or correct the setting."
        )
    return text
