"""Hearing of other processes' commits without asking the database: by the log file's times.

While the file changes, its times are looked at fifty times a second: thousands of commits cost no more than one. After
a moment without a change the listener rests until the system tells it of the next one; where there is nothing that
tells, it goes on looking. Only after a change is one row read, the count of all processes' commits; what exceeds this
process's own is news.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

from holdfast.errors import StoreUnavailable
from holdfast.store.sqlite.inotify import FileWatch

log = logging.getLogger("holdfast.store.sqlite")

_PERIOD = 0.02
_ASKS_AT = (0, 1, 4)
"""Looks after a change at which the database is asked; 0 is the one that found it. A commit is written before the disk
has it, and others see it after that. A file's times are coarse, too: another commit may not show."""
_QUIET = 6
"""Looks without a change before it rests."""
_WRITTEN_TO_COMMITTED = 0.002
REST = 1.0
"""Seconds, after which it looks nevertheless: a folder shared with another system may not tell of its writes."""

Stamp = tuple[int, int, int] | None


class WalListener:
    """Looks for commits of other processes in a thread of its own."""

    def __init__(self, wal: Path, others_committed: Callable[[], bool], on_news: Callable[[None], None]) -> None:
        """`others_committed` tells, at the price of a query, whether there was a commit since it was last asked."""
        self._wal = wal
        self._others_committed = others_committed
        self._on_news = on_news
        self._stopped, self._stop = os.pipe()
        self._stopping = False
        self.looks = 0
        """How often the file was looked at."""
        self.queries = 0
        """How often the database was asked."""
        self.unchanged = 0
        """How often the file was looked at since it changed."""
        self.rests = False
        """It waits to be told of the next change."""
        self._thread = threading.Thread(target=self._run, name="holdfast-listener", daemon=True)
        self._thread.start()

    @property
    def is_quiet(self) -> bool:
        """Tell whether nothing has changed for a moment."""
        return self.unchanged >= _QUIET

    def stop(self) -> None:
        """End it and its thread. Idempotent."""
        if not self._stopping:
            self._stopping = True
            os.close(self._stop)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        watch = _watch()
        stopped, told = select.poll(), select.poll()
        for each in (stopped, told):
            each.register(self._stopped)
        if watch is not None:
            told.register(watch.descriptor, select.POLLIN)
        seen = self._stamp()
        while not self._stopping:
            stamp = self._stamp()
            self.looks += 1
            if stamp != seen:
                seen, self.unchanged = stamp, 0
            if self.unchanged in _ASKS_AT:
                self._look()
            self.unchanged += 1
            if watch is None or self.unchanged < _QUIET:
                stopped.poll(1000 * _PERIOD)
            elif self.unchanged == _QUIET:
                watch = _follow(watch, self._wal)  # and look once more, for what came before that
            else:
                self.rests = True
                if told.poll(1000 * REST) and not self._stopping:
                    self.rests, self.unchanged = False, 0
                    stopped.poll(1000 * _WRITTEN_TO_COMMITTED)
        os.close(self._stopped)
        if watch is not None:
            watch.close()

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


def _watch() -> FileWatch | None:
    try:
        return FileWatch()
    except OSError as error:
        log.debug("the log file is looked at all the time: %s", error)
        return None


def _follow(watch: FileWatch, wal: Path) -> FileWatch | None:
    try:
        watch.follow(wal)
    except OSError as error:
        log.debug("the log file is looked at all the time: %s", error)
        watch.close()
        return None
    return watch


class SilentListener:
    """A database in memory has no other processes."""

    def stop(self) -> None:
        """Do nothing."""
