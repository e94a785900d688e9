"""The schema that a from-scratch revision is to make."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ...database.address import Address
from ...database.schema import SCHEMA
from ..schema_dump import Schema, Thing, read_drops, read_schema

OPTIONS = ("--no-privileges",)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The schema that is to be made, and how it is dropped."""

    schema: Schema
    drops: list[str]

    @classmethod
    def of(cls, database: Address, *options: str, without: tuple[str, ...] = ()) -> Self:
        """That of a database.

        Args:
            database: where it is.
            options: of pg_dump.
            without: kinds of objects that are left out.
        """
        schema = {
            thing: text
            for thing, text in read_schema(database, *OPTIONS, *options).items()
            if not _is_of(thing, without)
            and not (thing.kind == "COMMENT" and _is_of(thing, ("EXTENSION",)))  # it comes with it
            and not (thing.kind == "SCHEMA" and thing.name == SCHEMA)
        }
        ours = f"DROP SCHEMA {SCHEMA or 'public'}", f'DROP SCHEMA "{SCHEMA or "public"}"'
        drops = [
            line
            for line in read_drops(database, *OPTIONS, *options)
            if line not in ours
            and not line.startswith(tuple(f"DROP {kind} " for kind in without))
            and not _goes_with_its_table(line, schema)
        ]
        return cls(schema, drops)


def _goes_with_its_table(drop: str, schema: Schema) -> bool:
    """Whether it drops an index or a constraint by itself, but for foreign keys: those of partitions
    cannot be dropped so, and all of them go with their table.
    """
    if drop.startswith("DROP INDEX "):
        return True
    _, found, name = drop.partition(" DROP CONSTRAINT ")
    plain = name.strip('"').replace('""', '"')
    keys = (thing for thing in schema if thing.kind == "FK CONSTRAINT")
    return bool(found) and not any(thing.name.endswith(f" {plain}") for thing in keys)


def _is_of(thing: Thing, kinds: Sequence[str]) -> bool:
    """Whether it is of one of these kinds, or a comment on one."""
    words = thing.name if thing.kind == "COMMENT" else thing.kind
    return thing.kind in kinds or words.startswith(tuple(f"{kind} " for kind in kinds))
