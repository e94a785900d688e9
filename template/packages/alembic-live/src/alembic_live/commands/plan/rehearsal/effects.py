"""What a statement does to relations, as Postgres shows it while the statement runs."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

BTREE = "btree"


class RelationName(NamedTuple):
    """The full name of a table, view, index or sequence."""

    schema: str
    name: str


class LockMode(IntEnum):
    """A mode of relation locks. A stronger mode has a greater value.

    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    def __str__(self) -> str:
        return self.name.replace("_", " ")

    @property
    def blocks_reads(self) -> bool:
        """Whether a SELECT waits for it."""
        return self is LockMode.ACCESS_EXCLUSIVE

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE wait for it."""
        return self >= LockMode.SHARE

    @property
    def blocks(self) -> str:
        """What other sessions cannot do while the lock is held; empty for weak modes."""
        if self.blocks_reads:
            return "reading and writing"
        if self.blocks_writes:
            return "writing"
        return "writing the same rows" if self is LockMode.ROW_EXCLUSIVE else ""


class WorkKind(StrEnum):
    """Work whose duration grows with the number of rows."""

    READS = "reads"  # all rows once: a check, SET NOT NULL, a partition that is attached
    REWRITES = "rewrites"  # the table and all its indexes
    BUILDS = "builds an index of"
    COMPARES = "compares"  # the rows of a table with those that its foreign key references
    CHANGES = "changes rows of"  # INSERT, UPDATE, DELETE, MERGE
    FILLS = "fills"  # a materialized view, from its query


@dataclass(frozen=True, slots=True)
class Work:
    """Work on one table.

    Attributes:
        kind: what is done.
        table: the table.
        index: the index that is built.
        other: the table that a foreign key references.
        is_selective: whether a condition chooses the rows, so that it may be few.
        method: that of the index.
    """

    kind: WorkKind
    table: RelationName
    index: RelationName | None = None
    other: RelationName | None = None
    is_selective: bool = False
    method: str = BTREE


@dataclass(frozen=True, slots=True)
class TakenLock:
    """A lock that a statement takes or makes stronger. It is held until the transaction ends.

    A lock on an index counts for its table too: a query that is planned locks every index.

    Attributes:
        relation: what is locked.
        mode: how.
        kind: as in pg_class.relkind: r, p, v, m, i, I, S, f.
        table: the table of an index or of the sequence of a column, else the relation itself.
        parent: the partitioned table of a partition.
        is_new: whether the plan has created the relation.
    """

    relation: RelationName
    mode: LockMode
    kind: str
    table: RelationName
    parent: RelationName | None = None
    is_new: bool = False
