"""A transaction lent to user code, which commits together with the step's checkpoint.

Nothing is locked while user code runs: another process may take the workflow over meanwhile, and then the commit is
refused. See insert_fenced_checkpoint.
"""

from __future__ import annotations

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
from holdfast.store.postgres.pipeline import Pipeline, Statements, forget_prepared

ISOLATION_LEVELS = {
    "read committed": psycopg.IsolationLevel.READ_COMMITTED,
    "repeatable read": psycopg.IsolationLevel.REPEATABLE_READ,
    "serializable": psycopg.IsolationLevel.SERIALIZABLE,
}
_BEGIN = {
    None: "begin_default",
    "read committed": "begin",
    "repeatable read": "begin_repeatable_read",
    "serializable": "begin_serializable",
}

_ENDED_BY_USER = (
    "the function ended the transaction itself, so that its writes can't be committed together with its "
    "outcome: leave COMMIT and ROLLBACK to @transaction, and raise an exception to roll back"
)


class PostgresTransaction:
    """See `holdfast.store.base.StoreTransaction`. States: new, open after `begin`, ended."""

    def __init__(self, connection: psycopg.Connection, statements: Statements, isolation: str | None) -> None:
        """Take a connection. Nothing is sent yet."""
        self._connection, self._statements = connection, statements
        self._begin = _BEGIN[None if isolation is None else isolation.lower()]
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
        try:
            return self._try_to_begin(fence, step_id)
        except psycopg.errors.InvalidSqlStatementName:
            # User code has thrown away all that was prepared in this session.
            return self._try_to_begin(fence, step_id)

    def _try_to_begin(self, fence: Fence | None, step_id: str | None) -> Checkpoint | None:
        holds = recorded = None
        with driver_errors(self._connection), Pipeline(self._connection).open() as pipeline:
            pipeline.run(self._statements[self._begin], {})
            begun = pipeline.run(self._statements["transaction_began"], {})
            if fence is not None:
                fenced = {"workflow_id": fence.workflow_id, "epoch": fence.epoch}
                holds = pipeline.run(self._statements["fence"], fenced)
                if step_id is not None:
                    step = {"workflow_id": fence.workflow_id, "step_id": step_id}
                    recorded = pipeline.run(self._statements["checkpoint"], step)
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
                with Pipeline(self._connection).open() as pipeline:
                    if fence is not None and checkpoint is not None:
                        values = checkpoint_parameters(fence.workflow_id, checkpoint)
                        values |= {"epoch": fence.epoch, "begun_at": self._begun_at}
                        pipeline.run(self._statements["insert_fenced_checkpoint"], values)
                    pipeline.run(self._statements["commit"], {})
            except psycopg.errors.InvalidSqlStatementName:
                raise Conflict("user code has thrown away all that was prepared in this session") from None
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
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            # The driver throws away all that is prepared.
            forget_prepared(self._connection)
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
        self._try_to_begin(fence, None)
        raise UsageError(_ENDED_BY_USER)

    def _is_about_journal(self, error: psycopg.Error) -> bool:
        return (
            error.diag.table_name == "journal"
            and f'"{error.diag.schema_name}"'.encode() in self._statements["journal"].text
        )
