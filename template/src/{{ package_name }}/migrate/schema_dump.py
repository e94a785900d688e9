"""The schema of a database, object by object, from Postgres's own pg_dump: it sees what Alembic does
not.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from difflib import SequenceMatcher
from textwrap import indent
from typing import NamedTuple

from alembic.util import CommandError

from ..database.address import CONNECT_TIMEOUT, Address
from ..database.schema import SCHEMA
from ..printable import one_line
from .lexer import tokens
from .local.binaries import find_binaries
from .redaction import redacted, redacted_message

VERSION_TABLE = "alembic_version"

PATIENCE = 600  # seconds that a dump may take

# Kinds of objects that no history makes: they take a superuser, hold secrets, or are about other
# servers than this one.
NOT_OF_A_HISTORY = (
    *("DATABASE PROPERTIES", "EVENT TRIGGER", "PUBLICATION", "PUBLICATION TABLE"),
    *("PUBLICATION TABLES IN SCHEMA", "SECURITY LABEL", "SUBSCRIPTION", "SUBSCRIPTION TABLE"),
    *("USER MAPPING",),
)

HEADER = re.compile(r"^-- Name: (.*); Type: ([A-Z ]+); Schema: (.*?); Owner: ", re.MULTILINE)
NAMED_NOT_NULL = re.compile(r" CONSTRAINT (?:\"[^\"]+\"|\w+) NOT NULL")
# Settings, comments and psql's \restrict, which stand between objects. The last line of an object may
# look like them, but it ends with a semicolon.
NOT_OF_AN_OBJECT = re.compile(
    r"--|-- PostgreSQL database dump complete|\\(un)?restrict \w+|SET default_\w+ = [\w']*;|"
)
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


class Difference(NamedTuple):
    """What is otherwise about one object, in a few lines."""

    thing: Thing
    text: str

    def __str__(self) -> str:
        return self.text


def read_schema(address: Address, *options: str) -> Schema:
    """Every object of a database but the version table, with the SQL that makes it, in the order in
    which they can be made. Owners are left out.

    Args:
        address: of the database.
        options: of pg_dump, besides.

    Raises:
        CommandError: pg_dump is not found or fails; the text says why.
    """
    found: Schema = {}
    for thing, text in _objects(_dump(address, *options)):
        found[thing] = f"{found[thing]}\n{text}" if thing in found else text
    return found


def read_drops(address: Address, *options: str) -> list[str]:
    """The statements that drop the same objects, in the order in which they can be dropped."""
    dumped = _dump(address, "--clean", *options)
    header = HEADER.search(dumped)
    preamble = dumped[: header.start() if header else 0].splitlines()
    return [
        line.removesuffix(";")
        for line in preamble
        if line.startswith(("ALTER ", "DROP ")) and f".{VERSION_TABLE}" not in line
    ]


def _dump(address: Address, *options: str) -> str:
    try:
        dumped = subprocess.run(
            [
                find_binaries() / "pg_dump",
                "--schema-only",
                "--no-owner",
                "--encoding=UTF8",
                *options,
                f"--host={address.host}",
                f"--port={address.port}",
                f"--username={address.user}",
            ],
            check=False,
            capture_output=True,
            timeout=PATIENCE,
            env=os.environ
            | {
                "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT),
                "PGDATABASE": address.name,  # as an argument, `a=b` would be a connection string
                "PGPASSWORD": address.password,
                "PGSSLMODE": address.sslmode,
                "PGSSLROOTCERT": address.sslrootcert,
            },
        )
    except subprocess.TimeoutExpired:
        raise CommandError(f"pg_dump did not finish within {PATIENCE} s.") from None
    if dumped.returncode != 0:
        reason = redacted_message(dumped.stderr.decode(errors="replace").strip())
        raise CommandError(f"pg_dump failed: {one_line(' '.join(reason.split()))}")
    return dumped.stdout.decode()


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


def differences(one: Schema, other: Schema, one_name: str, other_name: str) -> list[Difference]:
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
            lines = [f"{thing}: only {name}", indent(redacted(mine or theirs or ""), "    ")]
        else:
            before, after = redacted(mine).split("\n"), redacted(theirs).split("\n")
            lines = [f"{thing}:"]
            if before == after:
                lines.append("    differs in what is not shown, because it may be a secret")
            for what, i, j, k, m in SequenceMatcher(None, before, after, False).get_opcodes():
                if what != "equal":
                    lines += [f"    {_shown(thing, line)}  <- {one_name}" for line in before[i:j]]
                    lines += [f"    {_shown(thing, line)}  <- {other_name}" for line in after[k:m]]
        found.append(Difference(thing, "\n".join(lines)))
    return found


def _shown(thing: Thing, line: str) -> str:
    column = line.strip().removesuffix(",") if thing.kind == "TABLE" else line.strip()
    return column or "(an empty line)"


def _objects(dump: str) -> Iterator[tuple[Thing, str]]:
    headers = list(HEADER.finditer(dump))
    ends = [*(header.start() for header in headers[1:]), len(dump)]
    for header, end in zip(headers, ends, strict=False):
        name, kind, schema = header.groups()
        lines = dump[header.end() : end].split("\n")[2:]  # the header has ended with "--"
        while lines and NOT_OF_AN_OBJECT.fullmatch(lines[-1]):
            del lines[-1]
        text = "\n".join(lines).strip("\n")
        if name.split(" ")[0] != VERSION_TABLE and text:
            yield Thing(kind, schema, name), text


def _with_sorted_columns(text: str) -> str:
    if not text.split("\n", 1)[0].endswith("("):
        return text
    head, columns, tail = "", [""], ""
    depth = 0  # of parentheses
    for token in tokens(text):
        depth -= token.text == ")"
        if tail or (depth == 0 and token.text == ")"):
            tail += token.text
        elif depth == 0:
            head += token.text
        elif depth == 1 and token.text == ",":
            columns.append("")
        else:
            columns[-1] += token.text
        depth += token.text == "("
    rest = tail.split("\n")
    end = next((n for n, line in enumerate(rest) if line.endswith(";")), len(rest)) + 1
    written = sorted(f"    {column.strip()}," for column in columns if column.strip())
    return "\n".join([head, *written, *rest[:end], *sorted(rest[end:])])
