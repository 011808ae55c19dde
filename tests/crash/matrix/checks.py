"""What must hold after a kill and a recovery, held to the same story told undisturbed. Pure: facts in, faults out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]
"""What `process.tell` leaves."""
Log = Sequence[tuple[str, str]]
"""Passes of failpoints: label and idempotency key."""


def faults(undisturbed: Facts, recovered: Facts, after_kill: Log) -> list[str]:
    """Return everything that is wrong with a recovery; nothing, if all promises were kept."""
    return [
        *differences(undisturbed, recovered),
        *changed_history(recovered),
        *needless_runs(recovered, after_kill),
    ]


def differences(undisturbed: Facts, recovered: Facts) -> Iterator[str]:
    """Find what can be seen from outside that is not as it is without a kill: lost, duplicated, or stuck."""
    for what in ("seen", "statuses", "unread"):
        if undisturbed[what] != recovered[what]:
            yield f"{what}: {recovered[what]!r} instead of {undisturbed[what]!r}"
    for what in ("effects", "elsewhere"):
        expected: Counter[str] = Counter(undisturbed[what])
        found: Counter[str] = Counter(recovered[what])
        for name in sorted(expected.keys() | found.keys()):
            if found[name] < expected[name]:
                yield f"lost: the effect {name!r} is there {found[name]} times instead of {expected[name]}"
            if found[name] > expected[name]:
                yield f"duplicated: the effect {name!r} is there {found[name]} times instead of {expected[name]}"


def changed_history(recovered: Facts) -> Iterator[str]:
    """Find entries of the journals that the dead process left, and that are gone or different now."""
    for workflow_id, before in recovered["before"].items():
        now = {entry[0]: entry for entry in recovered["journals"].get(workflow_id, ())}
        for entry in before:
            if now.get(entry[0]) != entry:
                yield f"history: {workflow_id} had {entry!r}, and has {now.get(entry[0])!r}"


def needless_runs(recovered: Facts, after_kill: Log) -> Iterator[str]:
    """Find steps whose body ran again although the dead process had recorded their outcome."""
    recorded = {
        f"{workflow_id}:{entry[0]}" for workflow_id, journal in recovered["before"].items() for entry in journal
    }
    for key in sorted({key for label, key in after_kill if label == "step.before"} & recorded):
        yield f"run again: {key} was recorded before the kill"
