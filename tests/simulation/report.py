"""Tables: which fault met which primitive how often."""

from __future__ import annotations

from collections import Counter

from tests.simulation.plan import FAULTS, KINDS

SEEDS_OF_A_MEETING = 1000
"""The rarest pair of a fault and a kind of operation meets a few times in so many."""


def cells_table(cells: Counter[tuple[str, str]]) -> str:
    """Write, for each fault and each kind of operation, how often the one befell a process that was in the other."""
    lines = ["fault            " + " ".join(f"{kind[:6]:>6}" for kind in KINDS)]
    lines += [f"{fault:16} " + " ".join(f"{cells[fault, kind]:6}" for kind in KINDS) for fault in FAULTS]
    return "\n".join(lines)


def met(cells: Counter[tuple[str, str]], *, seeds: int) -> bool:
    """Tell whether each fault met each kind of operation, at least once in every thousand seeds."""
    return all(cells[fault, kind] >= max(1, seeds // SEEDS_OF_A_MEETING) for fault in FAULTS for kind in KINDS)
