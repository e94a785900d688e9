"""The schema of a database, object by object, as pg_dump prints it. pg_dump knows objects that
Alembic does not.
"""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher, unified_diff
from textwrap import indent
from typing import NamedTuple

from alembic_live.address import Address
from alembic_live.postgres.pg_dump import dump
from alembic_live.postgres.relations import PROGRESS, VERSION_TABLE
from alembic_live.printable import one_line
from alembic_live.sql.lexer import split_list, tokens
from alembic_live.sql.quoting import unquoted
from alembic_live.sql.redaction import redacted

# Kinds of objects that revisions do not create: they need a superuser, contain secrets, or concern
# other servers.
UNMANAGED_KINDS = (
    *("DATABASE PROPERTIES", "EVENT TRIGGER", "PUBLICATION", "PUBLICATION TABLE"),
    *("PUBLICATION TABLES IN SCHEMA", "SECURITY LABEL", "SUBSCRIPTION", "SUBSCRIPTION TABLE"),
    *("USER MAPPING",),
)

HEADER = re.compile(r"^-- Name: (.*); Type: ([A-Z ]+); Schema: (.*?); Owner: ", re.MULTILINE)
# Settings, comments and psql's \restrict between objects. The last line of an object ends with a
# semicolon, so it does not match.
BETWEEN_OBJECTS = re.compile(
    r"--|-- PostgreSQL database dump complete|\\(un)?restrict \w+|SET default_\w+ = [\w']*;|"
)
# What pg_dump prints of a schema `public` that was dropped and created again, as a reset does.
RECREATED_PUBLIC = (
    "-- *not* creating schema, since initdb creates it",
    "COMMENT ON SCHEMA public IS '';",
)
PARAMETERS = re.compile(r"^WITH \((.*)\)(?=;$)", re.MULTILINE)
IDENTITY = re.compile(r"ALTER TABLE (\S+) ALTER COLUMN (\S+) ADD GENERATED")


class SchemaObject(NamedTuple):
    """The identity of an object: `INDEX`, `public`, `ix_notes_title`."""

    kind: str
    schema: str
    name: str

    def __str__(self) -> str:
        schema = "" if self.schema in ("-", "public") else f"{self.schema}."
        return f"{self.kind.lower()} {schema}{self.name}"


Schema = dict[SchemaObject, str]


class Difference(NamedTuple):
    """How one object differs between two schemas."""

    schema_object: SchemaObject
    text: str  # a few lines for people

    def __str__(self) -> str:
        return self.text


def read_schema(address: Address, *options: str, version_table: str = VERSION_TABLE) -> Schema:
    """Every object of a database except the version table, with the SQL that creates it. The
    objects are in an order in which they can be created. Owners are left out.

    Args:
        address: the address of the database.
        options: further options of pg_dump.
        version_table: the name of the version table.

    Raises:
        CommandError: pg_dump is not found or fails; the text says why.
    """
    found: Schema = {}
    for obj, sql in _objects(dump(address, *options)):
        if obj.name.split(" ")[0] in (version_table, PROGRESS) or sql in RECREATED_PUBLIC:
            continue
        found[obj] = f"{found[obj]}\n{sql}" if obj in found else sql
    return found


def read_drops(address: Address, *options: str, version_table: str = VERSION_TABLE) -> list[str]:
    """The statements that drop the same objects, in an order in which they can be dropped."""
    sql = dump(address, "--clean", *options)
    of_versions = re.compile(rf'\."?(?:{re.escape(version_table)}|{PROGRESS})"?(?:[ ;]|$)')
    header = HEADER.search(sql)
    preamble = sql[: header.start() if header else 0].splitlines()
    return [
        line.removesuffix(";")
        for line in preamble
        if line.startswith(("ALTER ", "DROP ")) and not of_versions.search(line)
    ]


def comparable(schema: Schema, *, in_order: bool = False) -> Schema:
    """The schema without details that do not matter: the order of columns and of storage parameters,
    the names of NOT NULL constraints, the names of identity sequences.

    Args:
        schema: the schema.
        in_order: keep the order of columns. An INSERT without a list of columns depends on it.
    """
    result = {}
    for obj, sql in schema.items():
        if identity := IDENTITY.match(sql):
            table, column = (part.split(".")[-1] for part in identity.groups())
            obj = SchemaObject("IDENTITY", obj.schema, f"{table}.{column}")
            sql = re.sub(r"^ *SEQUENCE NAME .*\n", "", sql, flags=re.MULTILINE)
        elif obj.kind == "TABLE":
            sql = PARAMETERS.sub(_sorted_parameters, _without_names_of_not_null(sql))
            sql = sql if in_order else _with_sorted_columns(sql)
        result[obj] = sql
    return result


def table_in(sql: str) -> tuple[str, str] | None:
    """The schema and the name of the table that SQL of pg_dump concerns: it names it after TABLE, ON,
    COLUMN or OWNED BY.
    """
    texts = [token.text for token in tokens(sql) if not token.is_blank and token.text != "ONLY"]
    for before, schema, dot, name in zip(texts, texts[1:], texts[2:], texts[3:], strict=False):
        if before in ("TABLE", "ON", "COLUMN", "BY") and dot == ".":
            return unquoted(schema), unquoted(name)
    return None


def dump_schema(address: Address, version_table: str = VERSION_TABLE) -> str:
    """The schema as one text, to compare a database before and after a change."""
    schema = read_schema(address, "--no-privileges", version_table=version_table)
    return "\n".join(comparable(schema).values())


def differences(one: Schema, other: Schema, one_name: str, other_name: str) -> list[Difference]:
    """The objects that differ between two `comparable` schemas.

    Args:
        one: the first schema.
        other: the second schema.
        one_name: what people call the first schema.
        other_name: what people call the second schema.
    """
    found = []
    for obj in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(obj), other.get(obj)
        if mine == theirs:
            continue
        if mine is None or theirs is None:
            name = other_name if mine is None else one_name
            lines = [f"{obj}: only {name}", indent(redacted(mine or theirs or ""), "    ")]
        else:
            before, after = redacted(mine).split("\n"), redacted(theirs).split("\n")
            lines = [f"{obj}:"]
            if before == after:
                lines.append("    the difference is not shown, because it may be a secret")
            for what, i, j, k, m in SequenceMatcher(None, before, after, False).get_opcodes():
                if what != "equal":
                    lines += [f"    {_shown(obj, line)}  <- {one_name}" for line in before[i:j]]
                    lines += [f"    {_shown(obj, line)}  <- {other_name}" for line in after[k:m]]
        found.append(Difference(obj, "\n".join(lines)))
    return found


def unified_differences(before: Schema, after: Schema) -> list[Difference]:
    """The objects that differ between two `comparable` schemas, each with the lines of a unified
    diff. Literals that may be secrets are hidden.
    """
    found = []
    for obj in sorted(before.keys() | after.keys()):
        old, new = before.get(obj), after.get(obj)
        if old == new:
            continue
        was, now = (redacted(sql).split("\n") if sql else [] for sql in (old, new))
        changes = list(unified_diff(was, now, lineterm=""))[3:]  # without names and line numbers
        lines = ["@@ … @@" if line.startswith("@@ ") else line for line in changes]
        lines = lines or [" the difference is not shown, because it may be a secret"]
        found.append(Difference(obj, "\n".join([f"@@ {one_line(str(obj))} @@", *lines])))
    return found


def _shown(obj: SchemaObject, line: str) -> str:
    column = line.strip().removesuffix(",") if obj.kind == "TABLE" else line.strip()
    return column or "(an empty line)"


def _objects(sql_of_all: str) -> Iterator[tuple[SchemaObject, str]]:
    headers = list(HEADER.finditer(sql_of_all))
    ends = [*(header.start() for header in headers[1:]), len(sql_of_all)]
    for header, end in zip(headers, ends, strict=False):
        name, kind, schema = header.groups()
        lines = sql_of_all[header.end() : end].split("\n")[2:]  # the header ends with a line "--"
        while lines and BETWEEN_OBJECTS.fullmatch(lines[-1]):
            del lines[-1]
        sql = "\n".join(lines).strip("\n")
        if sql:
            yield SchemaObject(kind, schema, name), sql


def _sorted_parameters(found: re.Match[str]) -> str:
    return f"WITH ({', '.join(sorted(found[1].split(', ')))})"


def _without_names_of_not_null(sql: str) -> str:
    texts = [token.text for token in tokens(sql)]
    kept = list(texts)
    for place, text in enumerate(texts):
        # CONSTRAINT name NOT NULL, with a space between the words
        if text == "CONSTRAINT" and texts[place + 4 : place + 7 : 2] == ["NOT", "NULL"]:
            kept[place : place + 4] = [""] * 4
    return "".join(kept)


def _with_sorted_columns(sql: str) -> str:
    if not sql.split("\n", 1)[0].endswith("("):
        return sql
    head, columns, tail = split_list(sql)
    rest = f"){tail}".split("\n")
    end = next((n for n, line in enumerate(rest) if line.endswith(";")), len(rest)) + 1
    written = sorted(f"    {column.strip()}," for column in columns if column.strip())
    return "\n".join([f"{head}(", *written, *rest[:end], *sorted(rest[end:])])
