"""Autogenerate in this process: what it finds, and what its revision does."""

from textwrap import indent
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic_live.autogenerate.compare import comparison, differences_from
from alembic_live.autogenerate.plugins import PLUGINS
from sqlalchemy import Connection, MetaData

assert PLUGINS


def context_of(connection: Connection, metadata: MetaData) -> MigrationContext:
    """A comparison as the library configures it."""
    opts = comparison([metadata], connection)
    return MigrationContext.configure(connection, opts=opts | {"target_metadata": metadata})


def found(connection: Connection, metadata: MetaData) -> list[Any]:
    """The differences, in the form of `check`."""
    return list(differences_from(context_of(connection, metadata), [metadata]).as_diffs())


def upgrade(connection: Connection, metadata: MetaData) -> str:
    """Run the revision that autogenerate writes. Returns its source."""
    migration = context_of(connection, metadata)
    script = produce_migrations(migration, metadata)
    assert script.upgrade_ops is not None
    # The context of render_python_code has no metadata.
    prefixes = {"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op."}
    opts = migration.opts | prefixes | {"user_module_prefix": None}
    context = AutogenContext(migration, metadata, opts)
    source = render_python_code(
        script.upgrade_ops,
        render_item=lambda kind, item, _: migration.opts["render_item"](kind, item, context),
        migration_context=migration,
    )
    names: dict[str, Any] = {"op": op, "sa": sa}
    with Operations.context(migration):
        exec(
            f"from sqlalchemy.dialects import postgresql\ndef run():\n{indent(source, '    ')}",
            names,
        )
        names["run"]()
    return source
