"""Writes about schedules. The rules are in holdfast.store.scheduling."""

from __future__ import annotations

from holdfast.core.model import Kind, NewWorkflow, Status
from holdfast.core.overlap import Standing
from holdfast.core.schedule import ScheduleRecord
from holdfast.store import schedule_rows, scheduling
from holdfast.store.schedule_writes import (
    SCHEDULES,
    AdvanceSchedule,
    PauseSchedule,
    PutResult,
    PutSchedule,
    RemoveSchedule,
)
from holdfast.store.sqlite import lifecycle
from holdfast.store.sqlite.ledger import SUSPENDED, Ledger
from holdfast.store.writes import Cancel


def put(ledger: Ledger, write: PutSchedule) -> PutResult:
    """Define a schedule."""
    ledger.news.add(SCHEDULES)
    return scheduling.put(_Desk(ledger), write)


def pause(ledger: Ledger, write: PauseSchedule) -> bool:
    """Pause a schedule or let it go on."""
    ledger.news.add(SCHEDULES)
    return scheduling.pause(_Desk(ledger), write)


def remove(ledger: Ledger, write: RemoveSchedule) -> bool:
    """Remove a schedule."""
    return scheduling.remove(_Desk(ledger), write)


def advance(ledger: Ledger, write: AdvanceSchedule) -> bool:
    """Deal with ticks."""
    return scheduling.advance(_Desk(ledger), write)


class _Desk:
    """The write lock is held: nothing that was read can change."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def now(self) -> float:
        return self._ledger.now

    def find(self, name: str) -> ScheduleRecord | None:
        found = self._ledger.run("schedule", name=name)
        return schedule_rows.schedule(found[0]) if found else None

    def insert(self, schedule: ScheduleRecord) -> bool:
        return bool(self._ledger.change("insert_schedule", **schedule_rows.schedule_values(schedule)))

    def update(self, schedule: ScheduleRecord) -> None:
        self._ledger.change("update_schedule", **schedule_rows.schedule_values(schedule))

    def delete(self, name: str) -> None:
        self._ledger.change("delete_schedule", name=name)

    def standing(self, workflow_id: str) -> Standing | None:
        state = self._ledger.state(workflow_id)
        if state is None:
            return None
        return Standing(workflow_id=workflow_id, status=Status(state.status), epoch=state.epoch)

    def create(self, new: NewWorkflow) -> bool:
        return self._ledger.create(new).existing is None

    def hold(self, workflow_id: str, behind: str) -> None:
        ledger = self._ledger
        ledger.change("hold_workflow", workflow_id=workflow_id)
        ledger.change("insert_wait", workflow_id=workflow_id, target_id=behind, kind=Kind.RESULT.value, name="")
        if state := ledger.state(workflow_id):
            state.status = SUSPENDED

    def release(self, workflow_id: str) -> None:
        self._ledger.wake([workflow_id])

    def tell_workers(self) -> None:
        self._ledger.ready = True

    def cancel(self, workflow_id: str) -> None:
        lifecycle.cancel(self._ledger, Cancel(workflow_id=workflow_id))

    def terminate(self, workflow_id: str) -> None:
        lifecycle.terminate(self._ledger, workflow_id)
