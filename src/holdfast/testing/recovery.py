"""What must hold of every recovery, whatever the program: facts in, faults out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Journals = Mapping[str, Sequence[Sequence[Any]]]
"""By workflow id, its journal's entries; each begins with the step's id."""
Log = Sequence[tuple[str, str]]
"""Passes of failpoints: label and idempotency key."""


def changed_history(before: Journals, now: Journals) -> Iterator[str]:
    """Find entries that a dead process left, and that are gone or different now."""
    for workflow_id, journal in before.items():
        entries = {entry[0]: entry for entry in now.get(workflow_id, ())}
        for entry in journal:
            if entries.get(entry[0]) != entry:
                yield f"history: {workflow_id} had {entry!r}, and has {entries.get(entry[0])!r}"


def needless_runs(before: Journals, after_kill: Log) -> Iterator[str]:
    """Find steps whose body ran again although the dead process had recorded their outcome."""
    recorded = {f"{workflow_id}:{entry[0]}" for workflow_id, journal in before.items() for entry in journal}
    for key in sorted({key for label, key in after_kill if label == "step.before"} & recorded):
        yield f"run again: {key} was recorded before the kill"


def uncounted(expected: Iterable[str], found: Iterable[str]) -> Iterator[str]:
    """Find effects that are there more or less often than without a kill."""
    wanted, there = Counter(expected), Counter(found)
    for name in sorted(wanted.keys() | there.keys()):
        if there[name] < wanted[name]:
            yield f"lost: the effect {name} is there {_times(there[name])} instead of {_times(wanted[name])}"
        if there[name] > wanted[name]:
            yield f"duplicated: the effect {name} is there {_times(there[name])} instead of {_times(wanted[name])}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
