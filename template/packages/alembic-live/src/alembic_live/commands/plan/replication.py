"""What a revision means for replication: what subscribers need, in which order, and what standbys do."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from alembic_live.commands.plan.analysis import HeldLock
from alembic_live.commands.plan.publications import Publication
from alembic_live.commands.plan.rehearsal.effects import LockMode, RelationName
from alembic_live.commands.plan.rehearsal.inventory import COLUMN, TABLE, SchemaItem
from alembic_live.commands.plan.rehearsal.rehearsal import Rehearsal, RehearsedRevision
from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier

# Walsenders of logical replication, and of a backup, replay nothing.
STANDBYS = """
SELECT count(*) FROM pg_stat_replication r
WHERE r.state IS DISTINCT FROM 'backup' AND NOT EXISTS (
    SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
"""


class Replication:
    """The notes on the revisions of a plan.

    Args:
        rehearsal: the rehearsed revisions.
        publications: those of the live database.
        default_schema: the schema that names do not mention.
    """

    def __init__(
        self, rehearsal: Rehearsal, publications: Iterable[Publication], default_schema: str
    ) -> None:
        self._publications = list(publications)
        self._default_schema = default_schema
        self._relations = rehearsal.observed.relations
        self._first_names: Mapping[int, RelationName] = rehearsal.observed.old
        self._without_identity = rehearsal.without_identity

    def notes_on(self, revision: RehearsedRevision) -> Iterator[str]:
        """Sentences on a revision, without a period at the end. Revisions come in their order."""
        before, after = self._without_identity, revision.without_identity
        self._without_identity = after
        for statement in revision.statements:
            for operation, table in statement.modified:
                if operation in ("Update", "Delete") and table in before:
                    yield from self._on_refused_change(table)
        schema = revision.schema
        for old, new in schema.renamed:
            yield from self._on_rename(old, new)
        for old, _ in schema.retyped:
            yield from self._on_new_type(old)
        for item in schema.dropped:
            yield from self._on_drop(item)
        for item in schema.made:
            relation = self._relations.get(item.key.oid)
            if item.identity.kind == TABLE and item.type == "logged" and relation:
                yield from self._on_new_table(relation.full_name)
            elif item.identity.kind == COLUMN:
                yield from self._on_new_column(item)
        for table in sorted(after - before):
            for publication in self._of(table):
                if publication.has_changes:
                    yield (
                        f"{self._shown(table)} has no replica identity after this, and {publication} "
                        f"has it: Postgres refuses UPDATE and DELETE. {_give_identity(table)}"
                    )
                    break

    def _on_refused_change(self, table: RelationName) -> Iterator[str]:
        publications = [each for each in self._of(table) if each.has_changes]
        if publications:
            yield (
                f"{self._shown(table)} has no replica identity, so Postgres refuses this statement "
                f"({publications[0]}). {_give_identity(table)}"
            )

    def _on_rename(self, old: SchemaItem, new: SchemaItem) -> Iterator[str]:
        if old.identity.kind not in (TABLE, COLUMN) or not old.is_old:
            return
        table = self._first_names[old.key.oid]
        column = f".{one_line(old.name)}" if old.identity.kind == COLUMN else ""
        for publication in self._of(table):
            yield (
                f"{self._shown(table)}{column}: {publication} has it, and replication goes by names. "
                "Stop it (ALTER SUBSCRIPTION … DISABLE), migrate the publisher and the subscribers, "
                "and start it (ENABLE)"
            )

    def _on_new_type(self, old: SchemaItem) -> Iterator[str]:
        if old.identity.kind != COLUMN or not old.is_old:
            return
        table = self._first_names[old.key.oid]
        for publication in self._of(table):
            if old.name in publication.filters.get(table, ()):
                what = f"to change the type of {self._shown(table)}.{one_line(old.name)}"
                yield _refused(what, publication, self._shown(table))

    def _on_drop(self, item: SchemaItem) -> Iterator[str]:
        if item.identity.kind not in (TABLE, COLUMN) or not item.is_old:
            return
        table = self._first_names[item.key.oid]
        name = self._shown(table)
        for publication in self._of(table):
            if item.identity.kind == TABLE:
                yield (
                    f"{name}: {publication} has it. Drop it at the subscribers after this, and run "
                    "ALTER SUBSCRIPTION … REFRESH PUBLICATION there"
                )
                continue
            column = one_line(item.name)
            used = publication.filters.get(table, frozenset()) | publication.columns.get(
                table, frozenset()
            )
            if item.name in used:
                yield _refused(f"to drop {name}.{column}", publication, name)
            else:
                yield (
                    f"{name}.{column}: {publication} has it. Drop it at the subscribers after this: a "
                    "column that only they have stays empty, one that they lack stops replication"
                )

    def _on_new_table(self, table: RelationName) -> Iterator[str]:
        name = self._shown(table)
        for publication in self._publications:
            if publication.has(table):
                yield (
                    f"{name}: {publication} has it as soon as it exists. Create it at the subscribers "
                    "first; after this, run ALTER SUBSCRIPTION … REFRESH PUBLICATION there"
                )
            elif publication.is_list:
                add = f"ALTER PUBLICATION {one_line(identifier(publication.name))} ADD TABLE {name}"
                yield (
                    f"{name}: {publication} is a list of tables and does not have it. To replicate "
                    f"it: {add}, and at the subscribers ALTER SUBSCRIPTION … REFRESH PUBLICATION"
                )

    def _on_new_column(self, item: SchemaItem) -> Iterator[str]:
        table = self._first_names.get(item.key.oid)
        if table is None:
            return
        name, column = self._shown(table), one_line(item.name)
        for publication in self._of(table):
            if table in publication.columns:
                yield (
                    f"{name}.{column}: {publication} lists the columns of {name}, and does not have it"
                )
            else:
                yield (
                    f"{name}.{column}: {publication} has it as soon as it exists. Add it at the "
                    "subscribers first: replication stops at a column that they lack"
                )

    def _of(self, table: RelationName) -> list[Publication]:
        return [each for each in self._publications if each.has(table)]

    def _shown(self, table: RelationName) -> str:
        is_plain = table.schema == self._default_schema
        return one_line(table.name if is_plain else ".".join(table))


def notes_on_standbys(
    locks: Iterable[HeldLock], standbys: int, shown: Callable[[RelationName], str]
) -> Iterator[str]:
    """A sentence on the locks that standbys take too.

    Args:
        locks: those of a revision.
        standbys: how many are connected.
        shown: how reports call a table.
    """
    tables = [
        shown(held.taken.relation)
        for held in locks
        if held.taken.mode is LockMode.ACCESS_EXCLUSIVE and not held.taken.is_new
    ]
    if standbys and tables:
        yield (
            f"{standbys} standby{'' if standbys == 1 else 's'}: the ACCESS EXCLUSIVE lock on "
            f"{', '.join(tables)} is taken there too. While a query reads the table there, new ones "
            "wait, up to max_standby_streaming_delay. Then it is cancelled"
        )


def _refused(what: str, publication: Publication, table: str) -> str:
    change = f"ALTER PUBLICATION {one_line(identifier(publication.name))} SET TABLE {table} …"
    return f"Postgres refuses {what}, because {publication} uses it. First: {change}"


def _give_identity(table: RelationName) -> str:
    name = one_line(identifier(*table))
    return f"Give it a primary key, or: ALTER TABLE {name} REPLICA IDENTITY FULL"
