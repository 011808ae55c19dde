"""Waiting: look, wait in memory for news, look again; after a while leave memory until it comes.

The look and the watch are ordered so that nothing is missed: the signal is cleared before each look, and set by every
commit that concerns the workflow. Leaving memory is a `Suspended` that unwinds the whole stack; it is only raised where
every branch of the workflow waits and the engine started all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from holdfast import failpoints
from holdfast.core.model import Kind, WaitOn
from holdfast.core.replay import Operation
from holdfast.runtime.context import Frame
from holdfast.runtime.control import Suspended
from holdfast.runtime.effects import Await, Flow
from holdfast.runtime.execution import Execution
from holdfast.runtime.time_limits import earliest

T = TypeVar("T")


class Settled(Generic[T]):
    """What a look found: the wait is over, with this value."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


Look = Callable[[bool], Flow[Settled[T] | None]]
"""Look for what is awaited; the argument says that the time is up, so that it must settle."""


def wait_until_settled(
    execution: Execution,
    operation: Operation,
    frame: Frame,
    look: Look[T],
    *,
    deadline: float | None,
    waits: Sequence[WaitOn],
) -> Flow[T]:
    """Wait until `look` settles; with a deadline (database time), at the latest then. Raises `WorkflowCancelled`."""
    engine = execution.engine
    patience_ends = engine.clock.monotonic() + engine.patience(holds_thread=execution.frees_thread)
    others = [wait.workflow_id for wait in waits if wait.workflow_id != execution.workflow_id]
    with _watching(execution, others):
        while True:
            execution.signal.clear()
            expired = deadline is not None and engine.clock.now() >= deadline
            if expired:
                failpoints.reached("timer.due")
            settled = yield from look(expired)
            if settled is not None:
                return settled.value
            execution.check_still_asked(operation)
            execution.check_cancel(operation)
            with execution.waiting():
                # None where others wait for this thread, else after a while without news.
                if engine.clock.monotonic() >= patience_ends:
                    _leave_memory(execution, frame, deadline, waits)
                with execution.hearing(operation):
                    heard = yield Await(execution.signal, _pause(execution, deadline, patience_ends))
                if not heard and engine.clock.monotonic() >= patience_ends:
                    _leave_memory(execution, frame, deadline, waits)


def timer(execution: Execution, operation: Operation, timeout: float | None) -> tuple[float | None, Operation | None]:
    """Return a wait's absolute end, and the operation that is to record it unless it is recorded already."""
    if timeout is None:
        return None, None
    place = Operation(
        step_id=f"{operation.step_id}:timer", branch=operation.branch, name=operation.name, kind=Kind.TIMER
    )
    recorded = execution.journal.find(place.step_id)
    if recorded is not None and recorded.output is not None:
        return float(execution.value(recorded, float)), None
    return execution.engine.clock.latest() + timeout, place


def _pause(execution: Execution, deadline: float | None, patience_ends: float) -> float:
    clock, config = execution.engine.clock, execution.engine.config
    until_patience_ends = patience_ends - clock.monotonic()
    pause = until_patience_ends if until_patience_ends > 0 else max(config.suspend_after, 0.05)
    for end in (deadline, execution.deadline_ahead):
        if end is not None:
            pause = min(pause, max(end - clock.now(), 0.001))
    return min(pause, config.poll)


def _leave_memory(execution: Execution, frame: Frame, deadline: float | None, waits: Sequence[WaitOn]) -> None:
    """Unwind the workflow, unless some branch of it is busy or would not come back from that."""
    if execution.signal.is_set() or execution.busy > 0 or frame.foreign or not execution.definition.options.suspend:
        return
    suspended = Suspended(earliest(deadline, execution.deadline_ahead), tuple(waits))
    raise execution.unwinding.begins(frame.branch, suspended)


@contextmanager
def _watching(execution: Execution, others: Sequence[str]) -> Iterator[None]:
    hub = execution.engine.hub
    for workflow_id in others:
        hub.watch(workflow_id, execution.signal)
    try:
        yield
    finally:
        for workflow_id in others:
            hub.unwatch(workflow_id, execution.signal)
