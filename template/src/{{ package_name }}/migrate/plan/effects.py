"""Locks on tables, and the work that is done while they are held."""

from enum import IntEnum, StrEnum
from typing import NamedTuple

from .statements import Name


class Mode(IntEnum):
    """A lock on a table, the stronger the greater."""

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
    def blocks(self) -> str:
        """What others cannot do meanwhile; empty where they notice nothing."""
        if self is Mode.ACCESS_EXCLUSIVE:
            return "reading and writing"
        if self >= Mode.SHARE:
            return "writing"
        return "writing the same rows" if self is Mode.ROW_EXCLUSIVE else ""


class Work(StrEnum):
    """What takes the longer the more rows there are."""

    READS = "reads"
    CHANGES = "changes rows of"
    REWRITES = "rewrites"
    MAY_REWRITE = "may rewrite"


class Effect(NamedTuple):
    """The lock that a statement takes on one table, and its work there."""

    table: Name
    mode: Mode
    work: Work | None = None


class Rule(NamedTuple):
    """What the statements of one synopsis do to `<table>`, `<tables>` or the table of `<index>`, and to
    `<other>`. Without a mode, nothing.
    """

    synopsis: str
    mode: Mode | None = None
    work: Work | None = None
    other: Mode | None = None
    other_work: Work | None = None
