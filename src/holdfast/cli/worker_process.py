"""One process of a worker: launches the application, serves its endpoint, ends on a signal or when idle."""

from __future__ import annotations

import logging
import os
import threading

from holdfast import Holdfast
from holdfast.cli.endpoint import Endpoint, Health
from holdfast.cli.exits import Exit
from holdfast.cli.inbox import Inbox
from holdfast.errors import StoreUnavailable
from holdfast.runtime.engine import Engine

log = logging.getLogger("holdfast.worker")

_IDLE_LOOKS = 5
"""How often per idle time the database is looked at."""


class WorkerProcess:
    """See the module's page. Runs in the main thread."""

    def __init__(
        self, app: Holdfast, *, http: tuple[str, int] | None, idle_after: float | None, parent_fd: int | None
    ) -> None:
        """`idle_after`: end when nothing was due or running for so many seconds; None never does.

        `parent_fd` is a pipe whose other end only a supervising parent has: it closes when the parent is gone.
        """
        self._app, self._http, self._idle_after, self._parent_fd = app, http, idle_after, parent_fd
        self._inbox: Inbox[str] = Inbox(on_stop="signal")

    def run(self) -> Exit:
        """Work until told to stop; return the exit code."""
        if self._parent_fd is not None:
            threading.Thread(target=self._watch_parent, args=(self._parent_fd,), daemon=True).start()
        with self._inbox:
            self._app.launch()
            try:
                self._work(self._app.engine)
            finally:
                self._close()
        log.info("worker ended", extra={"action": "worker_ended"})
        return Exit.DONE

    def _work(self, engine: Engine) -> None:
        endpoint = None if self._http is None else Endpoint(Health(engine), *self._http)
        log.info(
            "worker %s (pid %d) runs %d kinds of workflows%s",
            engine.worker_id,
            os.getpid(),
            len(engine.definitions.workflow_names()),
            f", {endpoint.address}" if endpoint is not None else "",
            extra={"action": "worker_ready"},
        )
        try:
            if self._idle_after is None:
                self._inbox.get()
            else:
                self._wait_until_idle(engine, self._idle_after)
            log.info("worker %s is closing", engine.worker_id, extra={"action": "worker_closing"})
        finally:
            if endpoint is not None:
                endpoint.close()

    def _close(self) -> None:
        """Close the application from another thread: this one hears of a second signal meanwhile."""
        closing = threading.Thread(target=self._close_app, name="holdfast-close", daemon=True)
        closing.start()
        if self._inbox.get() == "signal":
            # Nothing is lost: what was acknowledged is in the database, and other workers take the rest over.
            os._exit(Exit.INTERRUPTED)
        closing.join()

    def _close_app(self) -> None:
        try:
            self._app.close()
        finally:
            self._inbox.put("closed")

    def _watch_parent(self, descriptor: int) -> None:
        while os.read(descriptor, 1):
            pass
        self._inbox.put("orphaned")

    def _wait_until_idle(self, engine: Engine, seconds: float) -> None:
        idle_since: float | None = None
        while self._inbox.get(max(seconds / _IDLE_LOOKS, 0.1)) is None:
            now = engine.clock.monotonic()
            if _has_work(engine, seconds):
                idle_since = None
            elif idle_since is None:
                idle_since = now
            elif now - idle_since >= seconds:
                log.info("nothing is due or running", extra={"action": "worker_idle"})
                return


def _has_work(engine: Engine, horizon: float) -> bool:
    if engine.running:
        return True
    names = engine.definitions.workflow_names()
    try:
        upcoming = engine.store.upcoming_schedules(names, 1)
        ticks = bool(upcoming) and (upcoming[0].next_at or 0.0) <= engine.clock.now() + horizon
        return ticks or engine.store.has_work(names, horizon)
    except StoreUnavailable:
        return True
