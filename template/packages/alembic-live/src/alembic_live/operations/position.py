"""How far an operation in batches is, in a table beside the version table.

A batch and its note are one statement. When Alembic records the revision, the notes are deleted in
the same transaction. So each batch is applied once, whenever a run is killed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from alembic import op
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from alembic_live.internals.alembic import when_recorded
from alembic_live.operations.non_transactional import execute, first_row
from alembic_live.postgres.relations import PROGRESS
from alembic_live.sql.quoting import identifier


@dataclass(slots=True)
class Position:
    """How far one operation is.

    Attributes:
        table: the table of the notes, in SQL.
        step: the operation.
        key: that of the last row that is done; None at the start.
        seen: the number of rows up to there.
        changed: how many of them have changed.
    """

    table: str
    step: str
    key: list[str] | None
    seen: int
    changed: int

    @classmethod
    def of(cls, operation: str) -> Self:
        """The position of an operation of the revision that runs now.

        Args:
            operation: what it does, in SQL. A revision that was corrected starts over.
        """
        migration = op.get_context()
        table = identifier(migration.version_table_schema, PROGRESS)
        before = ",".join(sorted(migration.get_current_heads()))
        step = f"{migration.version_table} {before} {sha256(operation.encode()).hexdigest()[:16]}"
        execute(
            f"CREATE TABLE IF NOT EXISTS {table} (step text PRIMARY KEY, key text[],"
            " seen bigint NOT NULL, changed bigint NOT NULL)"
        )
        when_recorded(migration, _forget)
        find = text(
            f"INSERT INTO {table} AS old VALUES (:step, NULL, 0, 0) ON CONFLICT (step)"
            " DO UPDATE SET seen = old.seen RETURNING key, seen, changed"
        )
        row = first_row(find, step=step)
        assert row is not None
        return cls(table, step, row.key, row.seen, row.changed)

    def advance(self, change: str, key: list[str], number: int, values: Mapping[str, Any]) -> None:
        """Run a batch.

        Args:
            change: the statement, with its parameters.
            key: that of the last row of the batch.
            number: how many rows it looks at.
            values: the values of the parameters.
        """
        statement = text(
            f"WITH alembic_live_changed AS ({change} RETURNING 1) UPDATE {self.table} SET"
            " key = CAST(:key AS text[]), seen = seen + :number,"
            " changed = changed + (SELECT count(*) FROM alembic_live_changed)"
            " WHERE step = :step RETURNING seen, changed"
        )
        row = first_row(statement, key=key, number=number, step=self.step, **values)
        assert row is not None
        self.key, self.seen, self.changed = key, row.seen, row.changed


def _forget(migration: MigrationContext) -> None:
    """Delete the notes of the version table, in the transaction that records the revision."""
    assert migration.connection is not None
    table = identifier(migration.version_table_schema, PROGRESS)
    mine = text(f"DELETE FROM {table} WHERE starts_with(step, :prefix)")
    migration.connection.execute(mine, {"prefix": f"{migration.version_table} "})
    if not migration.connection.scalar(text(f"SELECT count(*) FROM {table}")):
        migration.connection.execute(text(f"DROP TABLE {table}"))
