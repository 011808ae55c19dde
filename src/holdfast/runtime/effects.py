"""What a durable operation asks of the world, and the two drivers that carry it out: in a thread, on an event loop.

An operation is one generator. It yields effects, gets their results sent back, and returns its value; so the logic of
steps, waits and children exists once for `def` and `async def`. The idea is httpx's auth flow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextvars import copy_context
from types import CoroutineType
from typing import Any, TypeVar

from holdfast.core.data import dataclass
from holdfast.errors import StepTimeout, StoreUnavailable
from holdfast.runtime.committer import Ticket
from holdfast.runtime.context import current
from holdfast.runtime.control import Released
from holdfast.runtime.signals import Signal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Durable:
    """Wait until a unit is written. Gives its receipt."""

    ticket: Ticket
    is_last: bool = False
    """Only bookkeeping follows: a pool's thread may do something else meanwhile."""

    def run(self) -> Any:
        return self.ticket.wait()

    def run_async(self) -> Awaitable[Any]:
        return self.ticket


@dataclass(frozen=True, slots=True)
class Invoke:
    """Call user code. Gives what it returns."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] | None = None
    timeout: float | None = None
    """Seconds; only a coroutine can be stopped."""
    what: str = ""

    def run(self) -> Any:
        return self.function(*self.args, **(self.kwargs or {}))

    def run_async(self) -> Awaitable[Any]:
        call = self.function(*self.args, **(self.kwargs or {}))
        if type(call) is not CoroutineType and not asyncio.iscoroutine(call) and not asyncio.isfuture(call):
            return _given(call)
        return call if self.timeout is None else _limited(call, self.timeout, self.what)


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for a signal, at most `timeout` seconds. Gives whether it came."""

    signal: Signal
    timeout: float | None

    def run(self) -> Any:
        return self.signal.wait(self.timeout)

    def run_async(self) -> Awaitable[Any]:
        return self.signal.wait_async(self.timeout)


@dataclass(frozen=True, slots=True)
class Offload:
    """Call a blocking function of the engine's own, off the event loop. Gives what it returns."""

    function: Callable[[], Any]

    def run(self) -> Any:
        return self.function()

    def run_async(self) -> Awaitable[Any]:
        return asyncio.to_thread(self.function)


@dataclass(frozen=True, slots=True)
class OffloadWhole(Offload):
    """Call a blocking function off the event loop and wait for its end, also when the task is cancelled meanwhile.

    What it does can't be taken back half-way, so the cancellation is raised at the task's next wait.
    """

    async def run_async(self) -> Any:
        # As asyncio.to_thread, without a task of its own.
        loop = asyncio.get_running_loop()
        thread = loop.run_in_executor(None, copy_context().run, self.function)
        task, frame = asyncio.current_task(), current.get()
        execution = None if frame is None else frame.execution
        cancelled = interrupted = False
        try:
            while True:
                try:
                    return await asyncio.shield(thread)
                except asyncio.CancelledError:
                    if thread.cancelled():
                        raise
                    if execution is not None and execution.interruption.puts_off(execution):
                        interrupted = True
                    elif thread.done() or task is None:
                        raise
                    else:
                        cancelled = True
        finally:
            if cancelled and task is not None:
                loop.call_soon(task.cancel)
            if interrupted and execution is not None:
                execution.interruption.interrupt(execution)


@dataclass(frozen=True, slots=True)
class Spawn:
    """Carry a flow out: in a thread at once; on an event loop as a task, which goes on if its caller is cancelled.

    Gives its result.
    """

    flow: Any
    spawn: Callable[[Any, asyncio.Future[Any]], object]

    def run(self) -> Any:
        return drive(self.flow)

    def run_async(self) -> Awaitable[Any]:
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.spawn(self.flow, waiter)
        return waiter


Effect = Durable | Invoke | Await | Offload | Spawn
Flow = Generator[Effect, Any, T]


def drive(flow: Flow[T]) -> T:
    """Carry a flow's effects out in this thread."""
    try:
        effect = next(flow)
        while True:
            try:
                value = effect.run()
            except BaseException as error:  # noqa: BLE001 - the flow decides what to do about it
                effect = flow.throw(error)
            else:
                effect = flow.send(value)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration is untyped
    except StoreUnavailable:
        _leave_if_closing()
        raise


class PooledFlow:
    """A flow that is carried out in threads of a pool: none is held while its last write is under way.

    A thread that sleeps until its commit is through costs two changes of thread, and a thousand of them would all
    wake up at once; a commit's worth of workflows is ended by one thread instead.
    """

    __slots__ = ("_context", "_effect", "_flow", "_submit")

    def __init__(self, flow: Flow[Any], submit: Callable[[Callable[[], object]], None]) -> None:
        self._flow, self._submit = flow, submit
        self._context = copy_context()
        self._effect: Effect | None = None

    def begin(self) -> None:
        """Carry it out in the calling thread up to its last write."""
        self._drive(lambda: next(self._flow))

    def _drive(self, resume: Callable[[], Effect]) -> None:
        ticket = self._context.run(self._until_last_write, resume)
        # Handed over outside of the context, which only one thread can be in.
        while ticket is not None and not ticket.hand_over(self._end):
            ticket = self._context.run(self._until_last_write, self._written)

    def _end(self) -> None:
        """Do the bookkeeping; a pool's thread of its own does whatever else may come."""
        try:
            effect = self._context.run(self._written)
        except StopIteration:
            return
        self._submit(lambda: self._drive(lambda: effect))

    def _written(self) -> Effect:
        effect, self._effect = self._effect, None
        if effect is None:
            raise RuntimeError("a flow goes on that was not waiting")
        return _step(self._flow, effect)

    def _until_last_write(self, resume: Callable[[], Effect]) -> Ticket | None:
        try:
            effect = resume()
            while not (type(effect) is Durable and effect.is_last and not effect.ticket.done):
                effect = _step(self._flow, effect)
        except StopIteration:
            return None
        self._effect = effect
        return effect.ticket


def _step(flow: Flow[Any], effect: Effect) -> Effect:
    """Carry one effect out and return the next. Raises `StopIteration`."""
    try:
        value = effect.run()
    except BaseException as error:  # noqa: BLE001 - the flow decides what to do about it
        return flow.throw(error)
    return flow.send(value)


async def drive_async(flow: Flow[T]) -> T:
    """Carry a flow's effects out on the running event loop."""
    try:
        effect = next(flow)
        while True:
            try:
                awaitable = effect.run_async()
                del effect  # nothing to keep alive for as long as the wait may be
                value = await awaitable
            except BaseException as error:  # noqa: BLE001 - the flow decides what to do about it
                effect = flow.throw(error)
            else:
                effect = flow.send(value)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration is untyped
    except StoreUnavailable:
        _leave_if_closing()
        raise


def _leave_if_closing() -> None:
    """Let a workflow leave memory, rather than show its code that the application closes while the database is away.

    Otherwise that error would be the outcome of a step or of the workflow, and recorded once the database is back.
    """
    frame = current.get()
    if frame is not None and frame.execution.engine.closing:
        raise frame.execution.leave(Released()) from None


async def _limited(call: Awaitable[T], timeout: float, what: str) -> T:
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await call
    except TimeoutError:
        if limit.expired():
            raise StepTimeout(what, timeout) from None
        raise


async def _given(value: T) -> T:
    return value
