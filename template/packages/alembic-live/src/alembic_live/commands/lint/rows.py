"""Statements that may change many rows in one transaction."""

from collections.abc import Iterator, Sequence

from alembic_live.commands.lint.revision_sql import RevisionStatement
from alembic_live.sql.lexer import Token
from alembic_live.sql.quoting import unquoted
from alembic_live.sql.statements import statements_in

RULE = "many-rows-in-one-transaction"
MESSAGE = (
    "The statement may change many rows. Each stays locked until the revision commits, and the WAL "
    "holds up standbys."
)
REMEDY = "update_in_batches(…) or delete_in_batches(…) from alembic_live.operations, in a separate revision"

# A condition with one of them is taken for one that chooses few rows.
CHOOSES = frozenset(("=", "IN", "ANY", "LIKE", "ILIKE", "BETWEEN"))
BEFORE_A_NAME = ("EXISTS", "FROM", "IF", "NOT", "ONLY")


def changes_of_many_rows(statements: Sequence[RevisionStatement]) -> Iterator[RevisionStatement]:
    """The statements that change all rows of a table, or those for which a column is NULL or not. A
    table that the revision itself creates has few.

    Args:
        statements: those of one revision.
    """
    created: set[str] = set()
    for written in statements:
        for statement in statements_in(written.sql):
            words = [_word(token) for token in statement.tokens]
            if words[0] == "CREATE" and "TABLE" in words[:4]:
                created.add(_table_in(words[words.index("TABLE") + 1 :]))
            elif _may_change_many(words) and _table_in(words[1:]) not in created:
                yield written


def _word(token: Token) -> str:
    return token.text.upper() if token.kind == "word" else token.text


def _may_change_many(words: Sequence[str]) -> bool:
    if words[0] not in ("UPDATE", "DELETE"):
        return False
    depth = 0
    for number, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if word == "WHERE" and depth == 0:
            return not CHOOSES.intersection(words[number:])
    return True


def _table_in(words: Sequence[str]) -> str:
    """The name of the table, without its schema, that some words begin with."""
    rest = [word for word in words if word not in BEFORE_A_NAME]
    place = 2 if rest[1:2] == ["."] else 0
    return unquoted(rest[place]) if len(rest) > place else ""
