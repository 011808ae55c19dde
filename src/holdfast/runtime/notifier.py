"""Tells other processes what this one committed: hints, gathered for a moment, off the write path."""

from __future__ import annotations

import logging
import threading

from holdfast.errors import StoreUnavailable
from holdfast.store.base import Store
from holdfast.store.writes import Committed

log = logging.getLogger("holdfast.notifier")

GATHER = 0.003
GATHER_MORE, MANY = 0.012, 8
"""Where there was news of so many workflows, the next hint gathers for longer: each costs as much as a small commit."""


class Notifier:
    """One thread that sends what has gathered, at most once in a few milliseconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._news: set[str] = set()
        self._ready = False
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdfast-notifier", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def stop(self) -> None:
        """Send what has gathered, then end."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join()

    def push(self, committed: Committed) -> None:
        """Gather the news of a commit; never blocks."""
        with self._lock:
            self._news |= committed.news
            self._ready = self._ready or committed.ready
        self._wanted.set()

    def _run(self) -> None:
        gather = GATHER
        while True:
            self._wanted.wait()
            # Cleared before the look at `_stopping`, which `stop` sets first: its call is never wiped away unseen.
            self._wanted.clear()
            stopping = self._stopping.wait(gather)
            with self._lock:
                news, self._news = self._news, set()
                ready, self._ready = self._ready, False
            gather = GATHER_MORE if len(news) > MANY else GATHER
            if news or ready:
                self._send(news, ready=ready)
            if stopping:
                return

    def _send(self, news: set[str], *, ready: bool) -> None:
        try:
            self._store.notify(news, ready=ready)
        except StoreUnavailable as error:
            log.debug("a hint was lost: %s", error, extra={"action": "hint_lost"})
