"""Which relations of a database can be the project's, and which one a name without a schema means."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Self

from sqlalchemy import Connection, text

from alembic_live.postgres.schemas import schema_name

# Tables and views; indexes and sequences only if they belong to an extension.
RELATIONS = text(
    """
    SELECT n.nspname AS schema, c.relname AS name, c.relispartition AS is_partition,
           d.objid IS NOT NULL AS is_of_extension, pg_table_is_visible(c.oid) AS is_visible,
           EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS is_child
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_depend d
        ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    WHERE n.nspname !~ '^(pg_|information_schema$)'
      AND (c.relkind IN ('r', 'p', 'f', 'v', 'm') OR d.objid IS NOT NULL)
    """
)

VERSION_TABLE = "alembic_version"  # Alembic's default
PROGRESS = "alembic_live_progress"  # the table of operations in batches that have not ended

Name = tuple[str, str]  # a schema and a relation


class VersionTable(NamedTuple):
    """The table with the revisions of a database, which is no part of its schema."""

    name: str = VERSION_TABLE
    schema: str | None = None  # the first on the search path

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Relations:
    """The relations of a database.

    SQLAlchemy takes every relation that is visible on the search path for one without a schema.
    Extensions such as postgis_topology add their schemas to the search path of a database.

    Attributes:
        default_schema: the schema in which a table without a schema is created.
        partitions: the partitions. Postgres keeps them like their table.
        of_extensions: what belongs to an extension. Only the extension may change it.
        children: the tables that inherit from another one, partitions among them.
        visible: the schemas of the relations that can be named without one.
    """

    default_schema: str
    partitions: frozenset[Name]
    of_extensions: frozenset[Name]
    children: frozenset[Name]
    visible: dict[str, str]

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """Read the catalog."""
        rows = connection.execute(RELATIONS).all()
        return cls(
            schema_name(connection.dialect.default_schema_name),
            frozenset((row.schema, row.name) for row in rows if row.is_partition),
            frozenset((row.schema, row.name) for row in rows if row.is_of_extension),
            frozenset((row.schema, row.name) for row in rows if row.is_child),
            {row.name: row.schema for row in rows if row.is_visible},
        )

    def named(self, schema: str | None, name: str) -> Name:
        """The relation that a name means. Without a schema it is the one on the search path, or one
        that does not exist yet.
        """
        return (schema or self.visible.get(name, self.default_schema), name)

    def is_foreign(self, schema: str | None, name: str) -> bool:
        """Whether no model can change a relation: it is a partition, or an extension has it."""
        found = self.named(schema, name)
        return found in self.partitions or found in self.of_extensions

    def is_left_alone(
        self, schema: str | None, name: str, modeled: Collection[tuple[str | None, str]]
    ) -> bool:
        """Whether a comparison skips a relation: it is foreign or the library's, or no model has it
        and it is the child of another table, or on the search path behind the default schema.

        Args:
            schema: the schema; None for any on the search path.
            name: the name.
            modeled: the schemas and names of the models' tables.
        """
        if self.is_foreign(schema, name) or name == PROGRESS:
            return True
        schemas = (None, self.default_schema) if schema is None else (schema,)
        if any((each, name) in modeled for each in schemas):
            return False
        found = self.named(schema, name)
        return found in self.children or (schema is None and found[0] != self.default_schema)
