"""What autogenerate compares. What becomes of the differences is in `review`."""

from typing import Any

from alembic import context
from alembic.runtime.environment import NameFilterParentNames, NameFilterType
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData
from sqlalchemy.sql.schema import SchemaItem

from ..command import compares


def options(metadata: MetaData) -> dict[str, Any]:
    """The arguments of `context.configure` that a comparison needs."""
    if compares(context.config):  # nothing else needs the imports
        from . import enums as enums  # adds native enums to what is compared

    schemas = {metadata.schema} | {table.schema for table in metadata.tables.values()}

    def include_name(
        name: str | None, kind: NameFilterType, _parents: NameFilterParentNames
    ) -> bool:
        """Asked before anything is read, so that other schemas cost nothing."""
        return kind != "schema" or name in schemas

    return {
        "include_schemas": schemas != {None},
        "include_name": include_name,
        "include_object": _is_no_view,
        "compare_server_default": True,
        "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
        "process_revision_directives": _review,
    }


def _is_no_view(
    item: SchemaItem,
    _name: str | None,
    kind: NameFilterType,
    _reflected: bool,
    _compare_to: SchemaItem | None,
) -> bool:
    """Views that are mapped as tables are made by hand, with op.execute."""
    return kind != "table" or not (getattr(item, "is_view", False) or item.info.get("is_view"))


def _review(migration: MigrationContext, _revision: object, scripts: Any) -> None:
    from .review import review

    review(migration, scripts)
