"""What one process measures of itself: commits, their size and duration, the duration of steps.

Made only where metrics are asked for. All is counted by whoever writes a batch, one at a time, so that nothing is
locked and no workflow waits for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from holdfast.core.model import Kind
from holdfast.store.writes import Record, Unit

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LONG_SECONDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)


class Histogram:
    """Counts observations by their size. One thread observes, any may read."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """How many were at most each bound, and beyond the bound before; the last: beyond all."""
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, int]]:
        """Return (upper bound, how many up to it), as Prometheus has them."""
        counted, rows = 0, []
        for bound, count in zip([*map(repr, self.bounds), "+Inf"], list(self.counts), strict=True):
            counted += count
            rows.append((bound, counted))
        return rows


class Measures:
    """The committer's observer."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.commits = 0
        self.units = 0
        self.commit_seconds = Histogram(SECONDS)
        self.commit_units = Histogram(SIZES)
        self.step_seconds = {Kind.STEP: Histogram(LONG_SECONDS), Kind.TRANSACTION: Histogram(LONG_SECONDS)}
        self._began: float | None = None

    def begins(self) -> None:
        """Take note that a batch is about to be written."""
        self._began = self._monotonic()

    def committed(self, units: Sequence[Unit]) -> None:
        """Count a batch, and the steps in it."""
        if self._began is not None:
            self.commit_seconds.observe(self._monotonic() - self._began)
        self._began = None
        self.commits += 1
        self.units += len(units)
        self.commit_units.observe(len(units))
        for unit in units:
            for write in unit.writes:
                if isinstance(write, Record) and write.checkpoint.kind in self.step_seconds:
                    checkpoint = write.checkpoint
                    self.step_seconds[checkpoint.kind].observe(max(checkpoint.finished_at - checkpoint.started_at, 0.0))

    def writing_for(self) -> float:
        """Tell for how many seconds the batch that is being written has been; 0 if there is none."""
        began = self._began
        return 0.0 if began is None else self._monotonic() - began
