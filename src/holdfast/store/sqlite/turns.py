"""A lock that is given in turn, so that a committer that always has work does not starve a user's transaction."""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """First come, first served. Not re-entrant; any thread may release it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False
        self._holder: int | None = None

    @property
    def is_mine(self) -> bool:
        """Tell whether this thread was the last to take it, and it is still held."""
        return self._held and self._holder == threading.get_ident()

    def acquire(self, timeout: float) -> bool:
        """Wait for one's turn, at most `timeout` seconds; return whether it came."""
        with self._mutex:
            if not self._held:
                self._held, self._holder = True, threading.get_ident()
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if not turn.acquire(timeout=max(timeout, 0.0)) and self._gives_up(turn):
            return False
        self._holder = threading.get_ident()
        return True

    def release(self) -> None:
        """Hand it to whoever has waited longest."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held, self._holder = False, None

    def _gives_up(self, turn: threading.Lock) -> bool:
        with self._mutex:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return True
            return False
