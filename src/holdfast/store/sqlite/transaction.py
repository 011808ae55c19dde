"""A write transaction lent to user code, which commits together with the step's checkpoint."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress

from holdfast.core.model import Checkpoint, Fence
from holdfast.errors import UsageError
from holdfast.store import rows
from holdfast.store.base import Conflict, Fenced
from holdfast.store.sqlite.connection import Connection
from holdfast.store.sqlite.faults import raise_mapped
from holdfast.store.sqlite.ledger import guarded_values
from holdfast.store.sqlite.writer import Writer


class SqliteTransaction:
    """See `holdfast.store.base.StoreTransaction`. Nobody else writes to the database while it is open."""

    def __init__(
        self, lend: Callable[[], AbstractContextManager[Connection]], writer: Writer, queries: Mapping[str, str]
    ) -> None:
        self._lend = lend
        self._lent: AbstractContextManager[Connection] | None = None
        self._connection: Connection | None = None
        self._writer = writer
        self._queries = queries
        self._open = False

    @property
    def connection(self) -> Connection:
        """The connection, inside the transaction."""
        if self._connection is None:
            raise UsageError("this transaction has not begun")
        return self._connection

    def begin(self, fence: Fence | None, step_id: str | None) -> Checkpoint | None:
        """Begin; see the protocol."""
        # One transaction at a time writes, so a connection is taken by the one whose turn it is: who waits, waits once.
        has_turn = self._writer.turns.is_mine  # another transaction of this thread's
        try:
            connection = self._writer.begin_with(self._borrow)
            self._open = True
        except BaseException:
            if not has_turn:
                self._writer.give_up(self._connection)
            raise
        try:
            # User code may attach databases of its own, and wait for their locks.
            connection.wait_for_locks(True)
            connection.lend()
            if fence is None:
                return None
            values = (step_id, fence.workflow_id, fence.epoch)
            held = connection.execute(self._queries["held_checkpoint"], values).fetchone()
            if held is None:
                raise Fenced(fence.workflow_id)
            return None if held[0] is None else rows.checkpoint(held)
        except sqlite3.Error as error:
            raise_mapped(error)
            raise

    def commit(self, fence: Fence | None, checkpoint: Checkpoint | None) -> None:
        """Write the checkpoint and commit; see the protocol. Raises `UsageError` if user code ended the transaction."""
        if not self._open:
            raise UsageError("this transaction has ended already")
        connection = self.connection
        if connection.rolled_back or not connection.in_transaction:
            raise UsageError(
                "the function ended the transaction itself, so that its writes can't be committed together with its "
                "outcome: leave COMMIT and ROLLBACK to @transaction, and raise an exception to roll back"
            )
        try:
            if fence is not None and checkpoint is not None:
                values = guarded_values(fence, checkpoint)
                if connection.execute(self._queries["insert_checkpoints"], values).rowcount != 1:
                    raise Conflict("the outcome of this step was recorded meanwhile")
            connection.take_back()
            self._writer.commit(connection)
        except sqlite3.Error as error:
            raise_mapped(error)
            raise
        self._open = False

    def rollback(self) -> None:
        """Roll back; never raises."""
        if self._open:
            self._open = False
            self.connection.take_back()
            self._writer.rollback(self.connection)

    def end(self, error: BaseException | None) -> None:
        """Roll back what is open, and give the connection back. Raises `StoreUnavailable` where `error` means that."""
        self.rollback()
        lent, self._lent = self._lent, None
        if lent is None:
            return
        # User code may have set it for its own rows; the next one to get this connection expects tuples.
        with suppress(sqlite3.Error):
            self.connection.row_factory = None
        lent.__exit__(type(error) if error is not None else None, error, None)

    def _borrow(self) -> Connection:
        if self._lent is None:
            lent = self._lend()
            self._connection = lent.__enter__()
            self._lent = lent
        return self.connection
