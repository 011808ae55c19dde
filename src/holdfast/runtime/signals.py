"""A flag that threads and coroutines alike can wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence


class Signal:
    """Like `threading.Event`, but coroutines of any event loop can wait for it too."""

    __slots__ = ("_events", "_futures", "_lock", "_set")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = False
        self._events: Sequence[threading.Event] = ()
        self._futures: Sequence[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = ()

    def is_set(self) -> bool:
        """Tell whether it has been set since it was last cleared."""
        return self._set

    def clear(self) -> None:
        """Take the flag down. Clear first, then look at the state, then wait: nothing is missed."""
        self._set = False

    def set(self) -> None:
        """Raise the flag and wake all that wait."""
        with self._lock:
            self._set = True
            events, self._events = self._events, ()
            futures, self._futures = self._futures, ()
        for event in events:
            event.set()
        for loop, future in futures:
            resolve_soon(loop, [future])

    def wait(self, timeout: float | None = None) -> bool:
        """Wait in a thread, for at most `timeout` seconds; return whether it is set."""
        with self._lock:
            if self._set:
                return True
            event = threading.Event()
            self._events = [*self._events, event]
        try:
            return event.wait(timeout)
        finally:
            self._forget(event)

    async def wait_async(self, timeout: float | None = None) -> bool:
        """Wait in a coroutine, for at most `timeout` seconds; return whether it is set."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._set:
                return True
            future: asyncio.Future[None] = loop.create_future()
            self._futures = [*self._futures, (loop, future)]
        done, _ = await asyncio.wait([future], timeout=timeout)
        if not done:
            with self._lock:
                self._futures = [entry for entry in self._futures if entry[1] is not future]
        return bool(done)

    def _forget(self, event: threading.Event) -> None:
        with self._lock:
            self._events = [other for other in self._events if other is not event]


def resolve_soon(loop: asyncio.AbstractEventLoop, futures: list[asyncio.Future[None]]) -> None:
    """Resolve futures on their loop from any thread; a loop that is closed has nobody left to wake."""
    try:
        loop.call_soon_threadsafe(_resolve, futures)
    except RuntimeError:
        return


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
