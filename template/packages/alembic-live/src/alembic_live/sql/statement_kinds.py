"""How a statement affects its transaction: some end it, some cannot run inside one."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the import is slow, and few statements need it
    from alembic_live.sql.lexer import Token

# Commands with the option CONCURRENTLY, and the words that turn it off.
CONCURRENT = ("ALTER", "CREATE", "DROP", "REFRESH", "REINDEX", "REPACK")
OFF = ("0", "FALSE", "OFF")

# Splitting SQL is slow, too. Most has none of these words where a statement can begin: at its start,
# or after a semicolon or a comment.
_START = r"(?:^|[;/\n\r])\s*"
_MAY_END = re.compile(rf"{_START}(?:COMMIT|END|ROLLBACK|ABORT|PREPARE)\b", re.IGNORECASE)
_MAY_SET_TIMEOUT = re.compile(r"\bLOCK_TIMEOUT\b", re.IGNORECASE)
_MAY_BE_CONCURRENT = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)
_MAY_RUN_CODE = re.compile(rf"{_START}(?:CALL|DO)\b", re.IGNORECASE)
_ANYTHING = re.compile("")
_MAY_BE_SEVERAL = re.compile(r";\s*\S")


def ending_statement(sql: str) -> str | None:
    """The first statement that ends the transaction, in capitals: `COMMIT`, `ROLLBACK AND CHAIN`.

    ROLLBACK TO a savepoint does not end the transaction. COMMIT PREPARED ends another one.
    """
    for words in _statements(sql, _MAY_END):
        match words:
            case ["COMMIT" | "ROLLBACK", "PREPARED", *_]:
                continue
            case ["ROLLBACK", *rest] if "TO" in rest:
                continue
            case ["ABORT" | "COMMIT" | "END" | "ROLLBACK", *_] | ["PREPARE", "TRANSACTION", *_]:
                return " ".join(words)
    return None


def is_concurrent(sql: str) -> bool:
    """Whether a statement runs CONCURRENTLY: it waits for transactions without blocking them."""
    return any(map(_is_concurrent, _statements(sql, _MAY_BE_CONCURRENT)))


def may_commit_midway(sql: str) -> bool:
    """Whether a statement runs code that may commit, so that a failure can leave partial work."""
    return any(words[0] in ("CALL", "DO") for words in _statements(sql, _MAY_RUN_CODE))


def stays_in_database(sql: str) -> bool:
    """Whether statements that need no transaction concern this database alone, and not its server, as
    CREATE DATABASE and ALTER SYSTEM do.
    """
    for words in _statements(sql, _ANYTHING):
        match words:
            case (
                ["CREATE", "INDEX" | "UNIQUE", *_] | ["ALTER", "TABLE", *_] | ["DROP", "INDEX", *_]
            ):
                continue
            case ["CLUSTER" | "REINDEX" | "VACUUM", *_]:
                continue
        return False
    return True


def finalizing_statement(sql: str) -> str | None:
    """The statement that completes a DETACH PARTITION … CONCURRENTLY; None for other statements.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION
    """
    found = _statements(sql, _MAY_BE_CONCURRENT)
    if not any(words[0] == "ALTER" and _is_concurrent(words) for words in found):
        return None
    from alembic_live.sql.lexer import tokens

    return "".join(
        "FINALIZE" if _word(token) == "CONCURRENTLY" else token.text for token in tokens(sql)
    )


def sets_lock_timeout(sql: str) -> bool:
    """Whether a statement sets the limit on waits for locks."""
    return any(
        words[0] == "SET" and "LOCK_TIMEOUT" in words[1:3]
        for words in _statements(sql, _MAY_SET_TIMEOUT)
    )


def separate_statements(sql: str) -> list[str]:
    """The statements of some SQL. It stays in one piece if it is not certain where they end."""
    if not _MAY_BE_SEVERAL.search(sql):
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


def _is_concurrent(words: list[str]) -> bool:
    if words[0] not in CONCURRENT or "CONCURRENTLY" not in words:
        return False
    place = words.index("CONCURRENTLY")
    return words[place + 1 : place + 2] not in [[word] for word in OFF]


def _statements(sql: str, hint: re.Pattern[str]) -> Iterator[list[str]]:
    """The words of each statement, in capitals, with signs and empty strings."""
    if not hint.search(sql):
        return
    from alembic_live.sql.lexer import statements

    for statement in statements(sql):
        words = [_word(token) for token in statement if not token.is_blank]
        if words[-1:] == [";"]:
            del words[-1]
        if words:
            yield words


def _word(token: "Token") -> str:
    if token.kind == "word":
        return token.text.upper()
    return "''" if token.kind == "string" else token.text
