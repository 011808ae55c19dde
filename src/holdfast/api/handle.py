"""A handle: a reference to one workflow, wherever it runs."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, TypeVar

from holdfast.api.launched import engine_for, refuse_on_event_loop
from holdfast.core.model import Status
from holdfast.core.options import Duration, seconds
from holdfast.errors import WorkflowNotFound
from holdfast.runtime.effects import Flow, drive, drive_async
from holdfast.runtime.engine import Engine
from holdfast.runtime.starting import Started, child_result
from holdfast.runtime.undo import skip

R = TypeVar("R")


class Handle(Generic[R]):
    """A reference to the workflow `id`. Making one reads nothing; it may be made in any process with the database."""

    __slots__ = ("_engine", "_hint", "_local", "id")

    def __init__(self, workflow_id: str, *, hint: Any = Any, engine: Engine | None = None) -> None:
        self.id = workflow_id
        self._hint = hint
        self._engine = engine
        self._local = None if engine is None else engine.local_outcomes.find(workflow_id)

    @classmethod
    def of(cls, started: Started, hint: Any, engine: Engine) -> Handle[Any]:
        """Return the handle of a workflow that was just started."""
        handle = cls(started.workflow_id, hint=hint, engine=engine)
        if started.local is not None:
            # Kept, so that the outcome of a workflow that runs in this process is found without a query.
            handle._local = started.local
        return handle

    def __repr__(self) -> str:
        return f"Handle({self.id!r})"

    def __await__(self) -> Generator[Any, None, R]:
        return self.aresult().__await__()

    def result(self, timeout: Duration | None = None) -> R:
        """Wait for the workflow's result, at most `timeout` seconds; in a workflow, the answer is recorded.

        Raises what the workflow raised; `WorkflowFailed` if that can't be rebuilt; `WorkflowWasCancelled`,
        `WorkflowSetAside`, `WorkflowNotFound`, `ResultTimeout`.
        """
        refuse_on_event_loop("Handle.result()", "await handle")
        return drive(self._result(timeout))

    async def aresult(self, timeout: Duration | None = None) -> R:
        """Wait for the workflow's result in a coroutine; see `result`."""
        return await drive_async(self._result(timeout))

    def status(self) -> Status:
        """Read where the workflow stands. Raises `WorkflowNotFound`."""
        refuse_on_event_loop("Handle.status()", "await handle.astatus()")
        return drive(self._status())

    async def astatus(self) -> Status:
        """Read where the workflow stands, in a coroutine; see `status`."""
        return await drive_async(self._status())

    def cancel(self) -> None:
        """Ask for the cancellation of the workflow and its children; nothing happens to one that has ended.

        Its code sees `WorkflowCancelled` at its next durable operation. Raises `WorkflowNotFound`.
        """
        refuse_on_event_loop("Handle.cancel()", "await handle.acancel()")
        drive(self._cancel())

    async def acancel(self) -> None:
        """Ask for the cancellation in a coroutine; see `cancel`."""
        await drive_async(self._cancel())

    def skip_undo(self, reason: str = "") -> str:
        """Say that a person has settled what halted the undoing, and let it go on; return which step that is.

        The reason is recorded. Raises `WorkflowNotFound`; `UsageError` if no undoing has halted there.
        """
        refuse_on_event_loop("Handle.skip_undo()", "await handle.askip_undo()")
        return drive(skip(self._find("Handle.skip_undo()"), self.id, reason))

    async def askip_undo(self, reason: str = "") -> str:
        """Skip the step that halted the undoing, in a coroutine; see `skip_undo`."""
        return await drive_async(skip(self._find("Handle.askip_undo()"), self.id, reason))

    def _find(self, verb: str) -> Engine:
        return self._engine or engine_for(verb)

    def _result(self, timeout: Duration | None) -> Flow[R]:
        limit = None if timeout is None else seconds(timeout)
        result: R = yield from child_result(self._find("Handle.result()"), self.id, self._hint, limit)
        return result

    def _status(self) -> Flow[Status]:
        engine = self._find("Handle.status()")
        record = yield from engine.read(lambda: engine.store.get_workflow(self.id))
        if record is None:
            raise WorkflowNotFound(self.id)
        return record.status

    def _cancel(self) -> Flow[None]:
        touched = yield from self._find("Handle.cancel()").cancel(self.id)
        if touched is None:
            raise WorkflowNotFound(self.id)
