"""SQL for people, without what may be a secret. Whatever shows SQL to a person gets it from here.

A statement that names something secret, or that holds credentials by its kind, is shown without its
literals. One that names a secret and cannot be read is not shown at all. What a person runs (`alembic
upgrade --sql`, revisions, schema.sql) is data and stays whole.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from .lexer import Token, is_ambiguous, statements, tokens

HIDDEN = "'…'"
NOT_SHOWN = "(not shown: it names a secret and cannot be read)"
MESSAGE_NOT_SHOWN = "(the message is not shown: it may quote a secret)"

_URL = r"://[^\s/@]{0,300}:[^\s@]{0,300}@"
_NAMED = (
    r"passw|pass_?(?:phrase|code)|\bpass\b|\bpw\b|pwd|secret|token|credential|api_?key|crypt|hmac|pgp_|jwt"
    r"|(?:access|account|encryption|master|private|service|session|shared|signing|ssl)_?key|bearer"
    rf"|conninfo|\bdsn\b|scram-sha|\bmd5[0-9a-f]{{32}}|{_URL}"
)
# Subscriptions, foreign servers, user mappings, ALTER SYSTEM, custom settings, programs that the server
# runs: their literals may be credentials, whatever they are called.
_HOLDING = (
    r"\bconnection\b|\boptions\b|\bdblink|\bset_config\b|\bprogram\b|\balter\s+system\b"
    r'|\bset\s+(?:(?:local|session)\s+)?"?[a-z_]\w*"?\s*\.'
)
_SECRET = re.compile(_NAMED, re.IGNORECASE)
_MAY_HOLD = re.compile(f"{_NAMED}|{_HOLDING}", re.IGNORECASE)
_SPELT = re.compile(r"u&|e.*\\[0-7xu]", re.IGNORECASE | re.DOTALL)  # characters by their numbers

# `password=hunter2` and `token: "12"`, as messages have them.
_ASSIGNED = re.compile(
    rf"""((?:{_NAMED})\w*["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s,;)]+)""", re.IGNORECASE
)

_INVALID = {"\\", "{", "}"}  # signs that SQL does not have
_PLAIN = {"word", "name", "number"}

_NAME = r'(?:(?:U&)?"(?:[^"]|"")*"|\S+)'
_TABLE = re.compile(
    r"(?P<verb>CREATE|ALTER) (?:(?:GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED) )*TABLE "
    rf"(?:IF (?:NOT )?EXISTS )?(?:ONLY )?(?P<name>{_NAME}(?: \. {_NAME})*)",
    re.IGNORECASE,
)
_ROWS = {"SELECT", "VALUES", "EXECUTE", "OPTIONS"}  # which no definition of a column has
_HAVE_PASSWORDS = {"GROUP", "ROLE", "SERVER", "SUBSCRIPTION", "USER"}
_AFTER_PASSWORD = {"NULL", "LIMIT", ")", ",", ";"}
_FUNCTIONS = {"FUNCTION", "PROCEDURE"}
_LANGUAGES = {"SQL", "PLPGSQL"}  # with the literals and names of SQL
_BEGINNINGS = {"BEGIN", "DECLARE", "ELSE", "LOOP", "THEN"}  # of a statement in PL/pgSQL


def redacted(sql: str) -> str:
    """The SQL, in its lines, without what may be a secret."""
    return "".join(each.text for each in _redactions(sql))


def redacted_message(message: str, *about: str | None) -> str:
    """What a server or a driver says, without the secrets of the SQL that it is about.

    Args:
        message: of the error.
        about: the SQL of the statement, of the one inside it that failed, of the context.
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
    """Whether some SQL, or a text that quotes some, names a secret or holds credentials by its kind."""
    return _may_hold_a_secret(list(tokens(sql)))


def names_a_secret(text: str) -> bool:
    """Whether a text speaks of passwords, keys, tokens or the like."""
    return bool(_SECRET.search(text))


class _Redaction(NamedTuple):
    """A statement as it is shown, and what was taken out of it; None where that is not known."""

    text: str
    secrets: list[str] | None


def _redactions(sql: str) -> Iterator[_Redaction]:
    """Those of the statements."""
    every = list(tokens(sql))
    if _may_hold_a_secret(every) and (not _is_readable(every) or is_ambiguous(sql)):
        yield _Redaction(NOT_SHOWN, None)
        return
    for statement in statements(sql):
        if not _may_hold_a_secret(statement):
            yield _Redaction("".join(token.text for token in statement), [])
            continue
        yield _Redactor(statement).redaction()
        words = _meant(statement).upper().split()
        if words[:1] == ["COPY"] and "STDIN" in words:  # rows follow
            yield _Redaction(NOT_SHOWN, None)
            return


class _Redactor:
    """Takes the literals out of a statement, or out of the body of a function."""

    def __init__(self, statement: list[Token], *, is_body: bool = False) -> None:
        self._statement = statement
        self._is_body = is_body
        self._secrets: list[str] | None = []

    def redaction(self) -> _Redaction:
        """What is left, and what was taken out."""
        return _Redaction("".join(self._shown()), self._secrets)

    def _shown(self) -> Iterator[str]:
        kept = set() if self._is_body else _harmless_parts(self._statement)
        is_table = bool(_TABLE.match(_meant(self._statement)))
        before: list[str] = []  # what the statement has said so far
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
                    self._secrets = None  # it is not valid, and may be more than this token
                    return
            else:
                yield text
            before.append(text.upper() if kind == "word" else text if kind == "sign" else kind)
            if self._is_body and (text == ";" or before[-1] in _BEGINNINGS):
                before.clear()

    def _of_string(self, text: str, before: list[str]) -> str:
        form, content = _opened(text)
        if form.startswith("$"):
            code = list(tokens(content))
            if self._is_code(before) and _is_readable(code) and not is_ambiguous(content):
                inner, secrets = _Redactor(code, is_body=True).redaction()
                self._add(secrets)
                return f"{form}{inner}{form}"
            return self._hide(content)
        content = content.replace("''", "\0")
        if form.startswith(("u", "U")) or "\\" in content or "'" in content:  # or it is continued
            self._secrets = None
        return self._hide(content.replace("\0", "'"))

    def _is_code(self, before: list[str]) -> bool:
        """Whether the next string is a body in a language that is read here."""
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
    """Where it is not sure, it may: a word may be written in numbers, or joined from parts."""
    strings = "".join(_opened(token.text)[1] for token in sql if token.kind == "string")
    return bool(
        _MAY_HOLD.search("".join(token.text for token in sql))
        or _MAY_HOLD.search(_meant(sql))
        or _SECRET.search(strings)
        or any(_SPELT.match(token.text) for token in sql if token.kind in ("string", "name"))
    )


def _is_readable(statement: list[Token]) -> bool:
    """Whether strings end where they seem to. Where one touches a word, or has the beginning of a comment
    in it, or a name has a quotation mark, another mark may be missing.
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


def _opened(string: str) -> tuple[str, str]:
    """What a string begins with, and what is in it, as it is written."""
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
    """The secret and its words: of a connection string, a server quotes what it does not understand."""
    words = [word for word in re.split(r"\W+", secret) if len(word) > 3]
    return [part for part in (secret, *words) if part.strip()]


def _stands_for_a_literal(token: Token, before: list[str]) -> bool:
    """Whether a word or a name is where a secret is due, as in PASSWORD "x" or SET app.token = x."""
    opening, last = before[:2], before[-1:]
    is_plain = token.kind in ("word", "name")
    if last in (["PASSWORD"], ["CONNECTION"]):
        is_due = opening[:1] in (["CREATE"], ["ALTER"]) and not _HAVE_PASSWORDS.isdisjoint(opening)
        return token.kind == "name" or (is_due and token.text.upper() not in _AFTER_PASSWORD)
    if last in (["="], ["TO"], [","]) and "SET" in before and opening[:1] in (["SET"], ["ALTER"]):
        return is_plain and "(" not in before and "TABLE" not in opening
    return is_plain and bool(re.search(r"[=$]|://", token.text))


def _language(statement: list[Token]) -> str:
    words = _meant(statement).upper().split()
    found = [after for word, after in pairwise(words) if word == "LANGUAGE"]
    return found[0].strip("\"'") if found else ""


def _harmless_parts(statement: list[Token]) -> set[int]:
    """Of a table's definition the columns, constraints and actions that name no secret, by the positions of
    their tokens.
    """
    meant = _meant(statement)
    table = _TABLE.match(meant)
    if not table or _MAY_HOLD.search(table["name"]) or not _ROWS.isdisjoint(meant.upper().split()):
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


def _meant(statement: list[Token]) -> str:
    """The statement without comments and line breaks, a space between tokens."""
    return " ".join(token.text for token in statement if not token.is_blank)
