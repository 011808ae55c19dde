"""Where workflows run: a pool of threads for `def`, an event loop for `async def`."""

from __future__ import annotations

import asyncio
import logging
import queue
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any, TypeVar

from holdfast.runtime.effects import Flow, drive_async

T = TypeVar("T")

log = logging.getLogger("holdfast.threads")


def process_ends() -> bool:
    """Tell whether the interpreter is on its way out: user code gets no threads or executors any more, and fails."""
    # The private flag comes first, before the executors of the process are shut down; the others hold without it.
    begun = getattr(threading, "_SHUTTING_DOWN", False)
    return bool(begun) or sys.is_finalizing() or not threading.main_thread().is_alive()


class ThreadPool:
    """Daemon threads that run callables in the order in which they came.

    Not `concurrent.futures`: that joins its threads at interpreter exit, and a workflow may be killed at any instant.
    """

    def __init__(self, max_threads: int) -> None:
        self._max = max_threads
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._stopped = False

    @property
    def backlog(self) -> int:
        """How many callables wait for a thread."""
        return self._queue.qsize()

    def submit(self, function: Callable[[], object]) -> None:
        """Run `function` in a thread as soon as one is free; never blocks."""
        self._queue.put(function)
        with self._lock:
            if self._idle > self._queue.qsize() - 1 or self._threads >= self._max or self._stopped:
                return
            self._threads += 1
        threading.Thread(target=self._run, name="holdfast-workflow", daemon=True).start()

    def submit_all(self, functions: Sequence[Callable[[], object]]) -> None:
        """Run short functions one after another in one thread, as soon as one is free; never blocks."""

        def run_all() -> None:
            for function in functions:
                _run_guarded(function)

        self.submit(run_all)

    def stop(self) -> None:
        """Let idle threads end; running ones end after what they do."""
        with self._lock:
            self._stopped = True
            count = self._threads
        for _ in range(count):
            self._queue.put(None)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            function = self._queue.get()
            with self._lock:
                self._idle -= 1
            if function is None:
                return
            _run_guarded(function)


def _run_guarded(function: Callable[[], object]) -> None:
    try:
        function()
    except BaseException:
        log.exception("a workflow's thread failed", extra={"action": "thread_failed"})


class _Loop:
    """An event loop that belongs to one thread, for one coroutine after another."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(self._made)
        self._tasks: set[asyncio.Task[Any]] = set()
        """Its own; asyncio.all_tasks() goes through those of all loops."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        loop = self._loop
        try:
            return loop.run_until_complete(loop.create_task(coroutine, context=copy_context()))
        finally:
            left = [task for task in self._tasks if not task.done()]
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._tasks.clear()

    def _made(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
        self._tasks.add(task)
        return task

    def __del__(self) -> None:
        self._loop.close()


class _LoopOfThread(threading.local):
    """Each thread's own loop, closed when the thread ends."""

    def __init__(self) -> None:
        self.loop = _Loop()


_here = _LoopOfThread()


def run_coroutine(coroutine: Coroutine[Any, Any, T]) -> T:
    """Do what `asyncio.run` does, on a loop that the thread keeps: to make one for each takes as long as a commit."""
    return _here.loop.run(coroutine)


class Loops:
    """Finds the event loop for an `async def` workflow that nobody awaits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._home: asyncio.AbstractEventLoop | None = None
        self._own: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make the loop in which the application was launched the home of its coroutines."""
        self._home = loop

    def spawn(self, flow: Flow[Any], waiter: asyncio.Future[Any] | None = None) -> None:
        """Carry a flow out as a task, on the running loop, else at home, and give its result to who still waits."""
        running = asyncio._get_running_loop()  # noqa: SLF001 - documented; get_running_loop() raises
        if running is not None:
            self._keep(running, flow, waiter)
            return
        home = self._home_loop()
        home.call_soon_threadsafe(self._keep, home, flow, waiter)

    def _keep(self, loop: asyncio.AbstractEventLoop, flow: Flow[Any], waiter: asyncio.Future[Any] | None) -> None:
        """Hold a reference: an event loop alone does not keep its tasks alive."""
        self._tasks.add(loop.create_task(self._carry_out(flow, waiter)))

    async def _carry_out(self, flow: Flow[Any], waiter: asyncio.Future[Any] | None) -> None:
        try:
            value = await drive_async(flow)
        except BaseException as error:
            if waiter is None:
                raise
            if isinstance(error, asyncio.CancelledError):
                waiter.cancel()
            elif not waiter.done():
                waiter.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            if waiter is not None and not waiter.done():
                waiter.set_result(value)
        finally:
            self._tasks.discard(asyncio.current_task())

    def cancel_all(self) -> None:
        """Cancel the tasks that still run, from any thread."""
        for task in list(self._tasks):
            loop = task.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

    def stop(self) -> None:
        """Stop the background loop, if there is one."""
        own, thread = self._own, self._thread
        if own is None or thread is None:
            return
        own.call_soon_threadsafe(own.stop)
        thread.join()
        own.close()
        self._own = self._home = self._thread = None

    def _home_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._home is None or self._home.is_closed():
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=loop.run_forever, name="holdfast-loop", daemon=True)
                self._thread.start()
                self._home = self._own = loop
            return self._home
