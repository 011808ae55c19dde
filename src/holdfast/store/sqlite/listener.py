"""Hearing of other processes' commits without asking the database: a look at the log file's times, fifty a second.

Only when that file has changed is one row read, the count of all processes' commits; what exceeds this process's own
is news.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from holdfast.errors import StoreUnavailable

log = logging.getLogger("holdfast.store.sqlite")

_PERIOD = 0.02
_LOOKS_AFTER_CHANGE = 2
"""A file's times are coarse (some ms, less than a period): another commit may follow within one tick, and not show."""

Stamp = tuple[int, int, int] | None


class WalListener:
    """Looks for commits of other processes in a thread of its own."""

    def __init__(self, wal: Path, others_committed: Callable[[], bool], on_news: Callable[[None], None]) -> None:
        """`others_committed` tells, at the price of a query, whether there was a commit since it was last asked."""
        self._wal = wal
        self._others_committed = others_committed
        self._on_news = on_news
        # A lock, not an Event: waiting for one with a timeout is a single call into C.
        self._running = threading.Lock()
        self._running.acquire()
        self.ticks = 0
        """How often the file was looked at."""
        self.queries = 0
        """How often the database was asked."""
        self.looks_left = _LOOKS_AFTER_CHANGE
        """How often it will be asked although nothing changes."""
        self._thread = threading.Thread(target=self._run, name="holdfast-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it and its thread. Idempotent."""
        with suppress(RuntimeError):
            self._running.release()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        seen = self._stamp()
        while not self._running.acquire(timeout=_PERIOD):
            self.ticks += 1
            stamp = self._stamp()
            if stamp != seen:
                seen, self.looks_left = stamp, _LOOKS_AFTER_CHANGE
            if self.looks_left > 0:
                self._look()
                self.looks_left -= 1

    def _look(self) -> None:
        self.queries += 1
        try:
            if self._others_committed():
                self._on_news(None)
        except StoreUnavailable as error:
            # Whoever writes or reads next says so, and waits; here the safety net of polling is enough.
            log.debug("can't look for news: %s", error)
        except Exception:
            log.exception("the handler of news failed", extra={"action": "listen"})

    def _stamp(self) -> Stamp:
        try:
            found = os.stat(self._wal)  # noqa: PTH116 - so often, and Path.stat takes twice as long
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


class SilentListener:
    """A database in memory has no other processes."""

    def stop(self) -> None:
        """Do nothing."""
