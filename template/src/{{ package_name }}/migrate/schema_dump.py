"""The schema of a database, object by object, from Postgres's own pg_dump: it sees what Alembic does
not.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from alembic.util import CommandError

from ..database.address import Address
from ..database.schema import SCHEMA
from .local.binaries import find_binaries

VERSION_TABLE = "alembic_version"

HEADER = re.compile(r"^-- Name: (.*); Type: ([A-Z ]+); Schema: (.*?); Owner: ", re.MULTILINE)
NAMED_NOT_NULL = re.compile(r" CONSTRAINT (?:\"[^\"]+\"|\w+) NOT NULL")
IDENTITY = re.compile(r"ALTER TABLE (\S+) ALTER COLUMN (\S+) ADD GENERATED")


class Thing(NamedTuple):
    """What an object is called: `INDEX`, `public`, `ix_notes_title`."""

    kind: str
    schema: str
    name: str

    def __str__(self) -> str:
        schema = "" if self.schema in ("-", SCHEMA or "public") else f"{self.schema}."
        return f"{self.kind.lower()} {schema}{self.name}"


Schema = dict[Thing, str]


def read_schema(address: Address, *options: str) -> Schema:
    """Every object of a database but the version table, with the SQL that makes it, in the order in
    which they can be made. Owners are left out.

    Args:
        address: of the database.
        options: of pg_dump, besides.

    Raises:
        CommandError: pg_dump is not found or fails; the text says why.
    """
    dumped = subprocess.run(
        [
            find_binaries() / "pg_dump",
            "--schema-only",
            "--no-owner",
            *options,
            f"--host={address.host}",
            f"--port={address.port}",
            f"--username={address.user}",
            f"--dbname={address.name}",
        ],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "PGPASSWORD": address.password,
            "PGSSLMODE": address.sslmode,
            "PGSSLROOTCERT": address.sslrootcert,
        },
    )
    if dumped.returncode != 0:
        raise CommandError(f"pg_dump failed: {dumped.stderr.strip()}")
    found: Schema = {}
    for thing, text in _objects(dumped.stdout):
        found[thing] = f"{found[thing]}\n{text}" if thing in found else text
    return found


def comparable(schema: Schema) -> Schema:
    """The same with what makes no difference taken out: the order of columns, the names of
    constraints that are no more than NOT NULL, those of the sequences behind identities.
    """
    result = {}
    for thing, text in schema.items():
        if identity := IDENTITY.match(text):
            table, column = (part.split(".")[-1] for part in identity.groups())
            thing = Thing("IDENTITY", thing.schema, f"{table}.{column}")
            text = re.sub(r"^ *SEQUENCE NAME .*\n", "", text, flags=re.MULTILINE)
        elif thing.kind == "TABLE":
            text = _with_sorted_columns(NAMED_NOT_NULL.sub(" NOT NULL", text))
        result[thing] = text
    return result


def dump_schema(address: Address) -> str:
    """All of it as one text, to compare two moments of one database."""
    return "\n".join(comparable(read_schema(address, "--no-privileges")).values())


def differences(one: Schema, other: Schema, one_name: str, other_name: str) -> list[str]:
    """What is in one of two schemas and not in the other, for people: a few lines for each object.
    Both have to be `comparable`.
    """
    found = []
    for thing in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(thing), other.get(thing)
        if mine == theirs:
            continue
        if mine is None or theirs is None:
            name = other_name if mine is None else one_name
            found.append(f"{thing}: only {name}\n{_indented(mine or theirs or '')}")
        else:
            before, after = mine.splitlines(), theirs.splitlines()
            lines = [f"    {line.strip()}  <- {one_name}" for line in before if line not in after]
            lines += [
                f"    {line.strip()}  <- {other_name}" for line in after if line not in before
            ]
            found.append("\n".join([f"{thing}:", *lines]))
    return found


def _objects(dump: str) -> Iterator[tuple[Thing, str]]:
    headers = list(HEADER.finditer(dump))
    ends = [*(header.start() for header in headers[1:]), len(dump)]
    for header, end in zip(headers, ends, strict=False):
        name, kind, schema = header.groups()
        text = dump[header.end() : end]
        lines = [line for line in text.splitlines()[1:] if _says_something(line)]
        if name.split(" ")[0] != VERSION_TABLE and lines:
            yield Thing(kind, schema, name), "\n".join(lines)


def _says_something(line: str) -> bool:
    """Whether the line is SQL of an object. Comments, settings and psql's \\restrict are not."""
    return bool(line) and not line.startswith(("--", "\\", "SET default_"))


def _with_sorted_columns(text: str) -> str:
    first, *middle, last = text.splitlines() if "\n" in text else ("", text, "")
    if not first.endswith("("):
        return text
    closing = next((n for n, line in enumerate(middle) if line.startswith(")")), len(middle))
    columns = sorted(line.rstrip(",") for line in middle[:closing])
    return "\n".join([first, *columns, *middle[closing:], last])


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
