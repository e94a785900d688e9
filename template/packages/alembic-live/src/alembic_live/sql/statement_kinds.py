"""How a statement affects its transaction: some end it, some cannot run inside one."""

import re
from collections.abc import Iterator

ENDS = re.compile(r"(?:COMMIT|END|ABORT|PREPARE TRANSACTION)\b|ROLLBACK\b(?!.* TO )")
CONCURRENT = re.compile(r".*\bCONCURRENTLY\b")
RUNS_CODE = re.compile(r"(?:CALL|DO)\b")

# Splitting SQL is slow. Most statements have none of these words at a place that matters.
_START = r"(?:^|;|\*/|\n)\s*"
_MAY_END = re.compile(rf"{_START}(?:COMMIT|END|ROLLBACK|ABORT|PREPARE)\b", re.IGNORECASE)
_MAY_BE_CONCURRENT = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)
_MAY_RUN_CODE = re.compile(rf"{_START}(?:CALL|DO)\b", re.IGNORECASE)
_MAY_BE_SEVERAL = re.compile(r";\s*\S")
_HAS_BODY = re.compile(r"\bBEGIN\s+ATOMIC\b", re.IGNORECASE)


def ending_statement(sql: str) -> str | None:
    """The first statement that ends the transaction, in capitals: `COMMIT`, `ROLLBACK AND CHAIN`.

    ROLLBACK TO a savepoint does not end the transaction. Neither does END in the unquoted body of a
    function (BEGIN ATOMIC … END).
    """
    has_body = _HAS_BODY.search(sql)
    return next(
        (
            text
            for text in _matching(ENDS, sql, _MAY_END)
            if not (has_body and text.startswith("END"))
        ),
        None,
    )


def is_concurrent(sql: str) -> bool:
    """Whether a statement runs CONCURRENTLY: it waits for transactions without blocking them."""
    return any(_matching(CONCURRENT, sql, _MAY_BE_CONCURRENT))


def may_commit_midway(sql: str) -> bool:
    """Whether a statement runs code that may commit, so that a failure can leave partial work."""
    return any(_matching(RUNS_CODE, sql, _MAY_RUN_CODE))


def separate_statements(sql: str) -> list[str]:
    """The statements of some SQL. It stays in one piece if it is not certain where they end."""
    if not _MAY_BE_SEVERAL.search(sql) or _HAS_BODY.search(sql):
        return [sql]
    from alembic_live.sql.lexer import is_ambiguous, statements

    if is_ambiguous(sql):
        return [sql]
    found = [
        "".join(token.text for token in each).strip()
        for each in statements(sql)
        if not all(token.is_blank or token.text == ";" for token in each)
    ]
    return found or [sql]


def _matching(pattern: re.Pattern[str], sql: str, hint: re.Pattern[str]) -> Iterator[str]:
    """The statements that match, in capitals and with empty strings."""
    if hint.search(sql):
        # The import is slow, and few statements need it.
        from alembic_live.sql.statements import statements_in

        for statement in statements_in(sql):
            if pattern.match(statement.text):
                yield statement.text
