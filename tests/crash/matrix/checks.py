"""What must hold after a kill and a recovery, held to the same story told undisturbed. Pure: facts in, faults out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.testing.recovery import Log, changed_history, needless_runs, uncounted

Facts = Mapping[str, Any]
"""What `process.tell` leaves."""


def faults(undisturbed: Facts, recovered: Facts, after_kill: Log) -> list[str]:
    """Return everything that is wrong with a recovery; nothing, if all promises were kept."""
    return [
        *differences(undisturbed, recovered),
        *changed_history(recovered["before"], recovered["journals"]),
        *needless_runs(recovered["before"], after_kill),
    ]


def differences(undisturbed: Facts, recovered: Facts) -> Iterator[str]:
    """Find what can be seen from outside that is not as it is without a kill: lost, duplicated, or stuck."""
    for what in ("seen", "statuses", "unread"):
        if undisturbed[what] != recovered[what]:
            yield f"{what}: {recovered[what]!r} instead of {undisturbed[what]!r}"
    for what in ("effects", "elsewhere"):
        yield from uncounted(undisturbed[what], recovered[what])
