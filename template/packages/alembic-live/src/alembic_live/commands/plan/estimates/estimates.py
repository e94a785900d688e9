"""How long work on a table takes, as far as its size tells.

The rates are between those of a fast machine with the table in memory, measured with 2 million rows on
Postgres 18 (`benchmarks/estimates.py`), and those of a small cloud volume that other sessions use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from alembic_live.commands.plan.estimates.sizes import Sizes, TableSize
from alembic_live.commands.plan.rehearsal.effects import BTREE, RelationName, Work, WorkKind

_MB = 1_000_000


class Seconds(NamedTuple):
    """How long something takes, from and to."""

    low: float
    high: float

    def __str__(self) -> str:
        return describe(self)


class Rate(NamedTuple):
    """What a machine does in a second. The slower of the two decides."""

    rows: float
    bytes: float  # of the heap


Rates = tuple[Rate, Rate]  # a fast and a slow one


@dataclass(frozen=True, slots=True)
class Throughput:
    """The rates of a machine, a fast and a slow one for each kind of work.

    Attributes:
        rates: by kind of work, without the indexes that are built meanwhile.
        index_bytes: bytes of B-tree indexes that are built in a second.
        other_methods: how many times longer another index takes than a B-tree.
        tables: rates that were measured for a table, whose indexes they include.
    """

    rates: Mapping[WorkKind, Rates]
    index_bytes: tuple[float, float]
    other_methods: tuple[float, float] = (2, 40)
    tables: Mapping[RelationName, Mapping[WorkKind, Rates]] = field(default_factory=dict)

    def seconds(self, work: Work, sizes: Sizes) -> Seconds | None:
        """How long some work takes. None if the size of the table is unknown."""
        size = sizes.get(work.table)
        if size is None or size.rows is None:
            return None
        measured = self.tables.get(work.table, {})
        rates = measured.get(work.kind) or self.rates[work.kind]
        low, high = (_seconds(rate, size) for rate in rates)
        if work.kind is WorkKind.BUILDS and work.method != BTREE:
            low, high = low * self.other_methods[0], high * self.other_methods[1]
        if work.kind in (WorkKind.REWRITES, WorkKind.FILLS) and work.kind not in measured:
            fast, slow = self.index_bytes
            low, high = low + size.indexes / fast, high + size.indexes / slow
        if work.other and (other := sizes.get(work.other)):
            reads = self.tables.get(work.other, {}).get(WorkKind.READS, self.rates[WorkKind.READS])
            low, high = low + _seconds(reads[0], other), high + _seconds(reads[1], other)
        return Seconds(0 if work.is_selective else low, high)


def _seconds(rate: Rate, size: TableSize) -> float:
    return max((size.rows or 0) / rate.rows, size.heap / rate.bytes)


DEFAULT = Throughput(
    {
        WorkKind.READS: (Rate(16_000_000, 1600 * _MB), Rate(2_000_000, 100 * _MB)),
        WorkKind.COMPARES: (Rate(10_000_000, 1000 * _MB), Rate(600_000, 80 * _MB)),
        WorkKind.BUILDS: (Rate(3_000_000, 300 * _MB), Rate(250_000, 60 * _MB)),
        WorkKind.REWRITES: (Rate(1_500_000, 150 * _MB), Rate(150_000, 20 * _MB)),
        WorkKind.CHANGES: (Rate(1_500_000, 250 * _MB), Rate(20_000, 2.5 * _MB)),
        WorkKind.FILLS: (Rate(3_500_000, 350 * _MB), Rate(150_000, 20 * _MB)),
    },
    (70 * _MB, 10 * _MB),
)

_UNITS = ((3600, "h"), (60, "min"), (1, "s"))


def describe(seconds: Seconds) -> str:
    """For people: `under a second`, `up to 3 s`, `about 2–6 min`."""
    if seconds.high < 1:
        return "under a second"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds.high >= size)
    low, high = _rounded(seconds.low / size), _rounded(seconds.high / size)
    if low == high:
        return f"about {high} {unit}"
    if seconds.low < size / 2:
        smaller = next((s, u) for s, u in (*_UNITS, (0, "s")) if seconds.low >= s)
        if seconds.low < 1:
            return f"up to {high} {unit}"
        return f"about {_rounded(seconds.low / smaller[0])} {smaller[1]} to {high} {unit}"
    return f"about {low}–{high} {unit}"


def _rounded(number: float) -> str:
    """A number with one or two digits that mean something."""
    if number >= 10:
        return f"{round(number, -1) if number >= 100 else round(number):,.0f}"
    return f"{number:.1f}".removesuffix(".0") if number < 3 else f"{number:.0f}"
