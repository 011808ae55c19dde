"""Where the cancellation of a workflow is raised as asyncio's own: where its coroutines await what nobody records.

Code that is in a durable operation hears of it there, as `WorkflowCancelled`. All other code of a coroutine is
interrupted where it awaits, gets `CancelledError`, and what it asks for next is to clean up. A replay comes to the same
place by itself, and is interrupted there again: once all is replayed that was recorded before anybody heard of it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from holdfast.core.model import Kind
from holdfast.core.replay import Journal
from holdfast.runtime.context import current, runner_here

if TYPE_CHECKING:
    from holdfast.runtime.execution import Execution


class Interruption:
    """Cancels the tasks of a workflow's branches, each at most once, and none in the middle of its replay.

    `ask` and `passed` are called under one lock; where they say so, `interrupt` is to be called after it.
    """

    __slots__ = ("_is_asked", "_journal", "_reached", "_tasks", "_until", "is_on")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        marks = journal.of_kind(Kind.CANCEL)
        self._until = min(mark.seq for mark in marks) if marks else None
        """What has to be replayed first: all, unless somebody has heard of it before."""
        self._is_asked = bool(marks)
        self.is_on = False
        self._tasks: dict[asyncio.Task[Any], str] = {}
        """Those that may be interrupted, with their branches."""
        self._reached: dict[asyncio.Task[Any], bool] = {}
        """Those that were, and whether the exception has not yet come to an operation."""

    def allow(self, runner: object, branch: str, execution: Execution) -> bool:
        """Let a cancellation interrupt what runs from now on; tell whether `forbid` must follow.

        `runner` is the task or the thread: `runner_here()`.
        """
        if not isinstance(runner, asyncio.Task) or runner in self._tasks:
            return False
        self._tasks[runner] = branch
        if self.is_on:
            self.interrupt(execution)
        return True

    def forbid(self, runner: object) -> bool:
        """Undo `allow`; tell whether there was something to undo."""
        return isinstance(runner, asyncio.Task) and self._tasks.pop(runner, None) is not None

    def ask(self) -> bool:
        """Tell whether the tasks are to be interrupted now; else when the code has come past what is recorded."""
        if self._is_asked:
            return False
        self._is_asked = True
        return self.passed()

    def passed(self) -> bool:
        """Take note that the code has asked for something, and tell whether the tasks are to be interrupted now."""
        if not self._is_asked or self.is_on or not self._journal.is_replayed_to(self._until):
            return False
        self.is_on = True
        return True

    def interrupt(self, execution: Execution) -> None:
        """Interrupt the tasks, unless their code has heard of the cancellation by then: it may clean up already."""
        if self.is_on:
            for loop in {task.get_loop() for task in list(self._tasks)}:
                with suppress(RuntimeError):  # it is closed
                    loop.call_soon_threadsafe(self._cancel_in, loop, execution)

    def _cancel_in(self, loop: asyncio.AbstractEventLoop, execution: Execution) -> None:
        # All at once: one may be waiting for another one, which is then cancelled twice before it goes on.
        for task, branch in list(self._tasks.items()):
            if task.get_loop() is loop and task not in self._reached and execution.is_to_interrupt(branch):
                self._reached[task] = True
                task.cancel()

    # What has become of it

    def has_reached(self, runner: object) -> bool:
        """Tell whether this task was interrupted."""
        return runner in self._reached

    def is_unheard(self, runner: object) -> bool:
        """Tell whether this task was interrupted, and its code has asked for nothing since."""
        return isinstance(runner, asyncio.Task) and self._reached.get(runner, False)

    def has_come(self, runner: object) -> bool:
        """Tell the same, also of a task of the code's own: what waited for it was interrupted, and has cancelled it."""
        if not self._reached or not isinstance(runner, asyncio.Task):
            return False
        return self.is_unheard(runner) or (runner not in self._tasks and runner.cancelling() > 0)

    def passes_on(self, runner: object) -> None:
        """Take note that what a task waited for was interrupted, which is about to be raised in it."""
        if isinstance(runner, asyncio.Task):
            self._reached[runner] = True

    def has_heard(self, runner: object) -> None:
        """Take note that what a task does from now on is to clean up."""
        if isinstance(runner, asyncio.Task) and runner in self._reached:
            self._reached[runner] = False

    def was_turned(self, runner: object) -> None:
        """Take note that the exception goes no further: another one is raised in its place."""
        if isinstance(runner, asyncio.Task) and self._reached.get(runner, False):
            self._reached[runner] = False
            runner.uncancel()

    def puts_off(self, execution: Execution) -> bool:
        """Tell whether a `CancelledError` was the workflow's cancellation, and is to be raised later.

        That is at the next operation, or where the code awaits next: `interrupt` has to be called for that.
        """
        frame, runner = current.get(), runner_here()
        if frame is None or not execution.is_to_interrupt(frame.branch):
            return False
        if isinstance(runner, asyncio.Task) and self._reached.pop(runner, False):
            runner.uncancel()
        return True
