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
            if line not in ours and not line.startswith(tuple(f"DROP {kind} " for kind in without))
        ]
        return cls(schema, drops)


def _is_of(thing: Thing, kinds: Sequence[str]) -> bool:
    """Whether it is of one of these kinds, or a comment on one."""
    words = thing.name if thing.kind == "COMMENT" else thing.kind
    return thing.kind in kinds or words.startswith(tuple(f"{kind} " for kind in kinds))
