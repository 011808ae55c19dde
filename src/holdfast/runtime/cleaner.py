"""The cleaner: deletes workflows that ended long ago, by a policy. Gently, and one worker at a time."""

from __future__ import annotations

import logging
import threading

from holdfast.core.model import Status
from holdfast.core.options import Retention, seconds
from holdfast.errors import StoreUnavailable
from holdfast.runtime.deleting import delete_batch
from holdfast.runtime.effects import drive
from holdfast.runtime.engine import Engine
from holdfast.runtime.signals import Signal
from holdfast.store.management_writes import TakeDuty
from holdfast.store.writes import Receipt, Unit

log = logging.getLogger("holdfast.cleaner")

DUTY = "retention"
_GRACE = 30.0
"""Seconds beyond the interval after which another worker takes over from one that is gone."""


class Cleaner:
    """One thread that looks from time to time."""

    def __init__(self, engine: Engine, retention: Retention) -> None:
        self._engine = engine
        self._ages = {
            status: seconds(age)
            for status, age in (
                (Status.SUCCEEDED, retention.succeeded),
                (Status.FAILED, retention.failed),
                (Status.CANCELLED, retention.cancelled),
            )
            if age is not None
        }
        self._batch = retention.batch
        self._pause = seconds(retention.pause)
        self._interval = seconds(retention.interval)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdfast-cleaner", daemon=True)
        self.looked = Signal()
        """Set after each look, for tests to wait for."""

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the commit that is under way."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except StoreUnavailable as error:
                log.warning("waiting for the database: %s", error, extra={"action": "store_unavailable"})
            except Exception:
                log.exception("deleting old workflows failed; trying again", extra={"action": "retention_failed"})
            self.looked.set()
            if self._stopping.wait(self._interval):
                return

    def look(self) -> int:
        """Delete what is old enough, if this worker is the one to do it; return how many were deleted."""
        total = 0
        for status, age in self._ages.items():
            before = drive(self._engine.read(self._engine.store.now)) - age
            while not self._stopping.is_set() and self._is_mine():
                count = drive(delete_batch(self._engine, status, before, self._batch))
                total += count
                if not count or self._stopping.wait(self._pause):
                    break
        if total:
            log.info("%d workflows that ended long ago were deleted", total, extra={"action": "retention"})
        return total

    def _is_mine(self) -> bool:
        duty = TakeDuty(name=DUTY, holder=self._engine.worker_id, seconds=self._interval + _GRACE)
        receipt: Receipt = self._engine.committer.submit(Unit(writes=(duty,))).wait()
        return bool(receipt.results[0])
