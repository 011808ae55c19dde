"""Commits of one small unit, with fewer statements and less Python than the ledger.

The first statement of each holds only where there is nothing to look at more closely.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from holdfast.core.model import Checkpoint, Fence, NewWorkflow
from holdfast.store.alone import Alone
from holdfast.store.sqlite.ledger import Ledger, guarded_values, info_values
from holdfast.store.writes import Committed, Created, Finish, Receipt


class SqliteAlone(Alone):
    """See `holdfast.store.alone`. The database is inside a write transaction."""

    __slots__ = ("_connection", "_now", "_queries")

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str], now: float) -> None:
        self._connection = connection
        self._queries = queries
        self._now = now

    def _holds(self, query: str, values: tuple[object, ...]) -> bool:
        return self._connection.execute(self._queries[query], values).rowcount == 1

    def record(self, fence: Fence, checkpoint: Checkpoint) -> Committed | None:
        """Write one checkpoint in one statement, with a look at the fence."""
        if not self._holds("record_alone", guarded_values(fence, checkpoint)):
            return None
        return Committed(receipts=[Receipt(accepted=True, results=(None,))])

    def create(self, new: NewWorkflow) -> Committed | None:
        """Create a workflow in two statements."""
        values = (new.workflow_id, new.name, new.owner, new.queue, new.priority, new.partition, new.owner)
        if not self._holds("create_alone", values):
            return None
        self._connection.execute(self._queries["insert_workflow_infos"], info_values(new))
        return Committed(receipts=[Receipt(accepted=True, results=(Created(existing=None),))])

    def finish(self, fence: Fence, checkpoint: Checkpoint | None, finish: Finish) -> Committed | None:
        """Write the outcome in three or four statements, and wake who waited for it."""
        connection, queries = self._connection, self._queries
        workflow_id, status = fence.workflow_id, finish.status.value
        if not self._holds("finish_alone", (status, workflow_id, fence.epoch)):
            return None
        if checkpoint is not None:
            connection.execute(queries["insert_checkpoints"], guarded_values(fence, checkpoint))
        outcome = (workflow_id, status, finish.output, finish.error, self._now, workflow_id, fence.epoch)
        connection.execute(queries["insert_outcomes"], outcome)
        ledger = Ledger(connection, queries, self._now)
        ledger.wake_waiters((workflow_id,))
        results = (None,) if checkpoint is None else (None, None)
        receipts = [Receipt(accepted=True, results=results)]
        return Committed(receipts=receipts, news=frozenset((workflow_id,)), ready=ledger.ready)
