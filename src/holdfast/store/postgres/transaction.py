"""A transaction lent to user code, which commits together with the step's checkpoint.

Nothing is locked while user code runs: another process may take the workflow over meanwhile, and then the commit is
refused. See insert_fenced_checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from holdfast.core.model import Checkpoint, Fence
from holdfast.errors import UsageError
from holdfast.store import rows
from holdfast.store.base import Conflict, Fenced
from holdfast.store.postgres.exchanges import checkpoint_parameters
from holdfast.store.postgres.faults import driver_errors

ISOLATION_LEVELS = {
    "read committed": psycopg.IsolationLevel.READ_COMMITTED,
    "repeatable read": psycopg.IsolationLevel.REPEATABLE_READ,
    "serializable": psycopg.IsolationLevel.SERIALIZABLE,
}


_ENDED_BY_USER = (
    "the function ended the transaction itself, so that its writes can't be committed together with its "
    "outcome: leave COMMIT and ROLLBACK to @transaction, and raise an exception to roll back"
)


class PostgresTransaction:
    """See `holdfast.store.base.StoreTransaction`. States: new, open after `begin`, ended."""

    def __init__(self, connection: psycopg.Connection, queries: Mapping[str, bytes], isolation: str | None) -> None:
        """Take a connection. Its first statement will begin the transaction."""
        self._connection, self._queries = connection, queries
        connection.autocommit = False
        connection.isolation_level = None if isolation is None else ISOLATION_LEVELS[isolation.lower()]
        self._open = False
        self._begun_at: object = None
        """When the server began the transaction: another one, that user code began, has another time."""

    @property
    def connection(self) -> psycopg.Connection:
        """The connection, inside the transaction."""
        return self._connection

    def begin(self, fence: Fence | None, step_id: str | None) -> Checkpoint | None:
        """Begin; see the protocol."""
        self._open = True
        with driver_errors(self._connection), self._connection.pipeline():
            begun = self._run("transaction_began")
            holds = None if fence is None else self._run("fence", workflow_id=fence.workflow_id, epoch=fence.epoch)
            recorded = None
            if fence is not None and step_id is not None:
                recorded = self._run("checkpoint", workflow_id=fence.workflow_id, step_id=step_id)
            ((self._begun_at,),) = begun
        if fence is None or holds is None:
            return None
        if holds.fetchone() != (True,):
            raise Fenced(fence.workflow_id)
        found = None if recorded is None else recorded.fetchone()
        return None if found is None else rows.checkpoint(found)

    def commit(self, fence: Fence | None, checkpoint: Checkpoint | None) -> None:
        """Write the checkpoint and commit; see the protocol. Raises `UsageError` if user code ended the transaction."""
        if not self._open:
            raise UsageError("this transaction has ended already")
        self._require_open_transaction()
        with driver_errors(self._connection):
            try:
                with self._connection.pipeline():
                    if fence is not None and checkpoint is not None:
                        values = checkpoint_parameters(fence.workflow_id, checkpoint)
                        self._run("insert_fenced_checkpoint", epoch=fence.epoch, begun_at=self._begun_at, **values)
                    self._run("commit")
            except psycopg.errors.NotNullViolation as error:
                if fence is None or not self._is_about_journal(error):
                    raise
                self._explain_refusal(fence)
            except psycopg.errors.UniqueViolation as error:
                if not self._is_about_journal(error):
                    raise
                raise Conflict("the outcome of this step was recorded meanwhile") from None
        self._open = False

    def rollback(self) -> None:
        """Roll back; never raises."""
        self._open = False
        try:
            self._connection.rollback()
        except psycopg.Error:
            self._connection.close()

    def end(self) -> None:
        """Roll back what is open, and take back what user code may have set on the connection; never raises."""
        self.rollback()
        if not self._connection.closed:
            self._connection.autocommit = True
            self._connection.isolation_level = None
            self._connection.row_factory = tuple_row

    def _require_open_transaction(self) -> None:
        status = self._connection.info.transaction_status
        if status == TransactionStatus.INERROR:
            raise UsageError(
                "a statement of the function failed and the function went on, but PostgreSQL commits nothing after "
                "that: let the error pass, or put the statement into a savepoint (connection.transaction())"
            )
        if status == TransactionStatus.IDLE:
            raise UsageError(_ENDED_BY_USER)

    def _explain_refusal(self, fence: Fence) -> NoReturn:
        self._connection.rollback()
        if self._run("fence", workflow_id=fence.workflow_id, epoch=fence.epoch).fetchone() == (True,):
            raise UsageError(_ENDED_BY_USER)
        raise Fenced(fence.workflow_id)

    def _is_about_journal(self, error: psycopg.Error) -> bool:
        return error.diag.table_name == "journal" and f'"{error.diag.schema_name}"'.encode() in self._queries["journal"]

    def _run(self, query: str, /, **parameters: object) -> psycopg.Cursor[tuple[object, ...]]:
        # User code may have set another kind of rows for itself.
        return self._connection.cursor(row_factory=tuple_row).execute(self._queries[query], parameters)
