"""What is used of alembic-postgresql-enum though its documentation does not have it."""

import inspect
from typing import Any

from sqlalchemy.dialects.postgresql import ENUM

from alembic_live.internals import Internal, imported, require

LIBRARY = "alembic-postgresql-enum"

# The operations that its comparison finds. Autogenerate asks before it loses values, writes those
# that are added without downtime, and escapes names.
_OPERATIONS = "alembic_postgresql_enum.operations"
(AddEnumValuesOp,) = imported(LIBRARY, f"{_OPERATIONS}.add_enum_values", "AddEnumValuesOp")
(SyncEnumValuesOp,) = imported(LIBRARY, f"{_OPERATIONS}.sync_enum_values", "SyncEnumValuesOp")
(CreateEnumOp,) = imported(LIBRARY, f"{_OPERATIONS}.create_enum", "CreateEnumOp")
(DropEnumOp,) = imported(LIBRARY, f"{_OPERATIONS}.drop_enum", "DropEnumOp")


def with_plain_class(type_: ENUM) -> ENUM:
    """The same type as SQLAlchemy's own: each comparison gives the types of a table a class of this
    library, which writes the same.
    """
    type_.__class__ = ENUM
    return type_


def _takes(operation: Any, *names: str) -> Internal:
    """Whether an operation has attributes: it names its arguments after them."""

    def is_there() -> bool:
        return set(names) <= inspect.signature(operation.__init__).parameters.keys()

    return Internal(LIBRARY, f"{operation.__name__}({', '.join(names)})", is_there)


require(
    [
        _takes(AddEnumValuesOp, "schema", "name", "old_values", "new_values", "affected_columns"),
        _takes(SyncEnumValuesOp, "schema", "name", "old_values", "new_values", "affected_columns"),
        _takes(CreateEnumOp, "schema", "name", "enum_values"),
        _takes(DropEnumOp, "schema", "name", "enum_values"),
    ]
)
