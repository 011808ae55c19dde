"""The writes that a batch has by the hundred, as one statement each: creations, checkpoints, outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg

from holdfast.core.model import NewWorkflow, Status
from holdfast.store.base import Create, Finish, Record, Unit
from holdfast.store.postgres.sql import Columns, columns, number_array, text_array
from holdfast.store.rows import checkpoint_values

Run = Callable[..., psycopg.Cursor[Any]]
Row = tuple[Any, ...]

_INFOS: Columns = {
    "id": text_array,
    "version": text_array,
    "input": text_array,
    "input_digest": text_array,
    "request_id": text_array,
    "parent_id": text_array,
    "created_at": number_array,
    "deadline_at": number_array,
    "traceparent": text_array,
    "fence_id": text_array,
    "fence_epoch": number_array,
}
_WORKFLOWS: Columns = {
    "id": text_array,
    "request_id": text_array,
    "name": text_array,
    "status": text_array,
    "owner": text_array,
    "epoch": number_array,
    "wake_at": number_array,
    "queue": text_array,
    "priority": number_array,
}
_CHECKPOINTS: Columns = {
    "epoch": number_array,
    "held_status": text_array,
    "request_id": text_array,
    "workflow_id": text_array,
    "step_id": text_array,
    "branch": text_array,
    "name": text_array,
    "kind": text_array,
    "seq": number_array,
    "digest": text_array,
    "output": text_array,
    "error": text_array,
    "attempts": number_array,
    "attempt_errors": text_array,
    "started_at": number_array,
    "finished_at": number_array,
}
_OUTCOMES: Columns = {
    "workflow_id": text_array,
    "epoch": number_array,
    "held_status": text_array,
    "request_id": text_array,
    "status": text_array,
    "output": text_array,
    "error": text_array,
}
_FINISHED: Columns = {"workflow_id": text_array, "epoch": number_array, "request_id": text_array, "status": text_array}


def own_creation(unit: Unit) -> NewWorkflow | None:
    """Return the workflow that the unit creates and writes to, if it does."""
    if unit.fence is not None:
        for write in unit.writes:
            if isinstance(write, Create) and write.workflow.workflow_id == unit.fence.workflow_id:
                return write.workflow
    return None


def finish_of(unit: Unit) -> Finish | None:
    """Return the unit's Finish, if it has one."""
    return next((write for write in unit.writes if isinstance(write, Finish)), None)


def first_epoch(new: NewWorkflow) -> int:
    """Tell the epoch in which a workflow is created."""
    return 0 if new.owner is None else 1


class Plan:
    """What the units of a batch have in common, found in one pass over them."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._fences = Counter(unit.fence.workflow_id for unit in units if unit.fence)
        self._own = {id(unit): new for unit in units if (new := own_creation(unit))}
        created = set()
        plain = True
        for unit in units:
            for write in unit.writes:
                if isinstance(write, Create):
                    created.add(write.workflow.workflow_id)
                elif not isinstance(write, Record | Finish):
                    plain = False
        self.creates = bool(created)
        self.fenced = sorted(self._fences)
        others = {unit.fence.workflow_id for unit in units if unit.fence and id(unit) not in self._own}
        self.needs_no_answers = plain and created.isdisjoint(others)
        """Nothing has to be read before the commit: each statement can tell by itself which rows it may write."""

    def own(self, unit: Unit) -> NewWorkflow | None:
        """Return the workflow that the unit creates and writes to, if it does."""
        return self._own.get(id(unit))

    def create_rows(self, units: Iterable[Unit]) -> tuple[list[Row], list[Row]]:
        """Return the rows of workflow_info and of workflows for all creations in the units, by id."""
        infos: list[Row] = []
        workflows: list[Row] = []
        for unit in units:
            for write in unit.writes:
                if isinstance(write, Create):
                    infos.append(self._info(unit, write.workflow))
                    workflows.append(self._workflow(unit, write.workflow))
        # In one order everywhere: two processes that create the same ids would else wait for one another.
        infos.sort(key=_first)
        workflows.sort(key=_first)
        return infos, workflows

    def record_rows(self, units: Iterable[Unit]) -> list[Row]:
        """Return the journal's new rows, with the fence of each."""
        found: list[Row] = []
        for unit in units:
            if unit.fence is not None:
                fence = (unit.fence.epoch, self._held_status(unit), self._request_id(unit))
                workflow_id = unit.fence.workflow_id
                found += [
                    fence + checkpoint_values(workflow_id, write.checkpoint)
                    for write in unit.writes
                    if isinstance(write, Record)
                ]
        return found

    def finish_rows(self, units: Iterable[Unit]) -> tuple[list[Row], list[Row]]:
        """Return the rows of outcomes, and those of workflows that have to be updated for them."""
        outcomes: list[Row] = []
        updates: list[Row] = []
        for unit in units:
            finish = finish_of(unit)
            if finish is None or unit.fence is None:
                continue
            workflow_id, epoch = unit.fence.workflow_id, unit.fence.epoch
            request_id, status = self._request_id(unit), finish.status.value
            held = self._held_status(unit)
            outcomes.append((workflow_id, epoch, held, request_id, status, finish.output, finish.error))
            if held != status:
                updates.append((workflow_id, epoch, request_id, status))
        return outcomes, updates

    def _held_status(self, unit: Unit) -> str:
        """Return the status that the unit's workflow has when its checkpoints and outcome are written.

        One that is created and ended by the same unit is inserted as ended, which saves its row a second version.
        """
        if self.needs_no_answers and unit.fence and self._fences[unit.fence.workflow_id] == 1 and self.own(unit):
            finish = finish_of(unit)
            if finish is not None:
                return finish.status.value
        return Status.RUNNING.value

    def _request_id(self, unit: Unit) -> str | None:
        own = self.own(unit)
        return own.request_id if own else None

    def _info(self, unit: Unit, new: NewWorkflow) -> Row:
        is_own = self.own(unit) is new
        return (
            new.workflow_id,
            new.version,
            new.input,
            new.input_digest,
            new.request_id,
            new.parent_id,
            new.created_at,
            new.deadline_at,
            new.traceparent,
            unit.fence.workflow_id if unit.fence and not is_own else None,
            unit.fence.epoch if unit.fence and not is_own else None,
        )

    def _workflow(self, unit: Unit, new: NewWorkflow) -> Row:
        if new.owner is None:
            status = Status.ENQUEUED.value
        else:
            status = self._held_status(unit) if self.own(unit) is new else Status.RUNNING.value
        return (
            new.workflow_id,
            new.request_id,
            new.name,
            status,
            new.owner if status == Status.RUNNING.value else None,
            first_epoch(new),
            new.wake_at,
            new.queue,
            new.priority,
        )


def create(run: Run, infos: Sequence[Row], workflows: Sequence[Row], now: float | None) -> psycopg.Cursor[Any]:
    """Queue creations; the cursor gives (id, request_id) of those that are new."""
    made = run("insert_workflow_infos", **columns(_INFOS, infos))
    run("insert_workflows", now=now, **columns(_WORKFLOWS, workflows))
    return made


def record(run: Run, checkpoints: Sequence[Row]) -> None:
    """Queue checkpoints."""
    if checkpoints:
        run("insert_checkpoints", **columns(_CHECKPOINTS, checkpoints))


def finish(run: Run, outcomes: Sequence[Row], updates: Sequence[Row], now: float | None) -> None:
    """Queue outcomes."""
    if outcomes:
        run("insert_outcomes", now=now, **columns(_OUTCOMES, outcomes))
    if updates:
        run("finish_workflows", **columns(_FINISHED, updates))


def _first(row: Row) -> str:
    return row[0]  # type: ignore[no-any-return]  # a row of text
