"""The schema objects of a database, and which of them a revision makes, renames and drops."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alembic_live.commands.plan.rehearsal.relations import FIRST_OID

# One array for each object: its catalog, its oid, the number of a column, the table or the type that it
# is a part of, what a rename changes, and the type of a column or whether a
# table is logged. What Postgres makes for another object is left out: the
# index of a constraint, the row type of a table.
OBJECTS = f"""
SELECT json_agg(json_build_array(o.catalog::oid::bigint, o.oid::bigint, o.number, o.whole::bigint,
    o.name, o.type) ORDER BY o.oid, o.number)::text
FROM (
    SELECT 'pg_class'::regclass AS catalog, c.oid, 0 AS number, coalesce(i.indrelid, s.refobjid, h.inhparent, 0)
        AS whole, concat(c.relnamespace, '.', c.relname) AS name,
        CASE c.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'logged' END AS type
        FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
        LEFT JOIN pg_inherits h ON h.inhrelid = c.oid AND c.relispartition
        LEFT JOIN pg_depend s ON s.classid = 'pg_class'::regclass AND s.objid = c.oid
            AND c.relkind = 'S' AND s.deptype = 'a' AND s.refclassid = 'pg_class'::regclass
        WHERE c.relkind <> 't' AND c.relpersistence <> 't'
            AND c.relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'pg_class'::regclass, a.attrelid, a.attnum, a.attrelid, a.attname,
        format_type(a.atttypid, a.atttypmod)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
            AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
            AND c.relpersistence <> 't'
    UNION ALL SELECT 'pg_constraint'::regclass, oid, 0, conrelid, conname, NULL
        FROM pg_constraint WHERE conrelid <> 0 AND contype <> 'n'
    UNION ALL SELECT 'pg_enum'::regclass, oid, 0, enumtypid, enumlabel, NULL FROM pg_enum
    UNION ALL SELECT 'pg_extension'::regclass, oid, 0, 0, extname, NULL FROM pg_extension
    UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, 0, nspname, NULL
        FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT 'pg_policy'::regclass, oid, 0, polrelid, polname, NULL FROM pg_policy
    UNION ALL SELECT 'pg_proc'::regclass, oid, 0, 0, concat(pronamespace, '.', proname), NULL FROM pg_proc
    UNION ALL SELECT 'pg_rewrite'::regclass, oid, 0, ev_class, rulename, NULL
        FROM pg_rewrite WHERE rulename <> '_RETURN'
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, 0, stxrelid, stxname, NULL FROM pg_statistic_ext
    UNION ALL SELECT 'pg_trigger'::regclass, oid, 0, tgrelid, tgname, NULL
        FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'pg_type'::regclass, oid, 0, 0, concat(typnamespace, '.', typname), NULL
        FROM pg_type WHERE typtype <> 'p'
) o
WHERE o.oid >= {FIRST_OID} AND NOT EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = o.catalog AND d.objid = o.oid AND d.objsubid = o.number
        AND d.deptype IN ('e', 'i', 'P', 'S'))
"""

# The kind and the identity of some of them.
IDENTIFIED = """
SELECT json_agg(CASE WHEN o.catalog = 'pg_enum'::regclass
    THEN (SELECT json_build_array('enum value', format('%s.%s', i.identity, e.enumlabel))
        FROM pg_enum e, pg_identify_object('pg_type'::regclass, e.enumtypid, 0) i
        WHERE e.oid = o.oid)
    ELSE (SELECT json_build_array(i.type, i.identity)
        FROM pg_identify_object(o.catalog, o.oid, o.number) i) END)::text
FROM json_to_recordset('{objects}') AS o (catalog oid, oid oid, number int)
"""

TABLE, COLUMN, LABEL, SCHEMA = "table", "table column", "enum value", "schema"
INDEX = "index"


class ObjectAddress(NamedTuple):
    """The address of an object in the catalogs of Postgres."""

    catalog: int
    oid: int
    number: int  # of a column, else 0


class Identity(NamedTuple):
    """How people call an object: `table column` `public.notes.title`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.removeprefix('table ')} {self.name.removeprefix('public.')}"


class SchemaItem(NamedTuple):
    """An object that a revision has changed.

    Attributes:
        identity: how people call it.
        key: its address.
        name: that of a column, without its table.
        type: that of a column; of a table `logged` or `unlogged`.
        is_old: whether it was there at first.
    """

    identity: Identity
    key: ObjectAddress
    name: str
    type: str | None
    is_old: bool


@dataclass(slots=True)
class SchemaChange:
    """What a revision has done to schema objects. Parts of a table that is made or dropped are left
    out.

    Attributes:
        made: new objects.
        dropped: dropped objects.
        renamed: objects before and after.
        retyped: columns and tables before and after.
        lost_labels: of enums that a new type of the same name replaces.
    """

    made: list[SchemaItem] = field(default_factory=list)
    dropped: list[SchemaItem] = field(default_factory=list)
    renamed: list[tuple[SchemaItem, SchemaItem]] = field(default_factory=list)
    retyped: list[tuple[SchemaItem, SchemaItem]] = field(default_factory=list)
    lost_labels: list[Identity] = field(default_factory=list)


class ObjectFacts(NamedTuple):
    """What the catalog has of an object.

    Attributes:
        whole: the oid of the table or type that it is a part of, or 0.
        name: what a rename changes.
        type: that of a column; of a table `logged` or `unlogged`.
    """

    whole: int
    name: str
    type: str | None


class Inventory:
    """The schema objects, as revisions change them.

    Args:
        ask: the value of a query.
        ignored: the names of tables that no report mentions.
    """

    def __init__(self, ask: Callable[[str], Any], ignored: Collection[str] = ()) -> None:
        self._ask = ask
        self._ignored = frozenset(ignored)
        self._parts = self._read()
        self._identities = self._identify(self._parts)
        self._old = frozenset(self._parts)

    def change(self) -> SchemaChange:
        """What has changed since the last call."""
        after, before, known = self._read(), self._parts, self._identities
        made = [key for key in after if key not in before]
        dropped = [key for key in before if key not in after]
        kept = [(key, before[key], part) for key, part in after.items() if key in before]
        renamed = [key for key, was, part in kept if was.name != part.name]
        retyped = [key for key, was, part in kept if was.type != part.type]
        new = {key.oid for key in made if not key.number}
        gone = {key.oid for key in dropped if not key.number}
        self._parts, self._identities = after, known | self._identify([*made, *renamed])

        def before_it(key: ObjectAddress) -> SchemaItem:
            return self._item(key, known, before)

        def after_it(key: ObjectAddress) -> SchemaItem:
            return self._item(key, self._identities, after)

        added = [after_it(key) for key in made if after[key].whole not in new]
        removed = [before_it(key) for key in dropped if before[key].whole not in gone]
        # REINDEX … CONCURRENTLY replaces an index by a new one of the same name.
        rebuilt = {each.identity for each in added if each.identity.kind == INDEX}
        rebuilt &= {each.identity for each in removed}
        return SchemaChange(
            [each for each in added if self._is_shown(each, rebuilt)],
            [each for each in removed if self._is_shown(each, rebuilt)],
            [(before_it(key), after_it(key)) for key in renamed],
            [(before_it(key), after_it(key)) for key in retyped],
            self._lost_labels(_labels(before, known), _labels(after, self._identities)),
        )

    def _is_shown(self, item: SchemaItem, rebuilt: Collection[Identity]) -> bool:
        is_ignored = item.identity.kind == TABLE and item.name.partition(".")[2] in self._ignored
        return item.identity not in rebuilt and not is_ignored

    def _item(
        self,
        key: ObjectAddress,
        identities: Mapping[ObjectAddress, Identity],
        parts: Mapping[ObjectAddress, ObjectFacts],
    ) -> SchemaItem:
        part = parts[key]
        return SchemaItem(identities[key], key, part.name, part.type, key in self._old)

    def _lost_labels(self, before: "Labels", after: "Labels") -> list[Identity]:
        return [
            Identity(LABEL, f"{type_}.{label}")
            for type_, (oid, labels) in before.items()
            if type_ in after and after[type_][0] != oid
            for label in sorted(labels - after[type_][1])
        ]

    def _read(self) -> dict[ObjectAddress, ObjectFacts]:
        rows = json.loads(self._ask(OBJECTS) or "[]")
        return {ObjectAddress(*row[:3]): ObjectFacts(*row[3:]) for row in rows}

    def _identify(self, keys: Iterable[ObjectAddress]) -> dict[ObjectAddress, Identity]:
        keys = list(keys)
        if not keys:
            return {}
        objects = json.dumps([key._asdict() for key in keys])
        rows = json.loads(self._ask(IDENTIFIED.replace("{objects}", objects)))
        return {key: Identity(*row) for key, row in zip(keys, rows, strict=True)}


Labels = dict[str, tuple[int, set[str]]]  # by the name of the type: its oid and its labels


def _labels(
    parts: Mapping[ObjectAddress, ObjectFacts], identities: Mapping[ObjectAddress, Identity]
) -> Labels:
    types: Labels = {}
    names = {
        key.oid: identity.name for key, identity in identities.items() if identity.kind == "type"
    }
    for key, part in parts.items():
        if key in identities and identities[key].kind == LABEL:
            types.setdefault(names[part.whole], (part.whole, set()))[1].add(part.name)
    return types
