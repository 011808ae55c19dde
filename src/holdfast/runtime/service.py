"""Starting and stopping an engine's threads in the right order."""

from __future__ import annotations

import logging
import threading

from holdfast.core.options import Retention
from holdfast.errors import StoreUnavailable
from holdfast.runtime.cleaner import Cleaner
from holdfast.runtime.engine import Engine
from holdfast.runtime.lease import Lease
from holdfast.runtime.notifier import Notifier
from holdfast.runtime.scheduler import Scheduler
from holdfast.runtime.worker import Worker
from holdfast.store.base import Listener

log = logging.getLogger("holdfast.engine")


class Service:
    """A running engine: committer, lease, listener, notifier, worker, scheduler, and a cleaner if asked for."""

    def __init__(self, engine: Engine, retention: Retention | None = None) -> None:
        self.engine = engine
        self._cleaner = None if retention is None else Cleaner(engine, retention)
        self._lease = Lease(engine)
        self._worker = Worker(engine)
        self._scheduler = Scheduler(engine)
        self._notifier: Notifier | None = None
        self._listener: Listener | None = None

    def start(self) -> None:
        """Open the store, migrate, take over what a dead predecessor left, then begin to claim.

        Raises `ConfigurationError`, `SchemaTooNew`, `StoreUnavailable`.
        """
        engine = self.engine
        engine.store.open()
        try:
            engine.open_databases()
            engine.clock.synchronise()
            engine.committer.start()
            engine.queues.declare()
            if engine.store.dialect == "postgresql":
                self._notifier = Notifier(engine.store)
                self._notifier.start()
                engine.on_news = self._notifier.push
            self._scheduler.declare()
            self._lease.start()
            self._listener = engine.store.listen(engine.heard)
            self._worker.start()
            self._scheduler.start()
            if self._cleaner is not None:
                self._cleaner.start()
        except BaseException:
            engine.closing = True
            engine.committer.give_up()
            engine.committer.stop()
            engine.store.close()
            raise

    def stop(self) -> None:
        """Let running steps end within the configured time, give the rest back, and close everything."""
        engine, limit = self.engine, self.engine.config.shutdown_timeout
        engine.closing = True
        # A database that is away must not keep the process from ending: what it did not take is done again later.
        patience = threading.Timer(2 * limit, engine.committer.give_up)
        patience.daemon = True
        patience.start()
        try:
            self._stop(limit)
        finally:
            patience.cancel()

    def _stop(self, limit: float) -> None:
        engine = self.engine
        if self._cleaner is not None:
            self._cleaner.stop()
        self._scheduler.stop()
        self._worker.stop()
        if not engine.release_all(limit):
            log.warning(
                "%d workflows are still in a step after %g s; they are left to the next worker",
                len(engine.running),
                limit,
                extra={"action": "shutdown_timeout"},
            )
            engine.write_what_rides()  # or the next worker would do it again
            engine.loops.cancel_all()
        self._lease.stop()
        self._lease.resign()
        if self._listener is not None:
            self._listener.stop()
        if self._notifier is not None:
            self._notifier.stop()
        engine.committer.stop()
        engine.pool.stop()
        engine.loops.stop()
        try:
            engine.close_databases()
            engine.store.close()
        except StoreUnavailable as error:
            log.warning("closing the database failed: %s", error, extra={"action": "store_unavailable"})
