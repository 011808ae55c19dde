"""The writes that a batch has by the hundred, as one statement each: creations, checkpoints, receives, outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from holdfast.core.data import dataclass
from holdfast.core.model import NewWorkflow, Status
from holdfast.store.postgres.pipeline import Rows
from holdfast.store.postgres.sql import Columns, columns, number_array, text_array
from holdfast.store.rows import checkpoint_values
from holdfast.store.writes import Consume, Create, Finish, Record, Unit

Run = Callable[..., Rows]
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
    "timeout": number_array,
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
    "partition_key": text_array,
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
_CONSUMED: Columns = {
    "epoch": number_array,
    "held_status": text_array,
    "workflow_id": text_array,
    "message_id": text_array,
    "step_id": text_array,
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
_FINISHED: Columns = {
    "workflow_id": text_array,
    "epoch": number_array,
    "held_status": text_array,
    "request_id": text_array,
    "status": text_array,
}


@dataclass(slots=True)
class Part:
    """A unit, with what has to be known of it again and again."""

    unit: Unit
    workflow_id: str | None
    epoch: int
    own: NewWorkflow | None
    """The workflow that the unit creates and writes to."""
    finish: Finish | None
    creates: bool
    is_plain: bool
    """It has no other writes than Create, Record, Consume and Finish."""
    held_status: str = Status.RUNNING.value
    """What its workflow's row says while its checkpoints and its outcome are written."""

    @classmethod
    def of(cls, unit: Unit) -> Part:
        """Look through a unit once."""
        workflow_id, epoch = (None, 0) if unit.fence is None else (unit.fence.workflow_id, unit.fence.epoch)
        own = finish = None
        creates, is_plain = False, True
        for write in unit.writes:
            kind = type(write)
            if kind is Record:
                continue
            if isinstance(write, Create):
                creates = True
                if write.workflow.workflow_id == workflow_id:
                    own = write.workflow
            elif isinstance(write, Finish):
                finish = write
            elif kind is not Consume:
                is_plain = False
        return cls(unit, workflow_id, epoch, own, finish, creates, is_plain)

    @property
    def request_id(self) -> str | None:
        """Names the creation that its writes belong to, if it is its own."""
        return None if self.own is None else self.own.request_id


def first_epoch(new: NewWorkflow) -> int:
    """Tell the epoch in which a workflow is created."""
    return 0 if new.owner is None else 1


class Plan:
    """What the units of a batch have in common, found in one pass over them."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.parts = [Part.of(unit) for unit in units]
        fences = Counter(part.workflow_id for part in self.parts if part.workflow_id is not None)
        self.fenced = sorted(fences)
        self.creates = any(part.creates for part in self.parts)
        self.needs_no_answers = all(part.is_plain for part in self.parts) and not self._waits_for_creation()
        """Nothing has to be read before the commit: each statement can tell by itself which rows it may write."""
        if self.needs_no_answers:
            for part in self.parts:
                if part.own is not None and part.finish is not None and fences[part.own.workflow_id] == 1:
                    # Inserted as ended, which saves its row a second version.
                    part.held_status = part.finish.status.value

    def _waits_for_creation(self) -> bool:
        """Tell whether a unit relies on a workflow that another unit of the batch creates."""
        if not self.creates:
            return False
        created = {
            write.workflow.workflow_id
            for part in self.parts
            if part.creates
            for write in part.unit.writes
            if isinstance(write, Create)
        }
        return any(part.own is None and part.workflow_id in created for part in self.parts)


def create_rows(parts: Iterable[Part]) -> tuple[list[Row], list[Row]]:
    """Return the rows of workflow_info and of workflows for all creations, by id."""
    infos: list[Row] = []
    workflows: list[Row] = []
    for part in parts:
        if part.creates:
            for write in part.unit.writes:
                if isinstance(write, Create):
                    infos.append(_info(part, write.workflow))
                    workflows.append(_workflow(part, write.workflow))
    # In one order everywhere: two processes that create the same ids would else wait for one another.
    infos.sort(key=_first)
    workflows.sort(key=_first)
    return infos, workflows


def record_rows(parts: Iterable[Part]) -> list[Row]:
    """Return the journal's new rows, with the fence of each."""
    return [
        (part.epoch, part.held_status, part.request_id, *checkpoint_values(part.workflow_id, write.checkpoint))
        for part in parts
        if part.workflow_id is not None
        for write in part.unit.writes
        if isinstance(write, Record)
    ]


def consume_rows(parts: Iterable[Part]) -> list[Row]:
    """Return the messages that were received, with the fence of each."""
    return [
        (part.epoch, part.held_status, part.workflow_id, write.message_id, write.step_id)
        for part in parts
        for write in part.unit.writes
        if isinstance(write, Consume)
    ]


def finish_rows(parts: Iterable[Part]) -> tuple[list[Row], list[Row]]:
    """Return the rows of outcomes, and those of workflows that have to be updated for them."""
    outcomes: list[Row] = []
    updates: list[Row] = []
    for part in parts:
        if part.finish is None or part.workflow_id is None:
            continue
        status, request_id, finish = part.finish.status.value, part.request_id, part.finish
        row = (part.workflow_id, part.epoch, part.held_status, request_id, status, finish.output, finish.error)
        outcomes.append(row)
        if part.held_status != status:
            updates.append((part.workflow_id, part.epoch, part.held_status, request_id, status))
    return outcomes, updates


def _info(part: Part, new: NewWorkflow) -> Row:
    is_own = part.own is new
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
        new.timeout,
        None if is_own else part.workflow_id,
        None if is_own or part.workflow_id is None else part.epoch,
    )


def _workflow(part: Part, new: NewWorkflow) -> Row:
    if new.owner is None:
        status = Status.ENQUEUED.value
    else:
        status = part.held_status if part.own is new else Status.RUNNING.value
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
        new.partition or None,
    )


def create(run: Run, infos: Sequence[Row], workflows: Sequence[Row], now: float | None) -> Rows:
    """Queue creations; the cursor gives (id, request_id) of those that are new."""
    made = run("insert_workflow_infos", **columns(_INFOS, infos))
    run("insert_workflows", now=now, **columns(_WORKFLOWS, workflows))
    return made


def record(run: Run, checkpoints: Sequence[Row]) -> None:
    """Queue checkpoints."""
    if checkpoints:
        run("insert_checkpoints", **columns(_CHECKPOINTS, checkpoints))


def consume(run: Run, consumed: Sequence[Row]) -> None:
    """Queue the consumption of messages."""
    if consumed:
        run("consume_messages", **columns(_CONSUMED, consumed))


def finish(run: Run, outcomes: Sequence[Row], updates: Sequence[Row], now: float | None) -> None:
    """Queue outcomes."""
    if outcomes:
        run("insert_outcomes", now=now, **columns(_OUTCOMES, outcomes))
    if updates:
        run("finish_workflows", **columns(_FINISHED, updates))


def _first(row: Row) -> str:
    return row[0]  # type: ignore[no-any-return]  # a row of text
