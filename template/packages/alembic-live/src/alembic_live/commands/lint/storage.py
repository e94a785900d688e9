"""Whether Postgres gives a column a new type without work on the rows and the indexes."""

from typing import NamedTuple, Self

from alembic_live.sql.parser import UnreadableError, statements_in, unwrapped

# Both are stored and sorted alike.
ALIKE = {("varchar", "text"), ("text", "varchar"), ("cidr", "inet")}
# More characters, bits or digits change no value. bit(n) and char(n) have exactly n.
GROWING = ("varchar", "varbit", "numeric")
# The numbers of times, if the type does not say: all fields of an interval, and the digits of seconds.
TIMES = {
    **dict.fromkeys(("time", "timetz", "timestamp", "timestamptz"), (6,)),
    "interval": (0x7FFF, 6),
}


class Type(NamedTuple):
    """The type of a column."""

    name: str
    numbers: tuple[int, ...]  # in parentheses; the first of an interval says its fields
    is_array: bool

    @classmethod
    def of(cls, sql: str) -> Self:
        """The type that some SQL names.

        Raises:
            CommandError: the parser is not installed.
            UnreadableError: it is not the name of a type.
        """
        [select] = statements_in(f"SELECT CAST(NULL AS {sql})")
        name = unwrapped(unwrapped(select.target_list[0]).val).type_name
        numbers = tuple(unwrapped(each).ival.ival for each in name.typmods)
        return cls(unwrapped(name.names[-1]).sval, numbers, bool(name.array_bounds))


def keeps_storage(old: str, new: str) -> bool:
    """Whether ALTER COLUMN … TYPE rewrites neither the table nor a plain index on the column, as with
    a longer varchar. False in doubt. An index on an expression is rebuilt in any case.

    Args:
        old: the type before, as SQL.
        new: the type after.

    Raises:
        CommandError: the parser is not installed.
    """
    try:
        before, after = Type.of(old), Type.of(new)
    except UnreadableError:  # with COLLATE, which changes the order of an index
        return False
    if before.is_array != after.is_array:
        return False
    if before.name != after.name:
        is_alike = (before.name, after.name) in ALIKE
        return is_alike and not after.numbers and not after.is_array
    if before.numbers == after.numbers or not after.numbers:
        return True
    return not after.is_array and _grows(before.name, before.numbers, after.numbers)


def _grows(name: str, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether the limits of a type become wider."""
    if name in TIMES:
        *fields, digits = (*before, *TIMES[name][len(before) :])
        *later_fields, later_digits = (*after, *TIMES[name][len(after) :])
        return fields == later_fields and digits <= later_digits
    if name not in GROWING or not before:
        return False
    # The digits after the point are as many as before. Without a number they are none.
    return before[0] <= after[0] and (*before[1:], 0)[0] == (*after[1:], 0)[0]
