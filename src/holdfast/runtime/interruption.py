"""Which tasks of a coroutine workflow its cancellation interrupts where they await something, and when."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from holdfast.core.replay import Journal

if TYPE_CHECKING:
    from holdfast.runtime.execution import Execution


class Interruption:
    """Cancels tasks, but never in the middle of a replay: recorded steps that are to be undone would not be reached.

    `ask` and `passed` are called under one lock; where they say so, `interrupt` is to be called after it.
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

    def ask(self) -> bool:
        """Tell whether the tasks are to be interrupted now; else when the code has come past what is recorded."""
        self._is_put_off = not self._journal.is_replayed
        return not self._is_put_off

    def passed(self) -> bool:
        """Take note that the code has asked for something, and tell whether the tasks are to be interrupted now."""
        if not self._is_put_off or not self._journal.is_replayed:
            return False
        self._is_put_off = False
        return True

    def interrupt(self, execution: Execution) -> None:
        """Interrupt the tasks, if the code has not heard of the cancellation by then: it may clean up already."""
        for task in list(self._tasks):
            with suppress(RuntimeError):  # its loop is closed
                task.get_loop().call_soon_threadsafe(_cancel_if_due, task, execution)


def _cancel_if_due(task: asyncio.Task[Any], execution: Execution) -> None:
    if execution.cancel_due:
        task.cancel()
