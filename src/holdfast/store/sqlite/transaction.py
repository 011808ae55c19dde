"""A write transaction lent to user code, which commits together with the step's checkpoint."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress

from holdfast.core.model import Checkpoint, Fence
from holdfast.errors import UsageError
from holdfast.store import rows
from holdfast.store.base import Conflict, Fenced
from holdfast.store.sqlite.connection import Connection
from holdfast.store.sqlite.faults import raise_mapped
from holdfast.store.sqlite.writer import Writer


class SqliteTransaction:
    """See `holdfast.store.base.StoreTransaction`. Nobody else writes to the database while it is open."""

    def __init__(self, connection: Connection, writer: Writer, queries: Mapping[str, str]) -> None:
        self._connection = connection
        self._writer = writer
        self._queries = queries
        self._open = False

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, inside the transaction."""
        return self._connection

    def begin(self, fence: Fence | None, step_id: str | None) -> Checkpoint | None:
        """Begin; see the protocol."""
        connection = self._connection
        self._writer.begin(connection)
        self._open = True
        try:
            # User code may attach databases of its own, and wait for their locks.
            connection.execute("PRAGMA busy_timeout = 5000")
            connection.waits = True
            connection.lend()
            if fence is None:
                return None
            if connection.execute(self._queries["held_workflow"], (fence.workflow_id, fence.epoch)).fetchone() is None:
                raise Fenced(fence.workflow_id)
            if step_id is None:
                return None
            values = {"workflow_id": fence.workflow_id, "step_id": step_id}
            recorded = connection.execute(self._queries["checkpoint"], values).fetchall()
            return rows.checkpoint(recorded[0]) if recorded else None
        except sqlite3.Error as error:
            raise_mapped(error)
            raise

    def commit(self, fence: Fence | None, checkpoint: Checkpoint | None) -> None:
        """Write the checkpoint and commit; see the protocol. Raises `UsageError` if user code ended the transaction."""
        if not self._open:
            raise UsageError("this transaction has ended already")
        if self._connection.rolled_back or not self._connection.in_transaction:
            raise UsageError(
                "the function ended the transaction itself, so that its writes can't be committed together with its "
                "outcome: leave COMMIT and ROLLBACK to @transaction, and raise an exception to roll back"
            )
        try:
            if fence is not None and checkpoint is not None:
                values = (*rows.checkpoint_values(fence.workflow_id, checkpoint), fence.workflow_id, fence.epoch)
                if self._connection.execute(self._queries["insert_checkpoints"], values).rowcount != 1:
                    raise Conflict("the outcome of this step was recorded meanwhile")
            self._connection.take_back()
            self._writer.commit(self._connection)
        except sqlite3.Error as error:
            raise_mapped(error)
            raise
        self._open = False

    def rollback(self) -> None:
        """Roll back; never raises."""
        if self._open:
            self._open = False
            self._connection.take_back()
            self._writer.rollback(self._connection)
        self._tidy()

    def _tidy(self) -> None:
        # User code may have set it for its own rows; the next one to get this connection expects tuples.
        with suppress(sqlite3.Error):
            self._connection.row_factory = None
