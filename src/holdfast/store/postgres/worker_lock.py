"""A session's advisory lock for each worker: the server gives it up when the session ends, which a death does at once.

On one host the kernel knows better than the server, and is asked. Across hosts a free lock alone proves nothing: the
session of a living process may have been ended. Such a process takes its lock again within moments, so that only a lock
found free for a while, beside a heartbeat that stopped, on a server that has not just been started, counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from holdfast.core.model import WorkerRecord
from holdfast.store.postgres.sql import lock_key
from holdfast.store.postgres.watch import Watch
from holdfast.store.process import host_identity, is_running

HEARTBEAT_SECONDS = 3.0
"""A heartbeat older than this has missed its time."""
UPTIME_SECONDS = 15.0
"""What every process needs at most to come back to a server that was restarted."""
FREE_SECONDS = 2.0


class Read(Protocol):
    """Run a named query and give its rows."""

    def __call__(self, query: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Raise `StoreUnavailable` where the database is away."""


class PostgresWorkerLock:
    """See `holdfast.store.base.WorkerLock`."""

    is_first = False

    def __init__(
        self, watch: Watch, read: Read, worker_id: str, *, schema: str, clock: Callable[[], float] | None
    ) -> None:
        """Take the lock. Raises `StoreUnavailable`, `ConfigurationError` if a living process has this worker id."""
        self._watch, self._read, self._worker_id = watch, read, worker_id
        self._schema, self._clock = schema, clock
        self._free_since: dict[str, float] = {}
        watch.hold(self._key(worker_id))

    def release(self) -> None:
        """Give it up. Idempotent."""
        self._watch.drop(self._key(self._worker_id))

    def is_free(self, worker: WorkerRecord) -> bool | None:
        """Tell whether the process behind `worker` is gone; see the protocol."""
        if worker.worker_id == self._worker_id:
            return False
        if worker.host == host_identity():
            running = is_running(worker.pid, worker.process_started)
            return None if running is None else not running
        return True if self._is_long_gone(worker.worker_id) else None

    def _is_long_gone(self, worker_id: str) -> bool:
        if self._watch.is_polling:
            return False
        [(is_free,)] = self._read("try_lock", key=self._key(worker_id))
        if not is_free:
            self._free_since.pop(worker_id, None)
            return False
        now = time.monotonic()
        free_since = self._free_since.setdefault(worker_id, now)
        found = self._read("heartbeat_age", worker_id=worker_id, now=None if self._clock is None else self._clock())
        if not found or now - free_since < FREE_SECONDS:
            return False
        [(age, uptime)] = found
        return bool(age > HEARTBEAT_SECONDS and uptime > UPTIME_SECONDS)

    def _key(self, worker_id: str) -> int:
        return lock_key("worker", self._schema, worker_id)
