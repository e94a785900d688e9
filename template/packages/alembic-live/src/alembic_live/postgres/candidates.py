"""Strings that a column accepts: those of its type, and those with the constants of its checks."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, DecimalException
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from alembic_live.postgres.connection import execute_verbatim
from alembic_live.sql.lexer import tokens
from alembic_live.sql.quoting import identifier, literal

LONGEST = 1000  # characters of a text whose length a check may require
EXAMPLE = {"n": 1, "m": 2, "byte": 1, "time": "2024-01-01"}

TYPE = text(
    """
    SELECT t.typtype::text AS kind, t.typcategory::text AS category, t.typname AS name,
           t.typelem AS element, t.typbasetype AS base, t.typrelid <> 0 AS is_composite,
           coalesce(r.rngsubtype, 0) AS of_range, coalesce(m.rngtypid, 0) AS of_multirange,
           ARRAY(SELECT enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid
                 ORDER BY enumsortorder) AS labels,
           ARRAY(SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid
                 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS attributes,
           ARRAY(SELECT pg_get_expr(k.conbin, 0) FROM pg_constraint k
                 WHERE k.contypid = t.oid AND k.contype = 'c') AS checks
    FROM pg_type t
    LEFT JOIN pg_range r ON r.rngtypid = t.oid
    LEFT JOIN pg_range m ON m.rngmultitypid = t.oid
    WHERE t.oid = :type
    """
)

# Of PostGIS. A shape without a reference system gets that of its column.
SHAPES = [
    *("POINT(%(byte)d 1)", "LINESTRING(0 0,%(byte)d 1)", "POLYGON((0 0,%(byte)d 0,0 1,0 0))"),
    *("MULTIPOINT((%(byte)d 1))", "MULTILINESTRING((0 0,%(byte)d 1))"),
    *("MULTIPOLYGON(((0 0,%(byte)d 0,0 1,0 0)))", "GEOMETRYCOLLECTION(POINT(%(byte)d 1))"),
    *("POINT Z(%(byte)d 1 1)", "LINESTRING Z(0 0 0,%(byte)d 1 1)", "POINT M(%(byte)d 1 1)"),
    *("POLYGON Z((0 0 0,%(byte)d 0 0,0 1 0,0 0 0))", "POINT ZM(%(byte)d 1 1 1)"),
]

# Strings that Postgres accepts as values of a type, by the type's name or category:
# https://www.postgresql.org/docs/current/catalog-pg-type.html
TEXTS = {
    "B": ["true", "false"],
    "D": ["%(time)s", "2001-01-01", "2099-12-31", "12:00"],
    "G": ["(1,1)", "(1,1),(2,2)", "((1,1),(2,2))", "<(1,1),1>", "{1,-1,0}"],
    "I": ["10.0.0.%(byte)d", "192.168.%(byte)d.0/24"],
    "N": ["%(n)d", "%(byte)d", "0", "1", "2", "10", "100", "1000", "0.5", "-1"],
    "R": ["[%(n)d,%(m)d)", "[%(time)s,2099-12-31)", "empty"],
    "S": [
        *("a%(n)d", "A%(n)d", "a", "abc", "a%(n)d@example.com", "https://example.com/%(n)d", "en"),
        *("EUR", "a-b", "0%(n)d", "+4930%(n)07d", "2024-01-01", "12345", "#ffffff", ""),
    ],
    "T": ["%(n)d seconds", "1 day"],
    "U": [
        *("0/%(byte)d", "$", "(0,%(byte)d)", "%(n)d:%(n)d:", "pg_catalog", "a%(n)d", "%(n)d"),
        *("08:00:2b:01:02:%(byte)02x:04:05", "1"),
    ],
    "V": ["1", "10", "10101010"],
    "geography": SHAPES,
    "geometry": SHAPES,
    "hstore": ["a=>%(n)d"],
    "ltree": ["a.b%(n)d"],
    "bytea": ["\\x%(byte)02x", "\\x"],
    "json": ["{}", "[]", '{"a": %(n)d}', "1"],
    "jsonb": ["{}", "[]", '{"a": %(n)d}', "1"],
    "macaddr": ["08:00:2b:01:02:%(byte)02x"],
    "tsvector": ["a%(n)d"],
    "uuid": ["00000000-0000-4000-8000-%(n)012d"],
    "xml": ["<a/>"],
}


@dataclass
class Candidates:
    """Strings that Postgres accepts as values. `%(n)d` in one is the number of the attempt."""

    connection: Connection
    accepted: dict[tuple[str, str], bool] = field(default_factory=dict)  # by type and string

    def of(self, type_oid: int, type_: str, checks: Iterable[str] = ()) -> list[str]:
        """The strings that fit a type.

        Args:
            type_oid: the type.
            type_: the type as SQL, with its length.
            checks: expressions that the values satisfy. Their constants are tried too.
        """
        name = type_.partition("(")[0].rpartition(".")[2]
        found = _vectors(name, type_) or self._of_type(type_oid, constants_in(checks))
        return [each for each in dict.fromkeys(found) if self._is_accepted(each, type_)]

    def that_satisfy(self, texts: list[str], column: str, type_: str, check: str) -> list[str]:
        """The strings with which a check of one column is not false. All of them if there are none,
        or if Postgres cannot evaluate the check.
        """
        found = self._satisfying(texts, column, type_, check)
        if found is None:  # an error, which may concern one string only
            each = (self._satisfying([one], column, type_, check) for one in texts)
            found = [one for some in each for one in some or ()]
        return found or texts

    def _satisfying(
        self, texts: Sequence[str], column: str, type_: str, check: str
    ) -> list[str] | None:
        rows = ", ".join(
            f"({number}, CAST({literal(filled(each, EXAMPLE))} AS {type_}))"
            for number, each in enumerate(texts)
        )
        number = identifier(f"number of {column}")
        values = f"(VALUES {rows}) AS x ({number}, {identifier(column)})"
        query = f"SELECT {number} FROM {values} WHERE ({check}) IS NOT FALSE ORDER BY 1"
        try:
            with self.connection.begin():
                return [texts[row[0]] for row in execute_verbatim(self.connection, query)]
        except DBAPIError:
            return None

    def _of_type(self, type_oid: int, constants: list[str]) -> list[str]:
        with self.connection.begin():
            found = self.connection.execute(TYPE, {"type": type_oid}).one()
        if found.labels:
            return [_verbatim(label) for label in found.labels]
        if found.base:
            return self._of_type(found.base, [*constants_in(found.checks), *constants])
        if found.is_composite:
            return self._of_composite(found, constants)
        if found.element and found.category == "A":
            return self._of_array(found.element, constants)
        if found.of_multirange:
            return [f"{{{each}}}" for each in self._of_type(found.of_multirange, constants)]
        own = TEXTS.get(found.name) or TEXTS.get(found.category)
        own = own or [each for texts in TEXTS.values() for each in texts]
        if found.of_range:
            values = self._of_type(found.of_range, constants)
            return [*own, *(f"[{_quoted(each)},{_quoted(each)}]" for each in values)]
        if found.name in ("json", "jsonb"):
            return [*own, *(json.dumps({filled(each, {}): 1}) for each in constants)]
        return [*own, *_around(constants, found.category)]

    def _of_array(self, element: int, constants: list[str]) -> list[str]:
        values = self._of_type(element, constants)
        sizes = {int(each) for each in constants if each.isdecimal() and 0 < int(each) < LONGEST}
        return [
            *(f"{{{_quoted(each)}}}" for each in values),
            *(f"{{{','.join([_quoted(each)] * size)}}}" for size in sizes for each in values),
            "{}",
        ]

    def _of_composite(self, found: Row[Any], constants: list[str]) -> list[str]:
        """Each row has the values at one place of the lists, so that each value is in one row."""
        columns = [self._usable(each, constants) for each in found.attributes]
        return [
            f"({','.join(_quoted(column[place % len(column)]) for column in columns)})"
            for place in range(max(map(len, columns), default=0))
            if all(columns)
        ]

    def _usable(self, type_oid: int, constants: list[str]) -> list[str]:
        with self.connection.begin():
            name = text("SELECT format_type(:type, NULL)")
            type_ = str(self.connection.scalar(name, {"type": type_oid}))
        return [
            each for each in self._of_type(type_oid, constants) if self._is_accepted(each, type_)
        ]

    def _is_accepted(self, value: str, type_: str) -> bool:
        if (type_, value) not in self.accepted:
            query = f"SELECT CAST({literal(filled(value, EXAMPLE))} AS {type_})"
            try:
                with self.connection.begin():
                    execute_verbatim(self.connection, query)
            except DBAPIError:
                self.accepted[type_, value] = False
            else:
                self.accepted[type_, value] = True
        return self.accepted[type_, value]


def filled(value: str, numbers: dict[str, Any]) -> str:
    """The string with the numbers of an attempt."""
    return value % numbers if "%(" in value else value


def constants_in(expressions: Iterable[str]) -> list[str]:
    """The strings and the numbers in expressions, as Postgres prints them."""
    found = []
    for token in (token for expression in expressions for token in tokens(expression)):
        if token.kind == "number":
            found.append(token.text)
        elif token.kind == "string":
            prefix, _, rest = token.text.partition("'")
            value = rest.removesuffix("'").replace("''", "'")
            found.append(value.replace(r"\\", "\\") if prefix else value)
    return list(dict.fromkeys(map(_verbatim, found)))


def _around(constants: list[str], category: str) -> list[str]:
    """Constants, and values beside them: a check may compare with `<`, LIKE or a length."""
    found = list(constants)
    numbers = sorted(_numbers(constants))
    if category == "N":
        found += [str(number + step) for number in numbers for step in (1, -1)]
        found += [str((one + other) / 2) for one, other in pairwise(numbers)]
    if category == "D":
        for constant in constants:
            with suppress(ValueError):
                day: date = datetime.fromisoformat(constant)
                found += [str(day + timedelta(step)) for step in (1, -1)]
    if category == "S":
        found += [each.replace("%", "").replace("_", "a") for each in constants if "%(" not in each]
        lengths = {int(number) + more for number in numbers for more in (-1, 0, 1)}
        found += [
            character * length
            for length in sorted(lengths)
            for character in "a1"
            if 0 < length <= LONGEST
        ]
    return found


def _numbers(constants: list[str]) -> set[Decimal]:
    found = set()
    for constant in constants:
        with suppress(DecimalException):
            number = Decimal(constant)
            if number.is_finite():
                found.add(number)
    return found


def _verbatim(value: str) -> str:
    """The string, if no part of it is the number of an attempt."""
    return value.replace("%", "%%") if "%(" in value else value


def _quoted(value: str) -> str:
    """A value in the text of an array, a range or a composite."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _vectors(name: str, type_: str) -> list[str]:
    """Strings for the types of pgvector, which have as many numbers as the type says."""
    if name not in ("vector", "halfvec", "sparsevec"):
        return []
    length = next((int(number) for kind, number in tokens(type_) if kind == "number"), 3)
    return (
        [f"{{1:%(byte)d}}/{length}"]
        if name == "sparsevec"
        else [f"[{'%(byte)d,' * (length - 1)}1]"]
    )
