"""What operators ask of a database: how much of what is in it, who waits for what, and whether it is set up well.

Plain frozen data, made by a store's `overview`, `waits`, `workers` and `inspect`.
"""

from __future__ import annotations

from enum import StrEnum

from holdfast.core.data import dataclass
from holdfast.core.model import Status, WorkerRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """The workflows that are enqueued in one queue and may start now."""

    queue: str
    """Its name; the empty text for workflows started without a queue."""
    depth: int
    oldest_at: float | None
    """Since when the one that is due longest may start; None if all were given back by a worker, and go first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """How many workflows stand where, at one moment. Those that have ended are not counted: there may be very many."""

    now: float
    counts: dict[Status, int]
    """Of every status that is not terminal, zeros included."""
    lines: tuple[Line, ...]
    workers: tuple[WorkerRecord, ...]
    """Those that are alive, or were when they were last heard of."""


class Verdict(StrEnum):
    """What to make of a fact."""

    FINE = "fine"
    WARNING = "warning"
    """Works, but something is lost: safety, speed, or a way to recover."""
    WRONG = "wrong"
    """Holdfast can't work, or data may be lost."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """Something about a database or a program, and what to do about it."""

    name: str
    value: str
    verdict: Verdict = Verdict.FINE
    advice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What a look at a database tells, without changing anything in it."""

    schema: int | None
    """The migration that was applied last; 0 if there is none, or no database; None if this user may not look."""
    known_schema: int
    """The newest migration that this version of Holdfast has."""
    facts: tuple[Fact, ...]
