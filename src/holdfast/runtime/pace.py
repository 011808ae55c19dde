"""How fast workflows begin on an event loop: no faster than their first entries can be written.

Ten thousand calls at once would else all be in memory before the first commit, and the garbage collector would walk
through all of them again and again. Only beginnings wait, never a workflow that has begun, and only as long as the
committer has a full batch before it: that wait always ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

ROOM = 120
"""Units before the committer, and beginnings that have not handed in theirs yet."""


class Pace:
    """Gives turns, in the order in which they were asked for."""

    def __init__(self, backlog: Callable[[], int]) -> None:
        self._backlog = backlog
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()
        self._some_wait = False
        """Somebody may wait in one of the lines."""

    def turn(self) -> asyncio.Future[None] | None:
        """Return what to wait for before a workflow may begin; None: it may at once, or no event loop runs here."""
        loop = asyncio._get_running_loop()  # noqa: SLF001 - documented; get_running_loop() raises
        if loop is None:
            return None
        line = self._lines.get(loop)
        if line is None:
            line = self._lines[loop] = _Line(loop, self._backlog)
        turn = line.turn()
        if turn is not None:
            self._some_wait = True
        return turn

    def go_on(self) -> None:
        """Let those begin for whom there is room now. Called from any thread, after each commit."""
        if not self._some_wait:
            return
        # Taken down before the look: who comes to wait meanwhile puts it up again.
        self._some_wait = False
        for line in list(self._lines.values()):
            if line.go_on():
                self._some_wait = True


class _Line:
    """Those who wait on one event loop. Touched by its thread alone, but for `go_on`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, backlog: Callable[[], int]) -> None:
        self._loop, self._backlog = loop, backlog
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._begun = 0
        """Turns given to those who have had no chance yet to hand in what they begin with."""

    def turn(self) -> asyncio.Future[None] | None:
        if not self._waiting and self._room() > 0:
            self._count()
            return None
        future = self._loop.create_future()
        self._waiting.append(future)
        return future

    def go_on(self) -> bool:
        """Give turns soon, and tell whether anybody waits."""
        if not self._waiting or self._loop.is_closed():
            return False
        self._loop.call_soon_threadsafe(self._give)
        return True

    def _room(self) -> int:
        return ROOM - self._backlog() - self._begun

    def _count(self) -> None:
        if not self._begun:
            # In the next round of the loop they make their tasks, which run in the one after it.
            self._loop.call_soon(self._loop.call_soon, self._loop.call_soon, self._renew)
        self._begun += 1

    def _renew(self) -> None:
        self._begun = 0
        self._give()

    def _give(self) -> None:
        room = self._room()
        while room > 0 and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                self._count()
                room -= 1
