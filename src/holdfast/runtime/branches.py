"""Branches: parts of a workflow that run side by side, each with identities of its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from holdfast.core.data import dataclass
from holdfast.core.identity import check_name
from holdfast.core.model import WaitOn
from holdfast.errors import WorkflowCancelled
from holdfast.runtime.context import Frame, current, runner_here, workflow_frame
from holdfast.runtime.control import Suspended, Unwind
from holdfast.runtime.execution import Execution

T = TypeVar("T")


@contextmanager
def branch(name: str) -> Iterator[None]:
    """Give what runs in the block identities of its own, which depend on `name` alone.

    Use a name that stays the same at every replay, such as a tool call's place in the conversation. The same name twice
    in one branch is told apart by order.
    """
    check_name("a branch", name)
    frame = workflow_frame("branch()")
    execution = frame.execution
    inner = Frame(
        execution=execution,
        branch=execution.branch_name(name),
        runner=runner_here(),
        foreign=frame.foreign or frame.runner != runner_here(),
    )
    token = current.set(inner)
    try:
        yield
    finally:
        current.reset(token)


def gather(thunks: Sequence[Callable[[], T]]) -> list[T]:
    """Run callables side by side in threads, each in its own branch; return their results in order.

    All of them end (or wait) before this returns; a cancellation, or else the first error in their order, is
    raised.
    """
    frame = workflow_frame("gather()")
    execution = frame.execution
    names = [execution.branch_name("gather") for _ in thunks]
    outcomes: list[_Outcome] = [_Outcome() for _ in thunks]
    threads = []
    execution.open_branches(names)
    for name, thunk, outcome in zip(names, thunks, outcomes, strict=True):
        context = contextvars.copy_context()
        target = _in_branch(execution, name, thunk, outcome)
        threads.append(threading.Thread(target=context.run, args=(target,), name="holdfast-branch", daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    execution.branches_closed()
    return _together(frame, outcomes)


async def agather(makers: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> list[T]:
    """Run coroutines side by side as tasks, each in its own branch; return their results in order.

    All of them end (or wait) before this returns; a cancellation, or else the first error in their order, is
    raised.
    """
    frame = workflow_frame("agather()")
    execution = frame.execution
    names = [execution.branch_name("gather") for _ in makers]
    outcomes: list[_Outcome] = [_Outcome() for _ in makers]
    execution.open_branches(names)
    interruption, runner = execution.interruption, runner_here()
    # Its branches are interrupted in its place.
    interruptible = interruption.forbid(runner)
    tasks = [
        asyncio.create_task(_in_branch_async(execution, name, make, outcome))
        for name, make, outcome in zip(names, makers, outcomes, strict=True)
    ]
    try:
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name, make, outcome in zip(names, makers, outcomes, strict=True):
            if not outcome.has_begun:
                make().close()
                execution.close_branch(name)
        for outcome in outcomes:
            if isinstance(outcome.error, WorkflowCancelled):
                # What the interruption was for: a replay raises nothing else here.
                raise outcome.error from None
        raise
    finally:
        execution.branches_closed()
        if interruptible:
            interruption.allow(runner, frame.branch, execution)
    try:
        return _together(frame, outcomes)
    except asyncio.CancelledError:
        interruption.passes_on(runner)
        raise


@dataclass(slots=True)
class _Outcome:
    """What came of a branch: its value or its error."""

    has_begun: bool = False
    value: Any = None
    error: BaseException | None = None


def _in_branch(execution: Execution, name: str, thunk: Callable[[], T], outcome: _Outcome) -> Callable[[], None]:
    def target() -> None:
        current.set(Frame(execution=execution, branch=name, runner=runner_here()))
        try:
            outcome.value = thunk()
        except BaseException as error:  # noqa: BLE001 - raised again where the branches come together
            outcome.error = error
        finally:
            execution.close_branch(name)

    return target


async def _in_branch_async(execution: Execution, name: str, make: Any, outcome: _Outcome) -> None:
    outcome.has_begun = True
    runner = runner_here()
    current.set(Frame(execution=execution, branch=name, runner=runner))
    execution.interruption.allow(runner, name, execution)
    try:
        outcome.value = await make()
    except asyncio.CancelledError as error:
        outcome.error = error
        if not execution.interruption.has_reached(runner):
            raise
    except BaseException as error:  # noqa: BLE001 - raised again where the branches come together
        outcome.error = error
    finally:
        execution.interruption.forbid(runner)
        execution.close_branch(name)


def _together(frame: Frame, outcomes: Sequence[_Outcome]) -> list[Any]:
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    suspensions = [error for error in errors if isinstance(error, Suspended)]
    for error in errors:
        if isinstance(error, Unwind) and not isinstance(error, Suspended):
            raise error
    if suspensions:
        raise frame.execution.unwinding.begins(frame.branch, _all_waits(suspensions))
    for error in errors:
        if isinstance(error, WorkflowCancelled):
            raise error
    if errors:
        raise errors[0]
    return [outcome.value for outcome in outcomes]


def _all_waits(suspensions: Sequence[Suspended]) -> Suspended:
    """Combine: whichever comes first wakes the workflow."""
    waits: dict[WaitOn, None] = {}
    for suspended in suspensions:
        waits.update(dict.fromkeys(suspended.waits))
    wake_at = min((s.wake_at for s in suspensions if s.wake_at is not None), default=None)
    return Suspended(wake_at, tuple(waits))
