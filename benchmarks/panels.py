"""What the plot shows: for each of the most telling workloads and each store, a bar for each contender."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.plan import CONTENDERS, STORES, WORKLOADS, Workload
from benchmarks.results import Results, shown

_SHOWN = {"1", "2", "3", "4", "5b", "6a"}


def panels(results: Results) -> list[dict[str, Any]]:
    """Return the plot's data."""
    return [
        {"title": f"{workload.title}: {_direction(workload)} ({store})", "bars": bars}
        for workload in WORKLOADS
        if workload.id in _SHOWN
        for store in STORES
        if (bars := list(_bars(results, workload, store)))
    ]


def _direction(workload: Workload) -> str:
    return f"{workload.figure.unit}, {'less' if workload.figure.fewer_is_better else 'more'} is better"


def _bars(results: Results, workload: Workload, store: str) -> Iterator[dict[str, Any]]:
    for key in results.keys(workload.id, store):
        value = results.median(key, workload.figure.name)
        if value is not None:
            label = CONTENDERS[key[2]].label
            yield {
                "label": f"{label}, {key[3]}" if key[3] else label,
                "contender": label,
                "value": value,
                "told": shown(value),
            }
