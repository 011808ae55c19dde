"""A lock that is given in turn, so that a committer that always has work does not starve a user's transaction."""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """First come, first served. Not re-entrant; any thread may release it.

    Whoever is interrupted (Ctrl-C) in `acquire`, or just after it, finds in `is_mine` whether it has the turn.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[tuple[threading.Lock, int]] = deque()
        self._held = False
        self._holder: int | None = None

    @property
    def is_mine(self) -> bool:
        """Tell whether this thread was the last to take it, and it is still held."""
        return self._held and self._holder == threading.get_ident()

    def acquire(self, timeout: float) -> bool:
        """Wait for one's turn, at most `timeout` seconds; return whether it came."""
        me = threading.get_ident()
        with self._mutex:
            if not self._held:
                self._held, self._holder = True, me
                return True
            turn = threading.Lock()
            turn.acquire()
            waiting = turn, me
            self._waiting.append(waiting)
        try:
            return turn.acquire(timeout=max(timeout, 0.0)) or not self._gives_up(waiting)
        except BaseException:
            self._gives_up(waiting)
            raise

    def release(self) -> None:
        """Hand it to whoever has waited longest."""
        with self._mutex:
            if self._waiting:
                turn, self._holder = self._waiting.popleft()
                turn.release()
            else:
                self._held, self._holder = False, None

    def _gives_up(self, waiting: tuple[threading.Lock, int]) -> bool:
        with self._mutex:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                return True
            return False
