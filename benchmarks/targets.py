"""What Holdfast means to reach, each as a comparison of figures that were measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.plan import DBOS, EITHER, FLOOR, HOLDFAST, MODES, STORES
from benchmarks.results import Key, Results, shown

Value = Callable[[Results, str, str], float | None]
"""The value for a store and a mode."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One figure with its limit."""

    text: str
    value: Value
    limit: float
    at_least: bool = False
    stores: tuple[str, ...] = STORES
    modes: tuple[str, ...] = MODES
    unit: str = ""

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A target for one store and mode, with what was measured."""

    target: Target
    store: str
    mode: str
    value: float

    @property
    def limit(self) -> str:
        return f"{'≥' if self.target.at_least else '≤'} {shown(self.target.limit)}{self.target.unit}"

    @property
    def measured(self) -> str:
        return f"{shown(self.value)}{self.target.unit}"

    @property
    def met(self) -> bool:
        return self.target.is_met(self.value)


def _mine(workload: str, store: str, mode: str) -> Key:
    return workload, store, HOLDFAST.name, mode


def figure(workload: str, name: str) -> Value:
    """Take a figure of Holdfast's as it is."""
    return lambda results, store, mode: results.median(_mine(workload, store, mode), name)


def times(workload: str, contender: str) -> Value:
    """Take Holdfast's rate divided by another's; DBOS's is that of the same mode."""

    def value(results: Results, store: str, mode: str) -> float | None:
        other = (workload, store, contender, EITHER if contender == FLOOR.name else mode)
        return results.ratio(_mine(workload, store, mode), other, "per_second")

    return value


def beyond_two_commits(results: Results, store: str, mode: str) -> float | None:
    """Take what a workflow takes, less 0.3 ms, divided by what two commits take."""
    mine = results.median(_mine("1", store, mode), "p50_ms")
    floor = results.median(("1", store, FLOOR.name, EITHER), "p50_ms")
    return None if mine is None or floor is None else (mine - 0.3) / floor


def grown(workload: str) -> Value:
    """Take the rate in a full database as a part of that in an empty one."""
    return lambda results, store, mode: results.ratio(
        _mine(workload, store, mode), _mine("10a", store, mode), "per_second"
    )


def per_second(workload: str, name: str) -> Value:
    """Take a figure a minute as one a second."""

    def value(results: Results, store: str, mode: str) -> float | None:
        found = results.median(_mine(workload, store, mode), name)
        return None if found is None else found / 60

    return value


_S, _P = ("sqlite",), ("postgres",)
_SYNC, _ASYNC = ("sync",), ("async",)

TARGETS = (
    Target(text="1: less 0.3 ms, times two plain commits", value=beyond_two_commits, limit=1.6, unit=" times"),
    Target(text="2: of the floor's commits", value=times("2", FLOOR.name), limit=0.85, at_least=True, unit=" times"),
    Target(
        text="3: times DBOS",
        value=times("3", DBOS.name),
        limit=50,
        at_least=True,
        stores=_S,
        modes=_ASYNC,
        unit=" times",
    ),
    Target(
        text="3: times DBOS",
        value=times("3", DBOS.name),
        limit=30,
        at_least=True,
        stores=_P,
        modes=_ASYNC,
        unit=" times",
    ),
    Target(text="3: times DBOS", value=times("3", DBOS.name), limit=15, at_least=True, modes=_SYNC, unit=" times"),
    Target(text="4: times DBOS", value=times("4", DBOS.name), limit=15, at_least=True, unit=" times"),
    Target(text="5, 16 at once: times DBOS", value=times("5b", DBOS.name), limit=15, at_least=True, unit=" times"),
    Target(text="6, in process: median", value=figure("6a", "p50_ms"), limit=2, stores=_S, unit=" ms"),
    Target(text="6, in process: median", value=figure("6a", "p50_ms"), limit=3, stores=_P, unit=" ms"),
    Target(text="6, across processes: median", value=figure("6b", "p50_ms"), limit=25, stores=_S, unit=" ms"),
    Target(text="8: all done", value=figure("8", "seconds"), limit=5, unit=" s"),
    Target(text="9: memory of one that waits, 100,000", value=figure("9f", "bytes_each"), limit=2000, unit=" bytes"),
    Target(text="10: beside 1 million, of empty", value=grown("10b"), limit=0.9, at_least=True, unit=" times"),
    Target(text="10: beside 10 million, of empty", value=grown("10c"), limit=0.9, at_least=True, unit=" times"),
    Target(text="12: import", value=figure("12a", "import_ms"), limit=100, modes=(EITHER,), unit=" ms"),
    Target(text="12: idle, of a core", value=figure("12b", "cpu_percent"), limit=1, modes=_SYNC, unit=" %"),
    Target(
        text="12: idle, queries a second",
        value=per_second("12b", "queries_per_minute"),
        limit=2,
        modes=_SYNC,
    ),
)


def lines(results: Results) -> Iterator[Line]:
    """Yield what was measured of the targets."""
    for target in TARGETS:
        for store in target.stores:
            for mode in target.modes:
                value = target.value(results, store, mode)
                if value is not None:
                    yield Line(target=target, store=store, mode=mode, value=value)
