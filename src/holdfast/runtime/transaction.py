"""Transactions: the application's writes and the step's checkpoint in one database transaction, exactly once.

    begin        lock the workflow's row in this epoch; look for the step's own outcome (an earlier commit may have gone
                 through although its reply was lost)
    body         user code, on the same connection
    commit       checkpoint and user's writes together

A serialization failure, a deadlock or a broken connection leads back to `begin`. A body that raises is rolled back and
its error recorded.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from holdfast import failpoints
from holdfast.core.data import dataclass
from holdfast.core.model import Checkpoint, Kind
from holdfast.core.replay import Operation
from holdfast.errors import StoreUnavailable
from holdfast.runtime.context import Frame, StepInfo, current, runner_here
from holdfast.runtime.control import Lost
from holdfast.runtime.databases import Database, SessionScope, current_scope
from holdfast.runtime.definitions import TransactionDefinition
from holdfast.runtime.effects import Flow, OffloadWhole, drive, drive_async
from holdfast.runtime.execution import Execution
from holdfast.runtime.recorded import encoded
from holdfast.runtime.signals import Signal
from holdfast.runtime.threads import run_coroutine
from holdfast.store.base import Conflict, Fenced

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine

log = logging.getLogger("holdfast.transaction")

FIRST_PAUSE, LAST_PAUSE = 0.01, 1.0


def run_transaction(
    engine: Engine, definition: TransactionDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Give the recorded outcome, or run the transaction in this thread. Raises what the body raised."""
    return drive(transaction_flow(engine, definition, args, kwargs))


async def run_transaction_async(
    engine: Engine, definition: TransactionDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Give the recorded outcome, or run the transaction in a thread with an event loop of its own."""
    return await drive_async(transaction_flow(engine, definition, args, kwargs))


def transaction_flow(
    engine: Engine, definition: TransactionDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Flow[Any]:
    """Give the recorded outcome, or run the transaction in a thread that may block. Raises what the body raised."""
    frame = current.get()
    if frame is None or frame.step is not None:
        return (yield OffloadWhole(_Unrecorded(engine, definition, args, kwargs).run))
    execution = frame.execution
    compared = args[1:] if definition.is_method else args
    digest = engine.codec.digest(compared, kwargs)
    operation, frame = execution.operation(Kind.TRANSACTION, definition.name, digest, definition.key)
    recorded = execution.begin(operation)
    if recorded is not None:
        execution.undo.add_step(definition, recorded, args, kwargs)
        return execution.value(recorded, definition.signature.return_hint)
    if (yield from execution.barrier()):
        execution.check_cancel(operation)
    call = _Call(execution, definition, operation, frame, args, kwargs)
    with engine.tracer.operation(
        kind="transaction", name=definition.name, workflow_id=execution.workflow_id, step_id=operation.step_id
    ) as span:
        execution.step_begins(can_be_undone=definition.can_be_undone)
        try:
            value = yield OffloadWhole(call.run)
        except Exception as error:
            span.failed(error, attempt=1)
            raise
        finally:
            execution.step_ends()
    execution.progressed()
    return value


@dataclass(slots=True)
class _Call:
    """One recorded transaction, on its way to its outcome. Runs in one thread."""

    execution: Execution
    definition: TransactionDefinition
    operation: Operation
    frame: Frame
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self) -> Any:
        """Run until it has committed, or the body has raised."""
        conflicts, pause = 0, FIRST_PAUSE
        again = False
        while True:
            try:
                return self._once(again=again)
            except Conflict as conflict:
                conflicts += 1
                if conflicts > self.definition.options.conflict_retries:
                    return self._fail(conflict.__cause__ or conflict)
            except StoreUnavailable as error:
                if self.execution.engine.closing:
                    raise
                log.warning("waiting for the database: %s", error, extra={"action": "store_unavailable"})
            except Fenced:
                raise self.execution.leave(Lost(self.execution.workflow_id)) from None
            again = True
            Signal().wait(pause * (0.5 + self.execution.engine.ids.chance() / 2))
            pause = min(pause * 2, LAST_PAUSE)

    def _once(self, *, again: bool) -> Any:
        engine, options = self.execution.engine, self.definition.options
        database = engine.database(options.database)
        failure: Exception | None = None
        try:
            failpoints.reached("transaction.before", self.definition.name)
            with database.transaction(options.isolation) as transaction:
                recorded = transaction.begin(self.execution.fence, self.operation, again=again)
                if recorded is not None:
                    return self._recorded(recorded, database)
                try:
                    value = self._body(transaction.scope)
                    checkpoint = self._checkpoint(value)
                    transaction.scope.finish()
                except Exception as error:
                    failure = error
                    transaction.rollback()
                    # The database's own error, if there is one beneath: the store knows whether it is worth another
                    # try.
                    raise getattr(error, "orig", None) or error from error
                failpoints.reached("transaction.ran", self.definition.name)
                transaction.commit(self.execution.fence, checkpoint)
                failpoints.reached("transaction.after", self.definition.name)
        except (Conflict, StoreUnavailable, Fenced):
            raise
        except Exception as error:  # noqa: BLE001 - whatever the body raised is its outcome
            return self._fail(failure or error)
        if not database.keeps_journal:
            checkpoint = self.execution.record(self.operation, output=checkpoint.output)
        self._can_be_undone(checkpoint)
        return value

    def _recorded(self, recorded: Checkpoint, database: Database) -> Any:
        if not database.keeps_journal:
            recorded = self.execution.record(self.operation, output=recorded.output)
        self._can_be_undone(recorded)
        return self.execution.value(recorded, self.definition.signature.return_hint)

    def _can_be_undone(self, recorded: Checkpoint) -> None:
        self.execution.undo.add_step(self.definition, recorded, self.args, self.kwargs)

    def _checkpoint(self, value: Any) -> Checkpoint:
        output = encoded(self.execution, self.operation, value, self.definition.signature.return_hint)
        return self.execution.checkpoint(self.operation, output=output)

    def _fail(self, error: BaseException) -> Any:
        self.execution.engine.check_process(self.execution)
        self.execution.record(self.operation, error=self.execution.engine.codec.encode_error(error))
        raise error

    def _body(self, scope: SessionScope) -> Any:
        info = StepInfo(
            workflow_id=self.execution.workflow_id,
            name=self.definition.name,
            attempt=1,
            idempotency_key=f"{self.execution.workflow_id}:{self.operation.step_id}",
        )
        inside = Frame(execution=self.execution, branch=self.frame.branch, runner=runner_here(), step=info)
        token = current.set(inside)
        try:
            return _call(self.definition, scope, self.args, self.kwargs)
        finally:
            current.reset(token)


@dataclass(slots=True)
class _Unrecorded:
    """A transaction outside workflow code: it commits or rolls back, and nothing is recorded."""

    engine: Engine
    definition: TransactionDefinition
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self) -> Any:
        """Run it, again after a serialization failure. Raises what the body or the database raised."""
        conflicts = 0
        while True:
            try:
                return self._once()
            except Conflict as conflict:
                conflicts += 1
                if conflicts > self.definition.options.conflict_retries:
                    raise (conflict.__cause__ or conflict) from None

    def _once(self) -> Any:
        options = self.definition.options
        with self.engine.database(options.database).transaction(options.isolation) as transaction:
            transaction.begin(None, None, again=False)
            try:
                value = _call(self.definition, transaction.scope, self.args, self.kwargs)
                transaction.scope.finish()
            except Exception as error:
                transaction.rollback()
                raise getattr(error, "orig", None) or error from error
            transaction.commit(None, None)
            return value


def _call(definition: TransactionDefinition, scope: SessionScope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = current_scope.set(scope)
    try:
        if definition.is_async:
            return run_coroutine(definition.function(*args, **kwargs))
        return definition.function(*args, **kwargs)
    finally:
        current_scope.reset(token)
