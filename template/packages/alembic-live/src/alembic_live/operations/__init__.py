"""Operations for revisions that change tables in use. Other sessions keep reading and writing.

Alembic's own operations are for new tables and for tables that no session uses. The operations here
commit what the revision did before and run outside its transaction. **Give them a revision that
contains nothing else**, as autogenerate does. Each operation can be repeated: if a run is killed,
run the revision again. An operation that does not get its lock releases what it holds and retries.
"""

from alembic_live.operations.columns import drop_not_null, set_not_null_concurrently
from alembic_live.operations.constraints import (
    create_check_constraint_concurrently,
    create_foreign_key_concurrently,
    create_unique_constraint_concurrently,
    drop_constraint_if_exists,
)
from alembic_live.operations.enums import add_enum_value
from alembic_live.operations.indexes import (
    create_index_concurrently,
    drop_index_concurrently,
)
from alembic_live.operations.rows import delete_in_batches, update_in_batches
from alembic_live.operations.sql import run_sql
from alembic_live.operations.types import SqlType

__all__ = [
    "SqlType",
    "add_enum_value",
    "create_check_constraint_concurrently",
    "create_foreign_key_concurrently",
    "create_index_concurrently",
    "create_unique_constraint_concurrently",
    "delete_in_batches",
    "drop_constraint_if_exists",
    "drop_index_concurrently",
    "drop_not_null",
    "run_sql",
    "set_not_null_concurrently",
    "update_in_batches",
]
