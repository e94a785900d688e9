"""What becomes of the differences that autogenerate found, before they are written."""

import logging

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, inspect

from ..command import command_of
from .concurrently import split
from .cycles import untie
from .enums import keep_defaults
from .hazards import mark, refuse_what_must_fail
from .lines import Line
from .losses import settle
from .restores import let_columns_come_back

log = logging.getLogger("alembic.autogenerate")


def review(migration: MigrationContext, scripts: list[ops.MigrationScript]) -> None:
    """Write no revision where nothing changed, lose nothing, refuse what must fail, write what is
    left so that tables stay in use, and mark where that cannot be.

    Raises:
        CommandError: something would be lost or would fail; the text tells the ways out.
    """
    assert migration.config is not None
    options = migration.config.cmd_opts
    if command_of(migration.config) == "check" or not getattr(options, "autogenerate", True):
        return
    [script] = scripts
    assert script.upgrade_ops is not None
    if script.upgrade_ops.is_empty():
        scripts.clear()
        log.info("The models and the database agree: no revision was written.")
        return
    metadata = migration.opts["target_metadata"]
    first = [*_missing_schemas(migration, metadata), *settle(migration, script)]
    refuse_what_must_fail(script.upgrade_ops)
    untie(script.upgrade_ops)
    keep_defaults(migration, script.upgrade_ops)
    scripts[:] = split(script, metadata, first)
    for part in scripts:
        assert part.downgrade_ops is not None
        let_columns_come_back(part.downgrade_ops)
        mark(migration, part)


def _missing_schemas(migration: MigrationContext, metadata: MetaData) -> list[Line]:
    """Lines that make the schemas of single tables. That of all tables is made before the version
    table is.
    """
    assert migration.connection is not None
    present = inspect(migration.connection).get_schema_names()
    quote = migration.connection.dialect.identifier_preparer.quote
    wanted = sorted({table.schema for table in metadata.tables.values() if table.schema})
    return [
        Line.of_sql(
            f"CREATE SCHEMA IF NOT EXISTS {quote(name)}", f"DROP SCHEMA IF EXISTS {quote(name)}"
        )
        for name in wanted
        if name not in present and name != metadata.schema
    ]
