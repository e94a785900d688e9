"""Two things timed in turns: a noisy machine disturbs both alike, and a median forgets the rest."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Measured:
    """Medians, in seconds."""

    ours: float
    other: float

    @property
    def ratio(self) -> float:
        """How much of the other's time ours takes."""
        return self.ours / self.other


def alternately(
    ours: Callable[[], object],
    other: Callable[[], object],
    rounds: int,
    *,
    before: Callable[[], object] = lambda: None,
) -> Measured:
    """Time both in turns, after one run of each that does not count. `before` comes before each
    turn and is not timed.
    """
    times = []
    for _ in range(rounds + 1):
        before()
        times.append((seconds(ours), seconds(other)))
    del times[0]
    return Measured(median(time for time, _ in times), median(time for _, time in times))


def seconds(run: Callable[[], object]) -> float:
    """How long one run takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
