"""Writes about schedules. The rules are in holdfast.store.scheduling.

These writes have a transaction without others (see commit): it locks a schedule first, then that one's workflows.
"""

from __future__ import annotations

from holdfast.core.model import Fence, Kind, NewWorkflow, Status
from holdfast.core.overlap import Standing
from holdfast.core.schedule import ScheduleRecord
from holdfast.store import schedule_rows, scheduling
from holdfast.store.postgres import bulk, lifecycle
from holdfast.store.postgres.batch import Batch, Read
from holdfast.store.postgres.sql import text_array
from holdfast.store.schedule_writes import SCHEDULES, AdvanceSchedule, PauseSchedule, PutSchedule, RemoveSchedule
from holdfast.store.writes import Cancel, Create, Unit


def put(batch: Batch, _fence: Fence | None, write: PutSchedule) -> Read:
    """Define a schedule."""
    batch.news.add(SCHEDULES)
    result = scheduling.put(_Desk(batch), write)
    return lambda: result


def pause(batch: Batch, _fence: Fence | None, write: PauseSchedule) -> Read:
    """Pause a schedule or let it go on."""
    batch.news.add(SCHEDULES)
    result = scheduling.pause(_Desk(batch), write)
    return lambda: result


def remove(batch: Batch, _fence: Fence | None, write: RemoveSchedule) -> Read:
    """Remove a schedule."""
    result = scheduling.remove(_Desk(batch), write)
    return lambda: result


def advance(batch: Batch, _fence: Fence | None, write: AdvanceSchedule) -> Read:
    """Deal with ticks."""
    result = scheduling.advance(_Desk(batch), write)
    return lambda: result


class _Desk:
    """Reads lock what they read."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    @property
    def now(self) -> float:
        return self._batch.now

    def find(self, name: str) -> ScheduleRecord | None:
        found = self._batch.run("lock_schedule", name=name).fetchone()
        return None if found is None else schedule_rows.schedule(found)

    def insert(self, schedule: ScheduleRecord) -> bool:
        return self._batch.run("insert_schedule", **schedule_rows.schedule_values(schedule)).fetchone() is not None

    def update(self, schedule: ScheduleRecord) -> None:
        self._batch.run("update_schedule", **schedule_rows.schedule_values(schedule))

    def delete(self, name: str) -> None:
        self._batch.run("delete_schedule", name=name)

    def standing(self, workflow_id: str) -> Standing | None:
        found = self._batch.run("lock_workflows", workflow_ids=text_array([workflow_id])).fetchone()
        if found is None:
            return None
        return Standing(workflow_id=workflow_id, status=Status(found[1]), epoch=found[2])

    def create(self, new: NewWorkflow) -> bool:
        batch = self._batch
        part = bulk.Part.of(Unit(writes=(Create(workflow=new),)))
        made = bulk.create(batch.run, *bulk.create_rows([part]), now=batch.now).fetchone() is not None
        batch.ready = batch.ready or (made and (new.wake_at is None or new.wake_at <= batch.now))
        return made

    def hold(self, workflow_id: str, behind: str) -> None:
        self._batch.run("hold_workflow", workflow_id=workflow_id, target_id=behind, kind=Kind.RESULT.value)

    def release(self, workflow_id: str) -> None:
        self._batch.run("release_held_workflow", workflow_id=workflow_id, now=self._batch.now)
        self._batch.ready = True

    def tell_workers(self) -> None:
        self._batch.ready = True

    def cancel(self, workflow_id: str) -> None:
        lifecycle.cancel(self._batch, None, Cancel(workflow_id=workflow_id))

    def terminate(self, workflow_id: str) -> None:
        lifecycle.terminate(self._batch, workflow_id)
