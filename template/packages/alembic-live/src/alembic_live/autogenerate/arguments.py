"""Names of tables and columns in the `-x` arguments: `-x rename=things.name:title`.

A name that contains a separator has quotation marks, as in SQL: `"a.b".name`.
"""

import re
from collections.abc import Sequence

from alembic_live.autogenerate.rendering import display_name

Names = tuple[
    str, ...
]  # a table or a column: the schema if it is not the default one, table, column

_SEPARATORS = re.compile(r'[.,:"]|^\s|\s$')


def written(*names: str | None) -> str:
    """A name as in an argument. Names of None are left out."""
    return display_name(
        *(
            '"' + name.replace('"', '""') + '"' if _SEPARATORS.search(name) else name
            for name in names
            if name
        )
    )


def split(text: str, separator: str) -> list[str]:
    """The parts of an argument. A separator between quotation marks does not count."""
    parts = re.findall(rf'((?:"(?:[^"]|"")*"|[^{separator}])*)(?:{re.escape(separator)}|$)', text)
    return parts[:-1] if len(parts) > 1 else parts  # the last one is empty


def means(text: str, names: Sequence[str | None], default_schema: str | None) -> bool:
    """Whether a text names a table or a column. The default schema can be left out.

    Args:
        text: the text, with or without quotation marks.
        names: the schema, the table and the column; None for the default schema and for no column.
        default_schema: the name of the default schema.
    """
    plain = tuple(map(_unquoted, split(text, ".")))
    schema, *rest = names
    spellings = [tuple(filter(None, [schema or None, *rest]))]
    if schema is None:
        spellings.append(tuple(filter(None, [default_schema, *rest])))
    # A name with dots is understood without quotation marks too.
    return plain in spellings or text in [".".join(each) for each in spellings]


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].replace('""', '"') if is_quoted else text
