"""SQL that is known to change the schema and no rows."""

import re

from ..plan.statements import Statement, statements_in

# What such a statement begins with.
# https://www.postgresql.org/docs/current/sql-commands.html
COMMANDS = re.compile(
    r"(ALTER|ANALYZE|CLUSTER|COMMENT|CREATE|DROP|GRANT|IMPORT FOREIGN SCHEMA|LOCK|REFRESH|REINDEX|RESET"
    r"|REVOKE|SECURITY LABEL|SET|VACUUM)\b"
)
CREATE_TABLE = re.compile(r"CREATE ((GLOBAL|LOCAL) )?((TEMP|TEMPORARY|UNLOGGED) )?TABLE\b")


def changes_schema_only(sql: str) -> bool:
    """Whether all statements of a text are known to. A text without any is not."""
    statements = list(statements_in(sql))
    return bool(statements) and all(map(_is_known, statements))


def _is_known(statement: Statement) -> bool:
    if not COMMANDS.match(statement.text):
        return False
    return not (CREATE_TABLE.match(statement.text) and _is_filled_by_a_query(statement))


def _is_filled_by_a_query(statement: Statement) -> bool:
    """Whether it is CREATE TABLE … AS. Inside of parentheses AS belongs to a generated column."""
    depth = 0
    for token in statement.tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.kind == "word" and token.text.upper() == "AS":
            return True
    return False
