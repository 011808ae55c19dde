"""What the engine can write about schedules: to define them, to pause and remove them, and to deal with their ticks."""

from __future__ import annotations

from enum import StrEnum

from holdfast.core.data import dataclass
from holdfast.core.model import NewWorkflow
from holdfast.core.schedule import ScheduleRecord

SCHEDULES = "holdfast/schedules"
"""Stands among the news for any schedule's definition."""


class Put(StrEnum):
    """What a definition is meant for."""

    CREATE = "create"
    """A new schedule; the same definition again is fine."""
    CHANGE = "change"
    """A schedule that is there."""
    DECLARE = "declare"
    """Either, by the decorator in the code."""


class PutResult(StrEnum):
    """What became of a definition."""

    WRITTEN = "written"
    """By this very request, now or in a lost try."""
    SAME = "same"
    """It was there already, word for word."""
    CONFLICT = "conflict"
    """The name belongs to another definition."""
    UNKNOWN = "unknown"
    """There is none to change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PutSchedule:
    """Define a schedule. Result: `PutResult`.

    Its `revision` names the request. Of a schedule that is there the history stays: whether it is paused, its counters,
    its workflows, and its next tick too unless the timing changes.
    """

    schedule: ScheduleRecord
    mode: Put


@dataclass(frozen=True, kw_only=True, slots=True)
class PauseSchedule:
    """Pause a schedule, or let it go on with the tick at `next_at`. Result: bool, whether there is one."""

    name: str
    paused: bool
    next_at: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoveSchedule:
    """Remove a schedule; its workflows stay. Result: bool, whether there was one."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AdvanceSchedule:
    """Deal with the ticks up to `last_at`: start their workflows by the overlap policy and move on to `next_at`.

    All in one, and only if the schedule still has this `revision`, is not paused and waits for the tick at
    `expected_at`, which has come by the database's clock; else nothing happens. So each tick is dealt with once,
    whatever number of workers try. A workflow whose id is taken is left as it is.
    Result: bool, whether this very request (`tick_id`) did it, now or in a lost try.
    """

    name: str
    revision: str
    tick_id: str
    expected_at: float
    workflows: tuple[NewWorkflow, ...]
    """One for each tick to be started, oldest first."""
    last_at: float
    next_at: float | None
    missed: int = 0


ScheduleWrite = PutSchedule | PauseSchedule | RemoveSchedule | AdvanceSchedule
SCHEDULE_WRITES = (PutSchedule, PauseSchedule, RemoveSchedule, AdvanceSchedule)
