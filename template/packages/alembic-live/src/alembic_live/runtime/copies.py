"""Copies of the version table: those that a search path has led to another schema, and those that
logical replication makes. With one of them a database looks as if it were at another revision.
"""

from collections.abc import Sequence
from typing import NamedTuple

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, select, table, text

from alembic_live.history.graph import unknown_revisions
from alembic_live.postgres.relations import VersionTable
from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier

COPIES = text(
    """
    SELECT current_schema() AS first_schema, n.nspname AS found_in,
        (SELECT source FROM pg_settings WHERE name = 'search_path') AS source,
        ARRAY(SELECT o.nspname::text FROM pg_class k JOIN pg_namespace o ON o.oid = k.relnamespace
              JOIN pg_attribute a ON a.attrelid = k.oid AND a.attname = 'version_num'
              WHERE k.relname = :name AND k.relkind IN ('r', 'p') AND k.relpersistence <> 't'
                AND has_schema_privilege(o.oid, 'USAGE') AND has_table_privilege(k.oid, 'SELECT')
              ORDER BY 1) AS schemas,
        -- A table that does not exist yet will be in those that have all tables.
        ARRAY(SELECT p.pubname::text FROM pg_publication p WHERE p.puballtables UNION
              SELECT p.pubname::text FROM pg_publication_tables p
              WHERE p.schemaname = n.nspname AND p.tablename = c.relname ORDER BY 1) AS publications,
        ARRAY(SELECT s.subname::text FROM pg_subscription_rel r
              JOIN pg_subscription s ON s.oid = r.srsubid
              WHERE r.srrelid = c.oid ORDER BY 1) AS subscriptions
    FROM (SELECT to_regclass(:qualified) AS oid) AS named
    LEFT JOIN pg_class c USING (oid) LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
    """
)

PUBLISHED = (
    "The version table is in a publication, {names}. A tool that captures changes may have it. A "
    "subscriber with migrations must not: it looks as if it had the changes of each revision, and its "
    "migrations do nothing. Publish the tables without it: see docs/how-to/replication.md of "
    "alembic-live."
)


class Copies(NamedTuple):
    """Where the version table of a database is.

    Attributes:
        versions: the table as env.py configures it.
        first_schema: the first schema on the search path; None if there is none.
        found_in: the schema of the table that statements use; None if there is none.
        source: what has set the search path, in the terms of pg_settings.
        schemas: the schemas that have a table of this name.
        publications: those that publish the table.
        subscriptions: those that write to the table.
    """

    versions: VersionTable
    first_schema: str | None
    found_in: str | None
    source: str
    schemas: Sequence[str]
    publications: Sequence[str]
    subscriptions: Sequence[str]

    @classmethod
    def read(cls, connection: Connection, versions: VersionTable) -> "Copies":
        """Ask the database, in one round trip."""
        qualified = identifier(versions.schema, versions.name)
        row = connection.execute(COPIES, {"name": versions.name, "qualified": qualified}).one()
        return cls(versions, *row)

    def heads(self, connection: Connection, schema: str | None = None) -> tuple[str, ...]:
        """The revisions in the table; none if it does not exist.

        Args:
            connection: the connection.
            schema: the schema of a copy. Default: that of the table which statements use.
        """
        if schema is None and self.found_in is None:
            return ()
        versions = table(self.versions.name, column("version_num"), schema=schema or self.found_in)
        return tuple(connection.scalars(select(versions.c.version_num)))

    def problem_with_replication(self) -> str:
        """Why the revisions in the table are not those of this database. Empty if they are."""
        if not self.subscriptions:
            return ""
        names = one_line(", ".join(map(identifier, self.subscriptions)))
        return (
            f"The subscription {names} copies the version table from another database, so its "
            "revisions are not those of this one. Remove the table from the publication there, run "
            f"ALTER SUBSCRIPTION {names} REFRESH PUBLICATION here, and stamp this database with its "
            "revision: see docs/how-to/replication.md of alembic-live."
        )

    def problem_with_publications(self) -> str:
        """Why a subscriber may be misled. Empty if none is."""
        names = one_line(", ".join(map(identifier, self.publications)))
        return PUBLISHED.format(names=names) if names else ""

    def problem_with_schemas(
        self,
        connection: Connection,
        script: ScriptDirectory,
        heads: Sequence[str],
        default_schema: str,
    ) -> str:
        """Why the table that statements use may be the wrong one: it is missing or empty, and another
        schema has one with a revision of this history. Empty if that is not so.

        A history may be in several schemas on purpose. Then env.py names the schema of the table, or
        env.py or the URL set the search path.

        Args:
            connection: the connection.
            script: the history.
            heads: the revisions in the table that statements use.
            default_schema: the schema that alembic.ini names; empty if it names none.
        """
        is_chosen = self.source in ("session", "client") and self.first_schema != default_schema
        if self.versions.schema is not None or self.first_schema is None or is_chosen:
            return ""
        if heads and self.found_in == self.first_schema:
            return ""
        for schema in self.schemas:
            others = () if schema == self.first_schema else self.heads(connection, schema)
            if others and not unknown_revisions(script, others):
                return _describe(self.versions.name, schema, self.first_schema, others)
        return ""


def _describe(name: str, schema: str, first: str, heads: Sequence[str]) -> str:
    other, own = identifier(schema), identifier(first)
    return (
        f"The version table of this history is in schema {one_line(other)}, at "
        f"{one_line(', '.join(heads))}. The first schema on the search path is {one_line(own)}, where new "
        "tables would go. Was search_path of the role or the database another one? If "
        f"the tables belong in {one_line(other)}, set default_schema = {one_line(schema)} in "
        f"[alembic_live] of alembic.ini. If they belong in {one_line(own)}, move each of them: ALTER "
        f"TABLE {one_line(other)}.{one_line(identifier(name))} SET SCHEMA {one_line(own)}; If they are "
        "left over, drop them. If the history belongs in both, let migrations/env.py set the search path."
    )
