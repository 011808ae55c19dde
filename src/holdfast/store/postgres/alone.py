"""Commits of one small unit: a workflow's creation, one checkpoint, the last checkpoint with the outcome.

A workflow that runs by itself makes no others. Each is one statement or two where `commit` takes seven, and has the
same effect; where a condition does not hold it writes nothing, and `commit` finds out why.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.model import Checkpoint, Fence, Kind, NewWorkflow
from holdfast.store.postgres.batch import Batch
from holdfast.store.postgres.exchanges import CHECKPOINT, checkpoint_parameters
from holdfast.store.postgres.sql import text_array
from holdfast.store.writes import Committed, Create, Created, Finish, Receipt, Record, Unit


def commit_alone(batch: Batch, units: Sequence[Unit]) -> Committed | None:
    """Commit a batch of one such unit; None, with nothing written, if it is no such unit or does not stand."""
    if len(units) != 1:
        return None
    [unit] = units
    match unit.fence, unit.writes:
        case Fence() as fence, (Record(checkpoint=checkpoint),):
            return _record(batch, fence, checkpoint)
        case Fence() as fence, (Record(checkpoint=checkpoint), Finish() as finish):
            return _finish(batch, fence, checkpoint, finish)
        case Fence() as fence, (Finish() as finish,):
            return _finish(batch, fence, None, finish)
        case Fence(workflow_id=workflow_id, epoch=1), (Create(workflow=new),) if new.workflow_id == workflow_id:
            return None if new.owner is None else _create(batch, new)
        case _:
            return None


def _record(batch: Batch, fence: Fence, checkpoint: Checkpoint) -> Committed | None:
    with batch.pipeline.open():
        values = checkpoint_parameters(fence.workflow_id, checkpoint)
        held = batch.run("record_alone", epoch=fence.epoch, **values).fetchone()
    if held is None:
        return None
    return Committed(receipts=[Receipt(accepted=True, results=(None,), cancel_requested=held[0] is not None)])


def _create(batch: Batch, new: NewWorkflow) -> Committed | None:
    with batch.pipeline.open():
        made = batch.run(
            "create_alone",
            workflow_id=new.workflow_id,
            name=new.name,
            version=new.version,
            input=new.input,
            input_digest=new.input_digest,
            request_id=new.request_id,
            created_at=new.created_at,
            owner=new.owner,
            parent_id=new.parent_id,
            deadline_at=new.deadline_at,
            timeout=new.timeout,
            traceparent=new.traceparent,
            queue=new.queue,
            priority=new.priority,
            partition=new.partition,
        ).fetchone()
    if made is None:
        return None
    return Committed(receipts=[Receipt(accepted=True, results=(Created(existing=None),))])


def _finish(batch: Batch, fence: Fence, checkpoint: Checkpoint | None, finish: Finish) -> Committed | None:
    workflow_id = fence.workflow_id
    values = dict.fromkeys(CHECKPOINT) if checkpoint is None else checkpoint_parameters(workflow_id, checkpoint)
    values.update(
        workflow_id=workflow_id,
        epoch=fence.epoch,
        status=finish.status.value,
        result=finish.output,
        failure=finish.error,
        now=batch.clock_now,
    )
    with batch.pipeline.open():
        batch.run("begin")
        ended = batch.run("finish_alone", **values)
        # Not in the same statement: that one may wait for somebody who is about to wait for this workflow, and sees
        # the database as it was before.
        woken = batch.run(
            "wake_workflows",
            now=batch.clock_now,
            target_id=text_array((workflow_id,)),
            kind=text_array((Kind.RESULT.value,)),
            name=text_array(("",)),
        )
        batch.run("commit")
        held = ended.fetchone()
    if held is None:
        return None
    cancel_at, is_limited = held
    results = (None,) if checkpoint is None else (None, None)
    return Committed(
        receipts=[Receipt(accepted=True, results=results, cancel_requested=cancel_at is not None)],
        news=frozenset((workflow_id,)),
        ready=bool(is_limited) or woken.fetchone() is not None,
    )
