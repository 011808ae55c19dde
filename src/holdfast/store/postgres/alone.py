"""Commits of one small unit, in one statement or two where `commit` takes seven."""

from __future__ import annotations

from holdfast.core.model import Checkpoint, Fence, Kind, NewWorkflow
from holdfast.store.alone import Alone
from holdfast.store.postgres.batch import Batch
from holdfast.store.postgres.exchanges import CHECKPOINT, checkpoint_parameters
from holdfast.store.postgres.sql import text_array
from holdfast.store.writes import Committed, Created, Finish, Receipt


class PostgresAlone(Alone):
    """See `holdfast.store.alone`."""

    __slots__ = ("_batch",)

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def record(self, fence: Fence, checkpoint: Checkpoint) -> Committed | None:
        """Write one checkpoint in one statement, with a look at the fence."""
        with self._batch.pipeline.open():
            values = checkpoint_parameters(fence.workflow_id, checkpoint)
            held = self._batch.run("record_alone", epoch=fence.epoch, **values).fetchone()
        if held is None:
            return None
        return Committed(receipts=[Receipt(accepted=True, results=(None,), cancel_requested=held[0] is not None)])

    def create(self, new: NewWorkflow) -> Committed | None:
        """Create a workflow in one statement."""
        with self._batch.pipeline.open():
            made = self._batch.run(
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

    def finish(self, fence: Fence, checkpoint: Checkpoint | None, finish: Finish) -> Committed | None:
        """Write the outcome in one statement, and wake who waited for it."""
        workflow_id = fence.workflow_id
        values = dict.fromkeys(CHECKPOINT) if checkpoint is None else checkpoint_parameters(workflow_id, checkpoint)
        values.update(
            workflow_id=workflow_id,
            epoch=fence.epoch,
            status=finish.status.value,
            result=finish.output,
            failure=finish.error,
            now=self._batch.clock_now,
        )
        with self._batch.pipeline.open():
            self._batch.run("begin")
            ended = self._batch.run("finish_alone", **values)
            # Not in the same statement: that one may wait for somebody who is about to wait for this workflow, and sees
            # the database as it was before.
            woken = self._batch.run(
                "wake_workflows",
                now=self._batch.clock_now,
                target_id=text_array((workflow_id,)),
                kind=text_array((Kind.RESULT.value,)),
                name=text_array(("",)),
            )
            self._batch.run("commit")
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
