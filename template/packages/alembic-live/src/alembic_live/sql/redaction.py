"""Removes possible secrets from SQL. Code that shows SQL to a person must call this module.

A statement that names a secret, or is of a kind that contains credentials, is shown without its
literals. If such a statement cannot be parsed, it is not shown. SQL that a person runs stays
complete: `alembic upgrade --sql`, revisions, schema.sql.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from alembic_live.sql.lexer import Token, is_ambiguous, statements, tokens

HIDDEN = "'…'"
NOT_SHOWN = "(not shown: it names a secret and cannot be read)"
MESSAGE_NOT_SHOWN = "(the message is not shown: it may quote a secret)"

_URL = r"://[^\s/@]{0,300}:[^\s@]{0,300}@"
_NAMED = (
    r"passw|pass_?(?:phrase|code)|\bpass\b|\bpw\b|pwd|secret|token|credential|api_?key|crypt|hmac|pgp_|jwt"
    r"|(?:access|account|encryption|master|private|service|session|shared|signing|ssl)_?key|bearer"
    rf"|conninfo|\bdsn\b|scram-sha|\bmd5[0-9a-f]{{32}}|{_URL}"
)
# Subscriptions, foreign servers, user mappings, ALTER SYSTEM, custom settings, programs that the
# server runs: their literals can be credentials under any name.
_HOLDING = (
    r"\bconnection\b|\boptions\b|\bdblink|\bset_config\b|\bprogram\b|\balter\s+system\b"
    r'|\bset\s+(?:(?:local|session)\s+)?"?[a-z_]\w*"?\s*\.'
)
_SECRET = re.compile(_NAMED, re.IGNORECASE)
# The commands with such literals. In Python source, `\n` can be between the words.
_COMMAND = re.compile(
    r"\b(?:alter|copy|create|select|set)(?:\s|\\)|\bdblink|\bset_config\b", re.IGNORECASE
)
_MAY_HOLD = re.compile(f"{_NAMED}|{_HOLDING}", re.IGNORECASE)
_ESCAPED = re.compile(r"u&|e.*\\[0-7xu]", re.IGNORECASE | re.DOTALL)  # characters by their codes

# `password=hunter2` and `token: "12"`, as in messages.
_ASSIGNED = re.compile(
    rf"""((?:{_NAMED})\w*["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s,;)]+)""", re.IGNORECASE
)

_INVALID = {"\\", "{", "}"}  # signs that are not SQL
_PLAIN = {"word", "name", "number"}

_NAME = r'(?:(?:U&)?"(?:[^"]|"")*"|\S+)'
_TABLE = re.compile(
    r"(?P<verb>CREATE|ALTER) (?:(?:GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED) )*TABLE "
    rf"(?:IF (?:NOT )?EXISTS )?(?:ONLY )?(?P<name>{_NAME}(?: \. {_NAME})*)",
    re.IGNORECASE,
)
_ROWS = {"SELECT", "VALUES", "EXECUTE", "OPTIONS"}  # words that no column definition has
_HAVE_PASSWORDS = {"GROUP", "ROLE", "SERVER", "SUBSCRIPTION", "USER"}
_AFTER_PASSWORD = {"NULL", "LIMIT", ")", ",", ";"}
_FUNCTIONS = {"FUNCTION", "PROCEDURE"}
_LANGUAGES = {"SQL", "PLPGSQL"}  # languages with the literals and names of SQL
_BEFORE_STATEMENT = {"BEGIN", "DECLARE", "ELSE", "LOOP", "THEN"}  # in PL/pgSQL


def redacted(sql: str) -> str:
    """The SQL without possible secrets, on the same lines."""
    return "".join(each.text for each in _redactions(sql))


def redacted_message(message: str, *about: str | None) -> str:
    """The message of a server or a driver, without the secrets in the SQL that it concerns.

    Args:
        message: the message of an error.
        about: the SQL of the statement, of the inner statement that failed, and of the context.
    """
    for sql in filter(None, about):
        for redaction in _redactions(sql):
            if redaction.secrets is None:
                return MESSAGE_NOT_SHOWN
            message = _without(message, redaction.secrets)
    if names_a_secret(message):
        if "'" in message or "$" in message:
            message = redacted(message)
        message = re.sub(_URL, "://…@", _ASSIGNED.sub(r"\1…", message))
    return message


def may_hold_a_secret(sql: str) -> bool:
    """Whether SQL, or a text that quotes SQL, names a secret or is of a kind with credentials."""
    return _may_hold_a_secret(list(tokens(sql)))


def source_may_hold_a_secret(source: str) -> bool:
    """Whether Python source names a secret, or contains SQL of a kind with credentials. Without a
    SQL command, words such as `connection` and `options` are names of Python.
    """
    return names_a_secret(source) or (bool(_COMMAND.search(source)) and may_hold_a_secret(source))


def names_a_secret(text: str) -> bool:
    """Whether a text mentions passwords, keys, tokens and the like."""
    return bool(_SECRET.search(text))


class _Redaction(NamedTuple):
    """A redacted statement."""

    text: str
    secrets: list[str] | None  # the removed literals, or None if they are unknown


def _redactions(sql: str) -> Iterator[_Redaction]:
    every = list(tokens(sql))
    if _may_hold_a_secret(every) and (not _is_readable(every) or is_ambiguous(sql)):
        yield _Redaction(NOT_SHOWN, None)
        return
    for statement in statements(sql):
        if not _may_hold_a_secret(statement):
            yield _Redaction("".join(token.text for token in statement), [])
            continue
        yield _Redactor(statement).redaction()
        words = _normalized(statement).upper().split()
        if words[:1] == ["COPY"] and "STDIN" in words:  # rows follow
            yield _Redaction(NOT_SHOWN, None)
            return


class _Redactor:
    """Removes the literals from a statement or from the body of a function."""

    def __init__(self, statement: list[Token], *, is_body: bool = False) -> None:
        self._statement = statement
        self._is_body = is_body
        self._secrets: list[str] | None = []

    def redaction(self) -> _Redaction:
        """The statement without its literals."""
        return _Redaction("".join(self._pieces()), self._secrets)

    def _pieces(self) -> Iterator[str]:
        kept = set() if self._is_body else _harmless_parts(self._statement)
        is_table = bool(_TABLE.match(_normalized(self._statement)))
        before: list[str] = []  # the words of the statement so far
        for position, token in enumerate(self._statement):
            kind, text = token
            if token.is_blank:
                yield " " if kind == "comment" else text
                continue
            if position in kept:
                yield text
            elif kind == "string":
                yield self._of_string(text, before)
            elif kind == "number" and not is_table:
                yield self._hide(text, "…")
            elif _stands_for_a_literal(token, before):
                yield self._hide(text.strip('"'))
                if kind != "name" and before[-1:] == ["PASSWORD"]:
                    self._secrets = None  # invalid SQL: the password can be longer than the token
                    return
            else:
                yield text
            before.append(text.upper() if kind == "word" else text if kind == "sign" else kind)
            if self._is_body and (text == ";" or before[-1] in _BEFORE_STATEMENT):
                before.clear()

    def _of_string(self, text: str, before: list[str]) -> str:
        form, content = _split_string(text)
        if form.startswith("$"):
            code = list(tokens(content))
            if self._is_code(before) and _is_readable(code) and not is_ambiguous(content):
                inner, secrets = _Redactor(code, is_body=True).redaction()
                self._add(secrets)
                return f"{form}{inner}{form}"
            return self._hide(content)
        content = content.replace("''", "\0")
        # A quotation mark in the content means that the string continues on another line.
        if form.startswith(("u", "U")) or "\\" in content or "'" in content:
            self._secrets = None
        return self._hide(content.replace("\0", "'"))

    def _is_code(self, before: list[str]) -> bool:
        """Whether the next string is code in a language that this module can read."""
        if before[:1] == ["DO"]:
            return _language(self._statement) in ("", *_LANGUAGES)
        is_function = before[:1] == ["CREATE"] and not _FUNCTIONS.isdisjoint(before[:4])
        return is_function and before[-1] == "AS" and _language(self._statement) in _LANGUAGES

    def _hide(self, secret: str, shown: str = HIDDEN) -> str:
        self._add([secret])
        return shown

    def _add(self, secrets: list[str] | None) -> None:
        if self._secrets is None or secrets is None:
            self._secrets = None
        else:
            self._secrets += secrets


def _may_hold_a_secret(sql: list[Token]) -> bool:
    """True in doubt: a word can be written with escapes, or joined from parts."""
    strings = "".join(_split_string(token.text)[1] for token in sql if token.kind == "string")
    return bool(
        _MAY_HOLD.search("".join(token.text for token in sql))
        or _MAY_HOLD.search(_normalized(sql))
        or _SECRET.search(strings)
        or any(_ESCAPED.match(token.text) for token in sql if token.kind in ("string", "name"))
    )


def _is_readable(statement: list[Token]) -> bool:
    """Whether the ends of strings are certain. If a string touches a word or contains the start of a
    comment, or a name contains `'`, a quotation mark may be missing.
    """
    kinds = [token.kind for token in statement]
    touching = any({*pair} & _PLAIN and "string" in pair for pair in pairwise(kinds))
    return (
        not touching
        and kinds[-1:] != ["unfinished"]
        and not any(token.text in _INVALID for token in statement)
        and not any(_is_doubtful(token) for token in statement)
    )


def _is_doubtful(token: Token) -> bool:
    if token.kind == "string":
        return not token.text.startswith("$") and bool(re.search(r"--|/\*", token.text))
    if token.kind == "name":
        return bool(re.search(r"'|--|/\*", token.text))
    return "$" in token.text and not token.is_blank and not re.fullmatch(r"\$\d+", token.text)


def _split_string(string: str) -> tuple[str, str]:
    """The opening mark of a string, and its content as in the source."""
    mark = string.index("$", 1) + 1 if string.startswith("$") else string.index("'") + 1
    end = mark if string.startswith("$") else 1
    return string[:mark], string[mark:-end]


def _without(message: str, secrets: list[str]) -> str:
    parts = {part for secret in secrets for part in _parts(secret)}
    for part in sorted(parts, key=len, reverse=True):
        pattern = re.escape(part)
        message = re.sub(pattern if len(part) > 3 else rf"(?<!\w){pattern}(?!\w)", "…", message)
    return message


def _parts(secret: str) -> list[str]:
    """The secret and its words: a server quotes the part of a connection string that it rejects."""
    words = [word for word in re.split(r"\W+", secret) if len(word) > 3]
    return [part for part in (secret, *words) if part.strip()]


def _stands_for_a_literal(token: Token, before: list[str]) -> bool:
    """Whether a word or a name is a secret, as in PASSWORD "x" or SET app.token = x."""
    opening, last = before[:2], before[-1:]
    is_plain = token.kind in ("word", "name")
    if last in (["PASSWORD"], ["CONNECTION"]):
        is_definition = opening[:1] in (["CREATE"], ["ALTER"])
        is_secret = is_definition and not _HAVE_PASSWORDS.isdisjoint(opening)
        return token.kind == "name" or (is_secret and token.text.upper() not in _AFTER_PASSWORD)
    if last in (["="], ["TO"], [","]) and "SET" in before and opening[:1] in (["SET"], ["ALTER"]):
        return is_plain and "(" not in before and "TABLE" not in opening
    return is_plain and bool(re.search(r"[=$]|://", token.text))


def _language(statement: list[Token]) -> str:
    words = _normalized(statement).upper().split()
    found = [after for word, after in pairwise(words) if word == "LANGUAGE"]
    return found[0].strip("\"'") if found else ""


def _harmless_parts(statement: list[Token]) -> set[int]:
    """The columns, constraints and actions of a table's definition that name no secret, as
    positions of tokens.
    """
    normalized = _normalized(statement)
    table = _TABLE.match(normalized)
    words = normalized.upper().split()
    if not table or _MAY_HOLD.search(table["name"]) or not _ROWS.isdisjoint(words):
        return set()
    level = 1 if table["verb"].upper() == "CREATE" else 0  # of parentheses around its parts
    depth = 0
    parts: list[list[int]] = [[]]
    for position, token in enumerate(statement):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == "," and depth == level:
            parts.append([])
        elif token.kind != "comment":
            parts[-1].append(position)
    return {
        position
        for part in parts
        if not _may_hold_a_secret([statement[position] for position in part])
        for position in part
    }


def _normalized(statement: list[Token]) -> str:
    """The statement without comments, with one space between tokens."""
    return " ".join(token.text for token in statement if not token.is_blank)
