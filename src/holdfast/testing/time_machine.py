"""Skipping time: a test does not wait for days."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from holdfast.api.app import Holdfast
from holdfast.api.handle import Handle
from holdfast.errors import ResultTimeout, UsageError

R = TypeVar("R")

_LOOK_EVERY = 0.02


class TimeMachine:
    """The clock of one application, and of its database as far as Holdfast goes by it: it runs, and can be set ahead.

    Make it before the application is launched; on PostgreSQL, let no other process use the database. All that has a
    time follows: sleeps, timeouts, deadlines, delays, the expiry of approvals, schedules, rate limits, the pauses
    between the attempts of a step. Clocks that user code reads by itself do not.
    """

    def __init__(self, app: Holdfast) -> None:
        self._app = app
        self._ahead = 0.0
        try:
            app.engine  # noqa: B018 - asks whether there is one
        except UsageError:
            app.store.use_clock(self._read)
        else:
            raise UsageError("make the TimeMachine before the application is launched")

    def _read(self) -> float:
        return time.time() + self._ahead

    def now(self) -> datetime:
        """Return the time that it is for the application, in UTC."""
        return datetime.fromtimestamp(self._read(), UTC)

    def advance(self, duration: timedelta | None = None, /, **parts: float) -> None:
        """Set the clock ahead: `advance(days=3)`, `advance(timedelta(hours=1))`. Whatever is due by then happens soon.

        Raises `UsageError` for a way back.
        """
        seconds = ((duration or timedelta()) + timedelta(**parts)).total_seconds()
        if seconds < 0:
            raise UsageError("a database's clock is not set back: nothing is undone by it")
        engine = self._app.engine
        self._ahead += seconds
        engine.clock.skip(seconds)
        engine.clock.synchronise()
        # All that waits looks again.
        engine.hub.publish(None)

    def advance_to_next(self) -> timedelta | None:
        """Jump to the next time at which a waiting workflow or a schedule is due, and return how far that was.

        None: nothing is due at any time. Workflows that wait in memory are not seen until they have left it, which
        takes `Config.suspend_after` seconds; but for steps that pause between two attempts.
        """
        engine, store = self._app.engine, self._app.store
        names, now = engine.definitions.workflow_names(), self._read()
        times = [store.next_due(names, after=now), store.next_due_in_queues(names, None, after=now)]
        times += [now + min(pauses) - engine.clock.monotonic() for pauses in self._pauses() if pauses]
        times += [schedule.next_at for schedule in store.upcoming_schedules(names, 1)]
        due = min((when for when in times if when is not None), default=None)
        if due is None:
            return None
        distance = timedelta(seconds=max(0.0, due - now) + 0.001)
        self.advance(distance)
        return distance

    def result(self, handle: Handle[R], *, patience: float = 10.0) -> R:
        """Wait for a workflow's result, and skip every time in which all workflows only wait for a time to come.

        Raises what the workflow raised; `AssertionError` if it has not ended after `patience` seconds of this machine's
        own time, for example because it waits for a message.
        """
        ends = time.monotonic() + patience
        while True:
            try:
                return handle.result(timeout=_LOOK_EVERY)
            except ResultTimeout:
                self._go_on(handle, ends, patience)

    async def aresult(self, handle: Handle[R], *, patience: float = 10.0) -> R:
        """Wait for a workflow's result in a coroutine; see `result`."""
        ends = time.monotonic() + patience
        while True:
            try:
                return await handle.aresult(timeout=_LOOK_EVERY)
            except ResultTimeout:
                await asyncio.to_thread(self._go_on, handle, ends, patience)

    def _go_on(self, handle: Handle[Any], ends: float, patience: float) -> None:
        """Skip time if only that is waited for. Raises `AssertionError` at the end of patience."""
        if time.monotonic() > ends:
            raise AssertionError(
                f"workflow {handle.id!r} has not ended after {patience:g} s, although no time was left to be "
                "waited for: does it wait for a message, an event or an approval?"
            )
        if self.only_time_is_waited_for():
            self.advance_to_next()

    def only_time_is_waited_for(self) -> bool:
        """Tell whether nothing goes on in this process but waiting, in memory or out of it."""
        return all(self._pauses())

    def _pauses(self) -> list[list[float]]:
        """Return, for each workflow in memory, when its steps that pause between two attempts go on."""
        return [list(execution.pauses) for execution in self._app.engine.running]
