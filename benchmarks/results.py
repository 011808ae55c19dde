"""What was measured, run by run, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Self

from benchmarks.plan import EITHER, FLOOR, HOLDFAST, Case, Workload

Key = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of one driver."""

    workload: str
    store: str
    contender: str
    mode: str
    count: int
    round: int
    figures: dict[str, float]

    @classmethod
    def of(cls, case: Case, number: int, figures: dict[str, float]) -> Self:
        return cls(
            workload=case.workload.id,
            store=case.store,
            contender=case.contender.name,
            mode=case.mode,
            count=case.count,
            round=number,
            figures=figures,
        )

    @property
    def key(self) -> Key:
        return self.workload, self.store, self.contender, self.mode


class Results:
    """All runs; what is compared is always of the same round."""

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self._runs: dict[Key, dict[int, Run]] = {}
        for run in runs:
            self.add(run)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls(Run(**each) for each in json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """Write all runs to a file."""
        path.write_text(json.dumps([asdict(run) for run in self], indent=0), encoding="utf-8")

    def __iter__(self) -> Iterator[Run]:
        for runs in self._runs.values():
            yield from runs.values()

    def add(self, run: Run) -> None:
        self._runs.setdefault(run.key, {})[run.round] = run

    def forget(self, key: Key) -> None:
        """Drop earlier runs of a case."""
        self._runs.pop(key, None)

    def keys(self, workload: str, store: str) -> list[Key]:
        """Return who ran a workload on a store."""
        return [key for key in self._runs if key[:2] == (workload, store)]

    def count(self, key: Key) -> int:
        """Return how many of whatever is counted each run did."""
        return next(iter(self._runs[key].values())).count

    def rounds(self, key: Key) -> int:
        return len(self._runs.get(key, {}))

    def median(self, key: Key, figure: str) -> float | None:
        """Return the median of a figure over the rounds."""
        values = [run.figures[figure] for run in self._runs.get(key, {}).values() if figure in run.figures]
        return median(values) if values else None

    def ratio(self, key: Key, other: Key, figure: str) -> float | None:
        """Return the median, over the rounds, of a figure divided by another contender's in the same round."""
        mine, others = self._runs.get(key, {}), self._runs.get(other, {})
        ratios = [
            mine[number].figures[figure] / others[number].figures[figure]
            for number in mine.keys() & others.keys()
            if figure in mine[number].figures and others[number].figures.get(figure)
        ]
        return median(ratios) if ratios else None

    def speed(self, workload: Workload, key: Key, other: Key) -> float | None:
        """Return how many times as fast as `other` it is."""
        figure = workload.figure
        return self.ratio(other, key, figure.name) if figure.fewer_is_better else self.ratio(key, other, figure.name)

    def against_floor(self, workload: Workload, key: Key) -> float | None:
        """Return the speed as a part of the floor's."""
        return self.speed(workload, key, (key[0], key[1], FLOOR.name, EITHER))

    def holdfast_against(self, workload: Workload, key: Key) -> float | None:
        """Return how many times as fast as this one Holdfast is, in the same mode."""
        return self.speed(workload, (key[0], key[1], HOLDFAST.name, key[3]), key)


def shown(value: float | None, digits: int = 3) -> str:
    """Write a number with so many significant digits, thousands apart."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    decimals = max(0, digits - whole)
    return f"{round(value, decimals - max(0, whole - digits)):,.{decimals}f}"
