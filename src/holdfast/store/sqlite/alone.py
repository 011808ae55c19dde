"""Commits of one small unit: a workflow's creation, one checkpoint, the last checkpoint with the outcome.

A workflow that runs by itself makes no others. Each takes fewer statements and less Python than the ledger, and has the
same effect. Its first statement holds only where there is nothing to look at more closely; where it does not, nothing
is written, and the ledger finds out why.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from holdfast.core.model import Checkpoint, Fence, NewWorkflow
from holdfast.store import rows
from holdfast.store.sqlite.ledger import Ledger, as_json, info_values
from holdfast.store.writes import Committed, Create, Created, Finish, Receipt, Record, Unit


class Alone:
    """The database inside one write transaction, for a batch of one unit."""

    __slots__ = ("_connection", "_now", "_queries")

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str], now: float) -> None:
        self._connection = connection
        self._queries = queries
        self._now = now

    def write(self, units: Sequence[Unit]) -> Committed | None:
        """Write a batch of one such unit; None, with nothing written, if it is no such unit or needs a closer look."""
        if len(units) != 1:
            return None
        [unit] = units
        match unit.fence, unit.writes:
            case Fence() as fence, (Record(checkpoint=checkpoint),):
                return self._record(fence, checkpoint)
            case Fence() as fence, (Record(checkpoint=checkpoint), Finish() as finish):
                return self._finish(fence, checkpoint, finish)
            case Fence() as fence, (Finish() as finish,):
                return self._finish(fence, None, finish)
            case Fence(workflow_id=workflow_id, epoch=1), (Create(workflow=new),) if new.workflow_id == workflow_id:
                return self._create(new)
            case _:
                return None

    def _holds(self, query: str, values: tuple[object, ...]) -> bool:
        return self._connection.execute(self._queries[query], values).rowcount == 1

    def _record(self, fence: Fence, checkpoint: Checkpoint) -> Committed | None:
        values = (*rows.checkpoint_values(fence.workflow_id, checkpoint), fence.workflow_id, fence.epoch)
        if not self._holds("record_alone", values):
            return None
        return Committed(receipts=[Receipt(accepted=True, results=(None,))])

    def _create(self, new: NewWorkflow) -> Committed | None:
        values = (new.workflow_id, new.name, new.owner, new.queue, new.priority, new.partition, new.owner)
        if new.owner is None or not self._holds("create_alone", values):
            return None
        self._connection.execute(self._queries["insert_workflow_infos"], info_values(new))
        return Committed(receipts=[Receipt(accepted=True, results=(Created(existing=None),))])

    def _finish(self, fence: Fence, checkpoint: Checkpoint | None, finish: Finish) -> Committed | None:
        connection, queries = self._connection, self._queries
        workflow_id, status = fence.workflow_id, finish.status.value
        if not self._holds("finish_alone", (status, workflow_id, fence.epoch)):
            return None
        if checkpoint is not None:
            values = (*rows.checkpoint_values(workflow_id, checkpoint), workflow_id, fence.epoch)
            connection.execute(queries["insert_checkpoints"], values)
        outcome = (workflow_id, status, finish.output, finish.error, self._now, workflow_id, fence.epoch)
        connection.execute(queries["insert_outcomes"], outcome)
        waiters = connection.execute(queries["outcome_waiters"], {"workflow_ids": as_json((workflow_id,))}).fetchall()
        ready = False
        if waiters:
            ledger = Ledger(connection, queries, self._now)
            ledger.wake(waiter for (waiter,) in waiters)
            ready = ledger.ready
        results = (None,) if checkpoint is None else (None, None)
        receipts = [Receipt(accepted=True, results=results)]
        return Committed(receipts=receipts, news=frozenset((workflow_id,)), ready=ready)
