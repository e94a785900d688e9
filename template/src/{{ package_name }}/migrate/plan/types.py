"""Whether values of one type are stored as those of another, so that a column can become the other
without its rows being written anew.
"""

import re

from .effects import Work

# As format_type() writes them.
_ALIASES = {
    "varchar": "character varying",
    "char": "character",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "decimal": "numeric",
    "bool": "boolean",
    "float8": "double precision",
    "float4": "real",
    "float": "double precision",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
}

_TEXTS = ("text", "character varying")


def work_of_new_type(old: str | None, new: str, using: str = "", column: str = "") -> Work | None:
    """What ALTER COLUMN … TYPE does to the rows.

    Args:
        old: the type that the column has; None where that is not known.
        new: the type of the statement, its words with blanks between them.
        using: what stands after USING.
        column: as it stands in the statement; converted to the new type it is as good as no USING.
    """
    new = re.sub(r" COLLATE .*", "", new)
    if using and using.replace("( ", "").replace(" )", "") not in (column, f"{column} :: {new}"):
        return Work.REWRITES
    if old is None:
        return Work.MAY_REWRITE
    return None if _is_stored_alike(*_parts(old), *_parts(new)) else Work.REWRITES


def _is_stored_alike(old: str, before: list[int], new: str, after: list[int]) -> bool:
    """The rule is that no value changes: https://www.postgresql.org/docs/current/sql-altertable.html"""
    if old == new:
        grows = bool(before) and len(before) == len(after) and before[0] <= after[0]
        return before == after or not after or (grows and before[1:] == after[1:])
    return old in _TEXTS and new in _TEXTS and not after


def _parts(type_: str) -> tuple[str, list[int]]:
    """The name, and what is in parentheses."""
    type_ = type_.replace('"', "").lower()
    numbers = [int(number) for number in re.findall(r"(?<=[(,] )\d+|(?<=[(,])\d+", type_)]
    name = " ".join(re.sub(r"\([^)]*\)", " ", type_).split()).rpartition(" . ")[2]
    return _ALIASES.get(name, name), numbers
