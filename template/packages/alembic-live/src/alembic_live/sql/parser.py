"""SQL as trees of Postgres's own parser, for commands that judge statements without running them.

Only the extra `dev` has the parser: it is a native library of 14 MB, and slow to import. Production
needs the tokens of `lexer` only.

The nodes are those of Postgres's parsenodes.h and primnodes.h. For its functions, see
https://postgast.readthedocs.io
"""

from collections.abc import Callable, Iterator
from typing import Any

Node = Any  # a message of protobuf


class UnreadableError(ValueError):
    """The parser cannot read the SQL: it is wrong, or of a newer Postgres, or nested so deep that
    protobuf cannot read the tree (about 48 operators in each other).
    """


def statements_in(sql: str) -> list[Node]:
    """The statements of a script, as nodes: UpdateStmt, CreateStmt and so on.

    Raises:
        CommandError: the parser is not installed.
        UnreadableError: it cannot read the SQL.
    """
    return [unwrapped(each.stmt) for each in read(parser().parse, sql).stmts]


def kind_of(node: Node) -> str:
    """The type of a node: `UpdateStmt`."""
    return type(node).__name__


def choice_of(node: Node, field: str) -> str:
    """The name of the value in a field that holds one of several: `AEXPR_IN`."""
    values = node.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return str(values[getattr(node, field)].name)


def unwrapped(node: Node) -> Node:
    """The node in a field that can hold any node."""
    return parser().unwrap_node(node)


def children_of(node: Node) -> Iterator[Node]:
    """The nodes in the fields of a node."""
    for field, value in node.ListFields():
        if field.message_type is not None:
            yield from map(unwrapped, [value] if hasattr(value, "ListFields") else value)


def read(function: Callable[[str], Any], sql: str) -> Any:
    """The result of one of the parser's functions.

    Raises:
        UnreadableError: it cannot read the SQL.
    """
    from google.protobuf.message import DecodeError

    if "\0" in sql:  # to the parser, it is the end
        raise UnreadableError("SQL cannot contain a zero byte.")
    try:
        return function(sql)
    except (parser().PgQueryError, DecodeError, UnicodeEncodeError) as error:
        raise UnreadableError(str(error)) from error


def parser() -> Any:
    """The parser's package.

    Raises:
        CommandError: it is not installed.
    """
    try:
        import postgast
    except (ImportError, OSError) as error:  # OSError: the native library is missing
        from alembic.util import CommandError

        raise CommandError(
            "Postgres's parser is not installed. Add it: uv add --dev postgast"
        ) from error
    return postgast
