"""The arithmetic of estimates, how people read them, and the file with the sizes."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from alembic_live.commands.plan.estimates.calibration import FASTER, GROWTH, SLOWER, rates_for
from alembic_live.commands.plan.estimates.estimates import DEFAULT, Rate, Seconds, describe
from alembic_live.commands.plan.estimates.sizes import TableSize
from alembic_live.commands.plan.estimates.statistics_file import as_file, read_statistics
from alembic_live.commands.plan.rehearsal.effects import RelationName, Work, WorkKind
from alembic_live.errors import ConfigurationError

ORDERS, USERS = RelationName("public", "orders"), RelationName("sales", 'us"ers.x')


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0, 0, "under a second"),
        (0.2, 0.99, "under a second"),
        (0.2, 3, "up to 3 s"),
        (20, 60, "about 20 s to 1 min"),
        (20, 59, "about 20–59 s"),
        (120, 360, "about 2–6 min"),
        (4, 360, "about 4 s to 6 min"),
        (0, 360, "up to 6 min"),
        (3600, 10_800, "about 1–3 h"),
        (600, 10_800, "about 10 min to 3 h"),
        (90, 91, "about 1.5 min"),
        (360_000, 3_600_000, "about 100–1,000 h"),
    ],
)
def test_people_read_a_range(low: float, high: float, text: str) -> None:
    assert describe(Seconds(low, high)) == text


@pytest.mark.parametrize("kind", WorkKind)
def test_an_estimate_has_an_uncertainty_and_grows(kind: WorkKind) -> None:
    work = Work(kind, ORDERS)
    small, large = (
        DEFAULT.seconds(work, {ORDERS: TableSize(10**power, 10 ** (power + 2), 10 ** (power + 1))})
        for power in (6, 7)
    )
    assert small
    assert large
    assert small.high > 3 * small.low
    assert large.high > 9 * small.high


def test_measured_rates_replace_those_of_their_kind_with_the_indexes() -> None:
    sizes = {ORDERS: TableSize(1000, 100_000, 10**12)}
    rates = Rate(100, 1e9), Rate(50, 1e9)
    measured = replace(DEFAULT, tables={ORDERS: {WorkKind.REWRITES: rates}})
    assert measured.seconds(Work(WorkKind.REWRITES, ORDERS), sizes) == (10, 20)
    reads = Work(WorkKind.READS, ORDERS)
    assert measured.seconds(reads, sizes) == DEFAULT.seconds(reads, sizes)
    assert measured.seconds(Work(WorkKind.READS, USERS), sizes) is None


def test_a_measurement_is_extrapolated_with_more_uncertainty() -> None:
    made = TableSize(100_000, 10_000_000, 0)
    same = rates_for([1.0], made, made, sorts=False)
    assert same == (Rate(100_000 * FASTER, 1e7 * FASTER), Rate(100_000 / SLOWER, 1e7 / SLOWER))
    larger = TableSize(10_000_000, 1_000_000_000, 0)
    fast, slow = rates_for([1.0, 2.0], made, larger, sorts=False)
    assert fast == same[0]
    assert math.isclose(slow.rows, 100_000 / SLOWER / 2 / GROWTH**2)
    sorting, _ = rates_for([1.0], made, larger, sorts=True)
    assert math.isclose(sorting.rows, same[0].rows * 5 / 7)  # n log n


def test_the_file_is_read_back_with_fewer_digits(tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    sizes = {USERS: TableSize(None, 0, 9), ORDERS: TableSize(41_234_567, 9_876_543_210, 1234)}
    path.write_text(as_file(sizes))
    assert read_statistics(path) == {
        ORDERS: TableSize(41_000_000, 9_900_000_000, 1200),
        USERS: TableSize(None, 0, 9),
    }
    grown = {**sizes, ORDERS: TableSize(41_300_000, 9_912_000_000, 1199)}
    assert as_file(grown) == path.read_text()  # no noise in diffs
    assert as_file(dict(reversed(sizes.items()))) == path.read_text()


TABLE = {"schema": "public", "name": "orders", "rows": 1, "heap": 1, "indexes": 1}
NO_SIZES: list[object] = [-1, "many", [], math.inf, math.nan]
WRONG: list[object] = [
    *(3, None, [], {}),
    *(TABLE | {key: value} for key in ("rows", "heap", "indexes") for value in NO_SIZES),
]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", "\x00", '"version"', '{"version": 1}', '{"version": 1, "tables": 3}'),
        *(json.dumps({"version": 1, "tables": [wrong]}) for wrong in WRONG),
        "[" * 100_000,
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "statistics.json"
    path.write_text(text)
    with pytest.raises(
        ConfigurationError, match=r"not what `db statistics` writes\. Write it again"
    ):
        read_statistics(path)
