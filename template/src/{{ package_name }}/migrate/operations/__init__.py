"""Operations for revisions that leave tables in use: others go on reading and writing meanwhile.

Alembic's own are for tables that are new, or that nobody uses. These commit what the revision
did before and then run outside of its transaction, so **put them into a revision of their own**,
as autogenerate does. Each can be repeated: a revision of them may be killed and run again. Each
gives up a lock that it does not get, and tries again.
"""

from .columns import drop_not_null, set_not_null_concurrently
from .constraints import (
    create_check_constraint_concurrently,
    create_foreign_key_concurrently,
    create_unique_constraint_concurrently,
    drop_constraint_if_exists,
)
from .enums import add_enum_value
from .indexes import create_index_concurrently, drop_index_concurrently
from .sql import run_sql

__all__ = [
    "add_enum_value",
    "create_check_constraint_concurrently",
    "create_foreign_key_concurrently",
    "create_index_concurrently",
    "create_unique_constraint_concurrently",
    "drop_constraint_if_exists",
    "drop_index_concurrently",
    "drop_not_null",
    "run_sql",
    "set_not_null_concurrently",
]
