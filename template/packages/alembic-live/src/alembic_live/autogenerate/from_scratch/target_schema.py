"""The schema that a from-scratch revision creates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import text

from alembic_live.address import Address
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import (
    Schema,
    SchemaObject,
    read_drops,
    read_schema,
)
from alembic_live.postgres.relations import VersionTable
from alembic_live.postgres.schemas import schema_name

COLUMNS = text(
    """
    SELECT n.nspname AS schema, c.relname AS table,
           array_agg(a.attname::text ORDER BY a.attnum) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)' GROUP BY 1, 2
    """
)
OPTIONS = ("--no-privileges",)


@dataclass(frozen=True, slots=True)
class TargetSchema:
    """The schema that a revision creates, and the statements that drop it."""

    schema: Schema
    drops: list[str]
    columns: dict[tuple[str, str], list[str]]  # the columns of each table, in their order

    @classmethod
    def of(
        cls,
        database: Address,
        *options: str,
        version_table: VersionTable,
        without: tuple[str, ...] = (),
    ) -> Self:
        """The schema of a database.

        Args:
            database: the address of the database.
            options: options of pg_dump.
            version_table: the version table. It is left out, and so is its schema: both exist
                before the first revision.
            without: kinds of objects to leave out.
        """
        name, own = version_table
        read = read_schema(database, *OPTIONS, *options, version_table=name)
        schema = {
            obj: sql
            for obj, sql in read.items()
            if not _is_of(obj, without)
            # CREATE EXTENSION sets the comment.
            and not (obj.kind == "COMMENT" and _is_of(obj, ("EXTENSION",)))
            and not (obj.kind == "SCHEMA" and obj.name == own)
        }
        drops_of_own_schema = (
            f"DROP SCHEMA {schema_name(own)}",
            f'DROP SCHEMA "{schema_name(own)}"',
        )
        drops = [
            line
            for line in read_drops(database, *OPTIONS, *options, version_table=name)
            if line not in drops_of_own_schema
            and not line.startswith(tuple(f"DROP {kind} " for kind in without))
            and not _is_dropped_with_its_table(line, schema)
        ]
        rows = with_connection(make_engine(database), lambda each: each.execute(COLUMNS).all())
        return cls(schema, drops, {(row.schema, row.table): row.columns for row in rows})


def _is_dropped_with_its_table(drop: str, schema: Schema) -> bool:
    """Whether a statement drops an index, or a constraint that is no foreign key. DROP TABLE drops
    them too, and those of partitions cannot be dropped separately.
    """
    if drop.startswith("DROP INDEX "):
        return True
    _, found, name = drop.partition(" DROP CONSTRAINT ")
    plain = name.strip('"').replace('""', '"')
    keys = (obj for obj in schema if obj.kind == "FK CONSTRAINT")
    return bool(found) and not any(obj.name.endswith(f" {plain}") for obj in keys)


def _is_of(obj: SchemaObject, kinds: Sequence[str]) -> bool:
    """Whether an object is of one of these kinds, or a comment on such an object."""
    words = obj.name if obj.kind == "COMMENT" else obj.kind
    return obj.kind in kinds or words.startswith(tuple(f"{kind} " for kind in kinds))
