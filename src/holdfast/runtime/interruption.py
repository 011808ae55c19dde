"""Which tasks of a coroutine workflow its cancellation interrupts where they await something, and when."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from holdfast.core.replay import Journal


class Interruption:
    """Cancels tasks, but never in the middle of a replay: recorded steps that are to be undone would not be reached.

    `ask` and `passed` are called under one lock.
    """

    __slots__ = ("_is_put_off", "_journal", "_tasks")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_put_off = False

    def allow(self, runner: object) -> bool:
        """Let a cancellation interrupt what runs from now on; tell whether `forbid` must follow.

        `runner` is the task or the thread: `runner_here()`.
        """
        if not isinstance(runner, asyncio.Task) or runner in self._tasks:
            return False
        self._tasks.add(runner)
        return True

    def forbid(self, runner: object) -> None:
        """Undo `allow`."""
        self._tasks.discard(runner)

    def ask(self) -> None:
        """Interrupt the tasks now, or when the code has come past what is recorded."""
        self._is_put_off = not self._journal.is_replayed
        if not self._is_put_off:
            self._interrupt()

    def passed(self) -> None:
        """Take note that the code has asked for something."""
        if self._is_put_off and self._journal.is_replayed:
            self._is_put_off = False
            self._interrupt()

    def _interrupt(self) -> None:
        for task in list(self._tasks):
            with suppress(RuntimeError):  # its loop is closed
                task.get_loop().call_soon_threadsafe(task.cancel)
