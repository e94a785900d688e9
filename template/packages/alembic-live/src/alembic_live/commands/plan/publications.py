"""The publications of a database, which logical replication reads."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, text

from alembic_live.commands.plan.rehearsal.effects import RelationName
from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier

SCHEMAS_SINCE = (
    15  # the version of Postgres with FOR TABLES IN SCHEMA, filters and lists of columns
)

PUBLICATIONS = """
SELECT p.pubname AS name, p.puballtables AS has_all, p.pubupdate OR p.pubdelete AS has_changes,
    {schemas} AS schemas
FROM pg_publication p ORDER BY 1
"""
SCHEMAS = """ARRAY(SELECT n.nspname::text FROM pg_publication_namespace s
        JOIN pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid)"""

# A publication depends on the columns of its filters and of its lists.
TABLES = """
SELECT p.pubname AS publication, n.nspname AS schema, c.relname AS name,
    ARRAY(SELECT a.attname::text FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum = ANY({list})) AS columns,
    ARRAY(SELECT a.attname::text FROM pg_depend d
          JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
          WHERE d.classid = 'pg_publication_rel'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
            AND a.attnum <> ALL({list})) AS filters
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
"""
LIST = "coalesce(r.prattrs::int2[], '{}')"


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication.

    Attributes:
        name: its name.
        has_all: whether it is FOR ALL TABLES.
        has_changes: whether it publishes UPDATE or DELETE, which need a replica identity.
        schemas: those of FOR TABLES IN SCHEMA.
        tables: those that it lists.
        columns: the columns of a list, by the tables that have one.
        filters: the columns that row filters use.
    """

    name: str
    has_all: bool = False
    has_changes: bool = True
    schemas: frozenset[str] = frozenset()
    tables: frozenset[RelationName] = frozenset()
    columns: dict[RelationName, frozenset[str]] = field(default_factory=dict)
    filters: dict[RelationName, frozenset[str]] = field(default_factory=dict)

    def has(self, table: RelationName) -> bool:
        """Whether it publishes a table, given by its full name."""
        return self.has_all or table.schema in self.schemas or table in self.tables

    @property
    def is_list(self) -> bool:
        """Whether a new table can only get into it by name."""
        return not self.has_all and not self.schemas

    def __str__(self) -> str:
        return f"publication {one_line(identifier(self.name))}"


def read_publications(connection: Connection) -> list[Publication]:
    """The publications of a database."""
    version = connection.dialect.server_version_info or ()
    is_new = version >= (SCHEMAS_SINCE,)
    query = PUBLICATIONS.format(schemas=SCHEMAS if is_new else "ARRAY[]::text[]")
    found = connection.execute(text(query)).all()
    if not found:
        return []
    query = TABLES.replace("{list}", LIST if is_new else "ARRAY[]::int2[]")
    rows = connection.execute(text(query.replace(":", r"\:"))).all()
    return [
        _publication(row, [each for each in rows if each.publication == row.name]) for row in found
    ]


def _publication(row: Row[Any], tables: list[Row[Any]]) -> Publication:
    names = {RelationName(each.schema, each.name): each for each in tables}
    return Publication(
        row.name,
        row.has_all,
        row.has_changes,
        frozenset(row.schemas),
        frozenset(names),
        {name: frozenset(each.columns) for name, each in names.items() if each.columns},
        {name: frozenset(each.filters) for name, each in names.items() if each.filters},
    )
