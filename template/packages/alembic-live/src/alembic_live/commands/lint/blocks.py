"""The statements in DO blocks in PL/pgSQL."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from alembic_live.sql.parser import Node, UnreadableError, parser, read, statements_in, unwrapped
from alembic_live.sql.quoting import literal

COMMITS = ("PLpgSQL_stmt_commit", "PLpgSQL_stmt_rollback")
LOOPS = ("PLpgSQL_stmt_fors", "PLpgSQL_stmt_dynfors")  # over the rows of a query
STATEMENT = 0  # the mode in which Postgres parses an expression that is a statement


class BlockStatement(NamedTuple):
    """A statement in a block."""

    node: Node
    loops: list[Node]  # the queries whose rows it is repeated for


def statements_in_block(do: Node) -> list[BlockStatement]:
    """The statements in a DO block, with those that EXECUTE has as a constant. A block that commits
    has none, because it is not one transaction. Neither has one in another language.

    Args:
        do: a DoStmt.

    Raises:
        CommandError: the parser is not installed.
        UnreadableError: it cannot read the block, as with variables whose types are in schemas
            other than public.
    """
    options = {each.defname: unwrapped(each.arg).sval for each in map(unwrapped, do.args)}
    if options.get("language", "plpgsql") != "plpgsql":
        return []
    block = read(parser().parse_plpgsql, f"DO {literal(options['as'])}")
    return [] if any(_find(block, COMMITS)) else list(_in(block, []))


def _in(part: Any, loops: list[Node]) -> Iterator[BlockStatement]:
    match part:
        case list():
            for each in part:
                yield from _in(each, loops)
        case {"PLpgSQL_expr": {"query": sql, "parseMode": mode}}:
            if mode == STATEMENT:
                yield from (BlockStatement(node, loops) for node in _read(sql))
        case {"PLpgSQL_stmt_dynexecute": {"query": {"PLpgSQL_expr": {"query": sql}}}}:
            if constant := _constant(sql):
                yield from (BlockStatement(node, loops) for node in _read(constant))
        case dict():
            for name, value in part.items():
                if name in LOOPS:
                    query = value["query"]
                    yield from _in(query, loops)
                    rows = [each.node for each in _in(query, [])]
                    yield from _in(value.get("body"), [*loops, *rows])
                else:
                    yield from _in(value, loops)


def _find(part: Any, names: tuple[str, ...]) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (name for name in part if name in names)
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _find(each, names)


def _read(sql: str) -> list[Node]:
    """The statements. PL/pgSQL has some that the parser of SQL cannot read."""
    try:
        return statements_in(sql)
    except UnreadableError:
        return []


def _constant(expression: str) -> str:
    """The text of an expression that is a string."""
    for select in _read(f"SELECT {expression}"):
        for column in select.target_list:
            value = unwrapped(unwrapped(column).val)
            return str(getattr(getattr(value, "sval", None), "sval", ""))
    return ""
