"""Changes the differences that autogenerate found before it writes them.

The place of a rule depends on what it needs:

1. A rule that removes or refuses differences comes first, so that the others see only what is
   written. `confirm_destructive_changes` precedes `check_new_columns`, because a renamed column is
   not a new one.
2. A rule that changes the upgrade comes before `split`, which distributes the changes over revisions
   and derives their downgrades: `handle_dependents`, which also refuses, then `defer_foreign_keys`,
   `drop_foreign_keys_first`, `convert_values`, `change_numbering`, `arrange_enums`.
3. A rule about the text of a revision or about its downgrade comes after `split`: first
   `restore_exactly` and `add_placeholders`, which replace operations, then
   `add_deployment_comments` and `add_warnings`, whose comments stand above the final ones, and
   `check_source`, which sees all that is written.
"""

import logging

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, inspect

from alembic_live.autogenerate.column_types import named_types
from alembic_live.autogenerate.cycles import defer_foreign_keys, drop_foreign_keys_first
from alembic_live.autogenerate.dependents import handle_dependents
from alembic_live.autogenerate.destructive_changes import (
    Permissions,
    add_deployment_comments,
    confirm_destructive_changes,
)
from alembic_live.autogenerate.downgrades import add_placeholders
from alembic_live.autogenerate.enum_replacement import arrange_enums
from alembic_live.autogenerate.new_tables import check_new_tables
from alembic_live.autogenerate.numbering import change_numbering
from alembic_live.autogenerate.pending import is_complete
from alembic_live.autogenerate.renames import renamed
from alembic_live.autogenerate.rendering import Line, sql_name
from alembic_live.autogenerate.restoration import restore_exactly
from alembic_live.autogenerate.source import check_source
from alembic_live.autogenerate.type_changes import convert_values
from alembic_live.autogenerate.warnings import add_warnings, check_new_columns
from alembic_live.autogenerate.zero_downtime import metadatas_of, split
from alembic_live.internals.sqlalchemy import sequences_of
from alembic_live.runtime.program import command_of

log = logging.getLogger("alembic.autogenerate")


def review(migration: MigrationContext, scripts: list[ops.MigrationScript]) -> None:
    """Confirm changes that delete data, refuse changes that must fail, and split the rest into
    zero-downtime revisions. Warn of changes that block other sessions. Without differences no
    revision is written.

    Raises:
        CommandError: a change would delete data or fail, or `-x` names none; the text says what to
            do.
    """
    assert migration.config is not None
    options = migration.config.cmd_opts
    if not getattr(options, "autogenerate", True):
        return
    if not scripts:  # a function of env.py has removed an empty one
        return
    [script] = scripts
    assert script.upgrade_ops is not None
    permissions = Permissions.from_command_line()
    permissions.require_changes(migration, script.upgrade_ops)
    check_new_tables(migration, script.upgrade_ops)
    if command_of(migration.config) == "check":
        return
    if script.upgrade_ops.is_empty() and not permissions.renames:
        scripts.clear()
        agree = "The models and the database agree"
        if not is_complete(migration):
            agree = "The models and the database agree in all that was compared"
        log.info("%s: no revision was written.", agree)
        return
    metadatas = metadatas_of(migration)
    schemas = _missing_schemas(migration, metadatas)
    renaming = confirm_destructive_changes(migration, script, permissions)
    check_new_columns(script.upgrade_ops)
    assert migration.connection is not None
    # This locks the tables, so no question to the user comes after it.
    with renamed(migration.connection, renaming.statements):
        handle_dependents(migration, script.upgrade_ops)
        defer_foreign_keys(script.upgrade_ops)
        drop_foreign_keys_first(migration, script.upgrade_ops)
        convert_values(migration, script.upgrade_ops)
        change_numbering(script.upgrade_ops)
        arrange_enums(script.upgrade_ops)
        scripts[:] = split(script, metadatas, [*schemas, *renaming.operations])
        for part in scripts:
            assert part.downgrade_ops is not None
            defer_foreign_keys(part.downgrade_ops)
            restore_exactly(migration, part.downgrade_ops)
            add_placeholders(migration, part.downgrade_ops)
            assert part.upgrade_ops is not None
            add_deployment_comments(part.upgrade_ops)
            add_warnings(migration, part)
            check_source(migration, part)


def _missing_schemas(migration: MigrationContext, metadatas: list[MetaData]) -> list[Line]:
    """Lines that create the schemas of single tables. The schema of the metadata exists already: it
    is created before the version table.
    """
    assert migration.connection is not None
    present = inspect(migration.connection).get_schema_names()
    tables = [table for metadata in metadatas for table in metadata.tables.values()]
    used = {table.schema for table in tables} | {
        type_.schema
        for table in tables
        for column in table.columns
        for type_ in named_types(column.type)
    }
    used |= {sequence.schema for metadata in metadatas for sequence in sequences_of(metadata)}
    wanted = sorted(schema for schema in used if schema)
    return [
        Line.of_sql(
            f"CREATE SCHEMA IF NOT EXISTS {sql_name(name)}",
            f"DROP SCHEMA IF EXISTS {sql_name(name)}",
        )
        for name in wanted
        if name not in present and name != migration.version_table_schema
    ]
