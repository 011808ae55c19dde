"""What the main thread waits for: events from other threads, and signals, none of which gets lost.

A lock is not enough: a signal that comes just before the main thread blocks on one does not wake it. Here the
interpreter's own handler writes a byte to a socket, and the main thread waits for that socket.
"""

from __future__ import annotations

import selectors
import signal
import socket
from collections import deque
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Inbox(Generic[T]):
    """A queue for one reader, the main thread. As a context manager it turns SIGTERM and SIGINT into `on_stop`."""

    def __init__(self, on_stop: T) -> None:
        self._on_stop = on_stop
        self._events: deque[T] = deque()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def __enter__(self) -> Self:
        self._former_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._former = {number: signal.signal(number, self._handle) for number in STOP_SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former_fd)
        self._reader.close()
        self._writer.close()

    def put(self, event: T) -> None:
        """Hand in an event, from any thread; ignored once nobody reads any more."""
        self._events.append(event)
        with suppress(OSError):  # full: it wakes the reader as well; closed: nobody is there
            self._writer.send(b"\0")

    def get(self, timeout: float | None = None) -> T | None:
        """Return the next event; None if there is none within `timeout` seconds, or a little less."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            while not self._events:
                if not selector.select(timeout):
                    return None
                with suppress(BlockingIOError):
                    self._reader.recv(4096)
                if timeout is not None and not self._events:
                    return None
        return self._events.popleft()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.put(self._on_stop)
