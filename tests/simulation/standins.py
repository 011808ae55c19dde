"""Stand-ins for what the engine takes from the standard library: threads, locks, queues, clocks, an event loop.

They are put into the `holdfast` modules' own globals, in place of `threading`, `queue` and `time`, so that the engine
runs unchanged and everything else in the process keeps the real ones.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Self

from tests.simulation.scheduler import Task, monotonic, simulator


def _me() -> Task:
    task = simulator().current
    if task is None:
        raise RuntimeError("only a simulated thread can wait")
    return task


class Semaphore:
    """`threading.Semaphore`."""

    __slots__ = ("_value", "_waiters")

    def __init__(self, value: int = 1) -> None:
        self._value = value
        self._waiters: deque[Task] = deque()

    def acquire(self, blocking: bool = True, timeout: float | None = -1) -> bool:  # noqa: FBT001, FBT002 - threading's
        here = simulator()
        here.point()
        if self._value > 0:
            self._value -= 1
            return True
        if not blocking:
            return False
        ends = None if timeout is None or timeout < 0 else here.now + timeout
        me = _me()
        while self._value <= 0:
            self._waiters.append(me)
            if not here.block(None if ends is None else ends - here.now):
                if me in self._waiters:
                    self._waiters.remove(me)
                if self._value <= 0:
                    return False
        self._value -= 1
        return True

    def release(self) -> None:
        self._value += 1
        if self._waiters:
            simulator().wake(self._waiters.popleft())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()


class Lock(Semaphore):
    """`threading.Lock`."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(1)

    def release(self) -> None:
        if self._value > 0:
            raise RuntimeError("release unlocked lock")
        super().release()

    def locked(self) -> bool:
        return self._value <= 0


class Event:
    """`threading.Event`."""

    __slots__ = ("_flag", "_waiters")

    def __init__(self) -> None:
        self._flag = False
        self._waiters: list[Task] = []

    def is_set(self) -> bool:
        return self._flag

    def set(self) -> None:
        self._flag = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            simulator().wake(waiter)
        simulator().point()

    def clear(self) -> None:
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        here = simulator()
        here.point()
        if self._flag:
            return True
        me = _me()
        self._waiters.append(me)
        if not here.block(timeout) and me in self._waiters:
            self._waiters.remove(me)
        return self._flag


class Thread:
    """`threading.Thread`: a task of the process that starts it."""

    def __init__(
        self,
        target: Callable[..., object] | None = None,
        name: str = "",
        args: tuple[Any, ...] = (),
        *,
        daemon: bool = True,
    ) -> None:
        self._target, self._args, self.name, self.daemon = target, args, name, daemon
        self._task: Task | None = None

    def start(self) -> None:
        self._task = simulator().spawn(_me().process, self.run, self.name)
        simulator().point()

    def run(self) -> None:
        if self._target is not None:
            self._target(*self._args)

    def join(self, timeout: float | None = None) -> None:
        task = self._task
        if task is not None and not task.finished and task is not simulator().current:
            task.waiters.append(_me())
            simulator().block(timeout)

    @property
    def ident(self) -> int | None:
        return None if self._task is None else self._task.ident

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.finished


class Timer(Thread):
    """`threading.Timer`."""

    def __init__(self, interval: float, function: Callable[[], object]) -> None:
        super().__init__(name="timer")
        self._interval, self._function, self._cancelled = interval, function, Event()

    def cancel(self) -> None:
        self._cancelled.set()

    def run(self) -> None:
        if not self._cancelled.wait(self._interval):
            self._function()


class SimpleQueue:
    """`queue.SimpleQueue`."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._count = Semaphore(0)

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._count.release()
        simulator().point()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - queue's
        if not self._count.acquire(block, timeout):
            raise queue.Empty
        return self._items.popleft()

    def qsize(self) -> int:
        return len(self._items)

    def __class_getitem__(cls, item: object) -> type[Self]:
        return cls


class EventLoop(asyncio.BaseEventLoop):
    """An event loop whose clock is the simulation's, and whose thread is a task."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self
        self._asleep: Task | None = None
        self._rung = False
        self._process = _me().process

    def time(self) -> float:
        return simulator().now + self._process.monotonic_offset

    def select(self, timeout: float | None) -> list[Any]:
        """Wait as a selector does, for the next timer or for another thread."""
        here = simulator()
        if not self._rung and timeout != 0:
            self._asleep = here.current
            here.block(timeout)
            self._asleep = None
        else:
            here.point()
        self._rung = False
        return []

    def _process_events(self, events: list[Any]) -> None:
        return

    def _write_to_self(self) -> None:
        self._rung = True
        if self._asleep is not None:
            simulator().wake(self._asleep)

    def run_forever(self) -> None:
        asyncio._set_running_loop(self)
        try:
            while not self._stopping:  # type: ignore[has-type]  # BaseEventLoop's own
                self._run_once()  # type: ignore[attr-defined]  # BaseEventLoop's own
        finally:
            self._stopping = False
            asyncio._set_running_loop(None)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]  # the loop's own is generic
        future = self.create_future()

        def settle(value: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

        def work() -> None:
            try:
                value = func(*args)
            except Exception as error:  # noqa: BLE001 - it belongs to the future
                self.call_soon_threadsafe(settle, None, error)
            except BaseException as error:
                if not self.is_closed():
                    self.call_soon_threadsafe(settle, None, error)
                if type(error).__module__ == "greenlet":
                    raise
            else:
                self.call_soon_threadsafe(settle, value, None)

        simulator().spawn(_me().process, work, "executor")
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        return

    def __del__(self) -> None:
        return


def _get_ident() -> int:
    task = simulator().current
    return 0 if task is None else task.ident


def _wall() -> float:
    return EPOCH + simulator().now


EPOCH = 1_700_000_000.0
THREADING = SimpleNamespace(
    Lock=Lock,
    Semaphore=Semaphore,
    Event=Event,
    Thread=Thread,
    Timer=Timer,
    get_ident=_get_ident,
    current_thread=_me,
    main_thread=lambda: SimpleNamespace(is_alive=lambda: True),
)
QUEUE = SimpleNamespace(SimpleQueue=SimpleQueue, Empty=queue.Empty)
TIME = SimpleNamespace(
    time=_wall,
    time_ns=lambda: int(_wall() * 1e9),
    monotonic=monotonic,
    perf_counter=monotonic,
    sleep=lambda seconds: simulator().sleep(seconds),
)
TRACEBACK = SimpleNamespace(format_exception=lambda error, **_: [f"{type(error).__name__}: {error}"])
"""`traceback`, where errors are recorded: to look the lines up took a tenth of a seed's time, and nobody reads them."""


class _Asyncio:
    """`asyncio`, but for the making of event loops."""

    new_event_loop = EventLoop

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


_REPLACED: dict[str, tuple[object, object]] = {
    "threading": (threading, THREADING),
    "queue": (queue, QUEUE),
    "time": (time, TIME),
    "monotonic": (time.monotonic, TIME.monotonic),
}


@contextmanager
def installed(extra: dict[tuple[str, str], object]) -> Iterator[None]:
    """Put the stand-ins into every loaded module of `holdfast`; `extra` is by module and name."""
    wanted = dict(extra)
    wanted["holdfast.runtime.threads", "asyncio"] = _Asyncio()
    wanted["holdfast.core.codec.exceptions", "traceback"] = TRACEBACK
    for name, module in list(sys.modules.items()):
        if name.startswith("holdfast."):
            for attribute, (real, standin) in _REPLACED.items():
                if vars(module).get(attribute) is real:
                    wanted[name, attribute] = standin
    before = {place: getattr(sys.modules[place[0]], place[1]) for place in wanted}
    for (where, attribute), value in wanted.items():
        setattr(sys.modules[where], attribute, value)
    try:
        yield
    finally:
        for (where, attribute), value in before.items():
            setattr(sys.modules[where], attribute, value)
