"""How writes about schedules are carried out, the same on both databases: what differs is a `Desk`."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from holdfast.core.model import NewWorkflow
from holdfast.core.overlap import Standing, plan
from holdfast.core.schedule import ScheduleRecord
from holdfast.store.schedule_writes import (
    AdvanceSchedule,
    PauseSchedule,
    Put,
    PutResult,
    PutSchedule,
    RemoveSchedule,
)


class Desk(Protocol):
    """The database inside one write transaction, as far as schedules need it."""

    @property
    def now(self) -> float:
        """The database's time."""

    def find(self, name: str) -> ScheduleRecord | None:
        """Read a schedule, and keep others from writing it until the commit."""

    def insert(self, schedule: ScheduleRecord) -> bool:
        """Write a new row; false if somebody else has just made one of that name."""

    def update(self, schedule: ScheduleRecord) -> None:
        """Write a row that was found."""

    def delete(self, name: str) -> None:
        """Remove a row."""

    def standing(self, workflow_id: str) -> Standing | None:
        """Read how a workflow stands, and keep it from changing until the commit."""

    def create(self, new: NewWorkflow) -> bool:
        """Create an enqueued workflow; false if its id is taken."""

    def hold(self, workflow_id: str, behind: str) -> None:
        """Suspend a workflow that was just created until another one's outcome is recorded."""

    def release(self, workflow_id: str) -> None:
        """Enqueue a workflow that is held."""

    def tell_workers(self) -> None:
        """Say that there may be work, which the lost reply of a former try did not."""

    def cancel(self, workflow_id: str) -> None:
        """Ask for a workflow's cancellation, and its descendants'."""

    def terminate(self, workflow_id: str) -> None:
        """End a workflow and its descendants as cancelled, in a new epoch, so that who runs them writes no more."""


def put(desk: Desk, write: PutSchedule) -> PutResult:
    """Define a schedule."""
    found = desk.find(write.schedule.name)
    result = _judge(found, write)
    if result is PutResult.WRITTEN and found is None:
        if desk.insert(replace(write.schedule, created_at=desk.now, updated_at=desk.now)):
            return result
        found = desk.find(write.schedule.name)
        result = _judge(found, write)
    if result is PutResult.WRITTEN and found is not None and found.revision != write.schedule.revision:
        desk.update(_redefined(found, write.schedule, desk.now))
    return result


def _judge(found: ScheduleRecord | None, write: PutSchedule) -> PutResult:
    wanted = write.schedule
    if found is None:
        return PutResult.UNKNOWN if write.mode is Put.CHANGE else PutResult.WRITTEN
    if found.revision == wanted.revision:
        return PutResult.WRITTEN
    if found.definition == wanted.definition and (found.declared or not wanted.declared):
        return PutResult.SAME
    return PutResult.CONFLICT if write.mode is Put.CREATE else PutResult.WRITTEN


def _redefined(found: ScheduleRecord, wanted: ScheduleRecord, now: float) -> ScheduleRecord:
    return replace(
        wanted,
        declared=wanted.declared or found.declared,
        paused=found.paused,
        # A definition that ticks as before has not missed what came while nobody was there.
        next_at=found.next_at if found.timing == wanted.timing else wanted.next_at,
        last_at=found.last_at,
        current_id=found.current_id,
        held_id=found.held_id,
        tick_id=found.tick_id,
        started=found.started,
        skipped=found.skipped,
        missed=found.missed,
        created_at=found.created_at,
        updated_at=now,
    )


def pause(desk: Desk, write: PauseSchedule) -> bool:
    """Pause a schedule or let it go on."""
    found = desk.find(write.name)
    if found is not None and found.paused != write.paused:
        next_at = found.next_at if write.paused else write.next_at
        desk.update(replace(found, paused=write.paused, next_at=next_at, updated_at=desk.now))
    return found is not None


def remove(desk: Desk, write: RemoveSchedule) -> bool:
    """Remove a schedule. One that is held behind another goes on with it."""
    found = desk.find(write.name)
    if found is not None:
        desk.delete(write.name)
    return found is not None


def advance(desk: Desk, write: AdvanceSchedule) -> bool:
    """Deal with ticks."""
    found = desk.find(write.name)
    if found is None:
        return False
    if found.tick_id == write.tick_id:
        desk.tell_workers()
        return True
    is_expected = found.revision == write.revision and found.next_at == write.expected_at and not found.paused
    if not is_expected or write.expected_at > desk.now:
        return False
    for new in write.workflows:
        found = _start(desk, found, new)
    desk.update(
        replace(
            found,
            next_at=write.next_at,
            last_at=write.last_at,
            tick_id=write.tick_id,
            missed=found.missed + write.missed,
        )
    )
    return True


def _start(desk: Desk, schedule: ScheduleRecord, new: NewWorkflow) -> ScheduleRecord:
    """Deal with one tick; return the schedule with its place taken."""
    if desk.standing(new.workflow_id) is not None:
        # Backfilled, or started by a schedule of this name before: there is nothing that others would make room for.
        return schedule
    current, held = (each and desk.standing(each) for each in (schedule.current_id, schedule.held_id))
    todo = plan(schedule.overlap, current or None, held or None)
    if todo.release is not None:
        desk.release(todo.release)
    for workflow_id in todo.cancel:
        desk.cancel(workflow_id)
    for workflow_id in todo.terminate:
        desk.terminate(workflow_id)
    settled = replace(schedule, current_id=todo.current_id, held_id=todo.held_id)
    if todo.skip:
        return replace(settled, skipped=schedule.skipped + 1)
    desk.create(new)
    settled = replace(settled, started=schedule.started + 1)
    # One that was cancelled before it began has ended by now.
    other = None if todo.behind is None else desk.standing(todo.behind)
    if other is None or not other.goes_on:
        return replace(settled, current_id=new.workflow_id)
    desk.hold(new.workflow_id, other.workflow_id)
    return replace(settled, held_id=new.workflow_id)
