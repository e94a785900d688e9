"""What depends on a column or a table that is dropped or gets another type."""

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, text

from alembic_live.autogenerate.rendering import BlockingLine, Comment, Line, display_name, sql_name

# Everything that uses a table, with the column that it uses: 0 if it uses the table as a whole. An
# object of the table itself `is_own`.
DEPENDENTS = text(
    """
    SELECT DISTINCT CASE WHEN k.oid IS NULL THEN d.classid ELSE 'pg_constraint'::regclass END::text AS kind, a.attname::text AS column_name,
           pg_describe_object(
               CASE WHEN r.oid IS NULL AND f.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass END,
               coalesce(r.ev_class, f.adrelid, d.objid), coalesce(f.adnum, 0)) AS name,
           coalesce(r.ev_class, f.adrelid, k.conrelid, g.tgrelid, p.polrelid, s.stxrelid) = t.oid AS is_own,
           coalesce(k.conname, s.stxname)::text AS part,
           k.contype::text AS constraint_type,
           concat(ns.nspname, '.', ft.relname) AS of_table,
           fa.attname::text AS generated,
           coalesce(pg_get_constraintdef(k.oid, true), pg_get_statisticsobjdef(s.oid)) AS definition
    FROM pg_class t
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
    LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
    LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
    LEFT JOIN pg_attribute fa ON fa.attrelid = f.adrelid AND fa.attnum = f.adnum
    LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
      OR d.classid = 'pg_class'::regclass AND k.conindid = d.objid AND k.contype = 'x'
    LEFT JOIN pg_class ft ON ft.oid = k.conrelid LEFT JOIN pg_namespace ns ON ns.oid = ft.relnamespace
    LEFT JOIN pg_trigger g ON d.classid = 'pg_trigger'::regclass AND g.oid = d.objid
    LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_statistic_ext s ON d.classid = 'pg_statistic_ext'::regclass AND s.oid = d.objid
    WHERE t.oid = to_regclass(:relation) AND d.deptype IN ('n', 'a')
      AND k.contype IS DISTINCT FROM 'n'  -- NOT NULL, from Postgres 18 on
      AND (f.oid IS NULL OR f.adnum <> d.refobjsubid)
      AND (d.classid <> 'pg_class'::regclass OR k.oid IS NOT NULL)
      AND d.classid::regclass::text IN ('pg_class', 'pg_rewrite', 'pg_policy', 'pg_trigger', 'pg_proc', 'pg_attrdef',
        'pg_constraint', 'pg_statistic_ext', 'pg_publication_rel')
    ORDER BY name
    """
)


Parts = set[tuple[str, str]]  # schema.table, and the name of a constraint

# What Postgres drops together with a column, or for the column's drop.
OF_THE_COLUMN = ("pg_constraint", "pg_statistic_ext")


def handle_dependents(migration: MigrationContext, upgrade: ops.UpgradeOps) -> None:
    """Drop what belongs to a dropped column, so that the downgrade restores it.

    Raises:
        CommandError: other objects use a column or a table that is dropped or gets another type; the
            text names them and says what to do.
    """
    assert migration.connection is not None
    dropped = _dropped_parts(migration, upgrade)
    found: list[str] = []
    for item in upgrade.ops:
        if isinstance(item, ops.DropTableOp):
            rows = _dependents(migration.connection, item)
            found += [
                f"Table {display_name(item.schema, item.table_name)} would be dropped, but "
                f"{row.name} uses it."
                for row in rows
                if not row.is_own
                and (row.of_table, row.part) not in dropped
                and (row.of_table, "") not in dropped
            ]
        elif isinstance(item, ops.ModifyTableOps):
            item.ops.sort(key=lambda change: not _drops_generated(change))
            _drop_constraints_first(item)
            for change in list(item.ops):
                found += _of_column(migration, item, change, dropped)
    if found:
        raise CommandError(
            f"No revision was written. {' '.join(dict.fromkeys(found))} First write a revision that "
            "drops or changes what uses it: uv run alembic revision -m …, with op.execute(). Then "
            "upgrade, and run this command again."
        )


def _drop_constraints_first(group: ops.ModifyTableOps) -> None:
    """Move the lines that drop constraints before the columns, whose drop takes them along."""
    lines = [each for each in group.ops if isinstance(each, BlockingLine) and each.drops]
    rest = [each for each in group.ops if each not in lines]
    columns = [place for place, each in enumerate(rest) if isinstance(each, ops.DropColumnOp)]
    if lines and columns:
        place = columns[0]
        while place and isinstance(rest[place - 1], Comment):
            place -= 1
        group.ops[:] = [*rest[:place], *lines, *rest[place:]]


def _drops_generated(change: Any) -> bool:
    """Whether a change drops a generated column. It precedes the drops of the columns that it uses."""
    return isinstance(change, ops.DropColumnOp) and change.to_column().computed is not None


def _of_column(
    migration: MigrationContext, group: ops.ModifyTableOps, change: Any, dropped: Parts
) -> Iterator[str]:
    """The sentences about a change of a column. What belongs to the column is dropped before it."""
    is_drop = isinstance(change, ops.DropColumnOp)
    if not is_drop and not (
        isinstance(change, ops.AlterColumnOp) and change.modify_type is not None
    ):
        return
    connection = migration.connection
    assert connection is not None
    place = group.ops.index(change)
    while place and isinstance(group.ops[place - 1], Comment):
        place -= 1
    dropped_columns = [each.column_name for each in group.ops if isinstance(each, ops.DropColumnOp)]
    for row in _dependents(connection, group):
        if row.column_name != change.column_name:
            continue
        if row.kind in OF_THE_COLUMN and row.is_own:
            if is_drop and (row.of_table, row.part) not in dropped:
                dropped.add((row.of_table, row.part))  # it can have two dropped columns
                group.ops[place:place] = list(_drops(group, row))
        elif row.kind in OF_THE_COLUMN and (not is_drop or (row.of_table, row.part) in dropped):
            continue
        elif row.generated is None or row.generated not in dropped_columns:
            name = display_name(group.schema, group.table_name, change.column_name)
            happens = "be dropped" if is_drop else "get another type"
            yield f"Column {name} would {happens}, but {row.name} uses it."


def _drops(group: ops.ModifyTableOps, row: Any) -> Iterator[ops.MigrateOperation]:
    if row.kind == "pg_statistic_ext":
        statistics = sql_name(group.schema, row.part)
        yield Line.of_sql(f"DROP STATISTICS {statistics}", row.definition, drops=row.part)
        return
    if row.constraint_type == "p":
        yield Comment(
            f"This drops the primary key of {group.table_name} too. To create another one: "
            "op.create_primary_key(…)."
        )
    table, name = sql_name(group.schema, group.table_name), sql_name(row.part)
    yield Line.of_sql(
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {row.definition}",
        drops=row.part,
        allows="ban-drop-constraint: the column is dropped below",
    )


def _dropped_parts(migration: MigrationContext, upgrade: ops.UpgradeOps) -> Parts:
    """The constraints that a script drops, and its dropped tables with an empty name."""
    default = str(migration.dialect.default_schema_name)
    found: Parts = set()
    for item in upgrade.ops:
        if isinstance(item, ops.DropTableOp):
            found.add((f"{item.schema or default}.{item.table_name}", ""))
        elif isinstance(item, ops.ModifyTableOps):
            table = f"{item.schema or default}.{item.table_name}"
            found |= {
                (table, str(change.constraint_name))
                for change in item.ops
                if isinstance(change, ops.DropConstraintOp)
            }
            found |= {
                (table, change.drops)
                for change in item.ops
                if isinstance(change, Line) and change.drops
            }
    return found


def _dependents(connection: Connection, item: Any) -> list[Any]:
    relation = sql_name(item.schema, item.table_name)
    return list(connection.execute(DEPENDENTS, {"relation": relation}))
