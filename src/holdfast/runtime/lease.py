"""Life and death of workers: this one's heartbeat, and the take-over of those that died.

    authoritative       the worker's row in the database: `alive` and `lease_until`
    this worker lives   it writes a heartbeat every second (every fifth, alone and with nothing to do); losing its row
                        (it was taken for dead) makes it a new worker
    a peer is dead      its process is gone for certain (the lock that dies with it), or this worker has itself watched
                        its heartbeat stand still for a whole lease while the database answered
    take-over           one write: row no longer alive, its running workflows enqueued with a raised epoch

A paused or cut-off worker may come back after that: the epoch refuses all it writes. A database that was away, for
everybody, is no evidence against anybody, so the watch begins anew after a gap.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from holdfast import failpoints
from holdfast.core.model import WorkerRecord
from holdfast.errors import StoreUnavailable
from holdfast.runtime.engine import Engine
from holdfast.store.base import WorkerLock
from holdfast.store.process import host_identity, process_started
from holdfast.store.writes import Heartbeat, Receipt, Register, TakeOver, Unit, Write

log = logging.getLogger("holdfast.lease")

REST = 5
"""Heartbeats that a worker alone on its database, with nothing in memory, makes one of."""


class Lease:
    """One thread that keeps this worker alive in the database and looks after the others."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock: WorkerLock | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdfast-lease", daemon=True)
        self._seen: dict[str, tuple[float, float]] = {}
        """Per peer: its last heartbeat, and since when (monotonic) it has been that one."""
        self._last_round = 0.0
        self._has_peers = True
        """As far as is known."""

    def start(self) -> None:
        """Register this worker, take over from those that are dead for certain, then keep going in a thread."""
        self._register()
        self._warn_of_copy()
        self._round()
        self._thread.start()

    def _warn_of_copy(self) -> None:
        """Say that the file is a copy of one that was in use: nobody can tell here whether that one still is."""
        if self._lock is None or not self._lock.is_first:
            return
        for peer in self._engine.store.workers():
            if peer.worker_id != self._engine.worker_id:
                log.warning(
                    "this database is a copy, made while worker %s (pid %d on %s) used the original: what ran there "
                    "goes on here. If it goes on there too, it is done twice: let only one of the two files be used",
                    peer.worker_id,
                    peer.pid,
                    peer.host.partition("/")[0],
                    extra={"action": "database_copied"},
                )

    def stop(self) -> None:
        """Stop the heartbeat; the row and the lock stay until `resign`."""
        self._stopping.set()
        self._thread.join()

    def resign(self) -> None:
        """Declare this worker gone, giving back what it still holds without blame, and release its lock."""
        farewell = TakeOver(worker_id=self._engine.worker_id, crash_limit=self._engine.config.crash_limit, blame=False)
        try:
            self._write(farewell)
        except StoreUnavailable:
            log.warning("the database is away: others take over when the lease ends", extra={"action": "resign_failed"})
        if self._lock is not None:
            self._lock.release()

    def _register(self) -> None:
        engine = self._engine
        now = engine.clock.now()
        self._lock = engine.store.lock_worker(engine.worker_id)
        worker = WorkerRecord(
            worker_id=engine.worker_id,
            host=host_identity(),
            pid=os.getpid(),
            process_started=process_started(os.getpid()),
            started_at=now,
            heartbeat_at=now,
            lease_until=now + engine.config.lease,
            suspect_id=None,
            alive=True,
        )
        self._write(Register(worker=worker, lease_seconds=engine.config.lease))

    def _run(self) -> None:
        while not self._stopping.wait(self._engine.config.heartbeat):
            try:
                self._engine.write_what_rides()
                if self._is_due():
                    self._round()
                self._engine.cancel_overdue()
            except StoreUnavailable as error:
                log.warning("no heartbeat: %s", error, extra={"action": "heartbeat_failed"})
            except Exception:
                log.exception("a heartbeat failed; trying again", extra={"action": "heartbeat_failed"})

    def _is_due(self) -> bool:
        if self._has_peers or self._engine.running:
            return True
        config = self._engine.config
        return self._engine.clock.monotonic() - self._last_round >= min(REST * config.heartbeat, config.lease / 4)

    def _round(self) -> None:
        engine, config = self._engine, self._engine.config
        asked_at = engine.clock.monotonic()
        failpoints.reached("heartbeat.before")
        peers = self._write(Heartbeat(worker_id=engine.worker_id, lease_seconds=config.lease))
        failpoints.reached("heartbeat.after")
        if peers is None:
            self._start_anew()
            return
        now = engine.clock.monotonic()
        if now - self._last_round > 3 * config.heartbeat:
            self._seen.clear()
        self._last_round = engine.heard_at = now
        self._has_peers = any(peer.worker_id != engine.worker_id for peer in peers)
        if engine.running:
            engine.cancel_here(engine.store.cancelled_by_others(engine.worker_id))
        for peer in peers:
            if peer.worker_id == engine.worker_id:
                engine.clock.adopt(peer.heartbeat_at, asked_at=asked_at)
            elif self._is_dead(peer, now):
                self._take_over(peer)

    def _is_dead(self, peer: WorkerRecord, now: float) -> bool:
        if self._lock is not None and self._lock.is_free(peer):
            return True
        # Alive or unknown: paused or cut off, it loses its work all the same when its lease ends.
        heartbeat_at, since = self._seen.get(peer.worker_id, (None, now))
        if heartbeat_at != peer.heartbeat_at:
            self._seen[peer.worker_id] = (peer.heartbeat_at, now)
            return False
        return now - since >= self._engine.config.lease

    def _take_over(self, peer: WorkerRecord) -> None:
        failpoints.reached("takeover.before", peer.worker_id)
        taken = self._write(TakeOver(worker_id=peer.worker_id, crash_limit=self._engine.config.crash_limit))
        failpoints.reached("takeover.after", peer.worker_id)
        self._seen.pop(peer.worker_id, None)
        if taken:
            log.warning(
                "worker %s (pid %d) is dead; %d of its workflows go on",
                peer.worker_id,
                peer.pid,
                len(taken),
                extra={"action": "worker_taken_over"},
            )

    def _start_anew(self) -> None:
        """Go on under a new identity: this worker was taken for dead, and all it ran belongs to others."""
        engine = self._engine
        log.warning(
            "worker %s was taken for dead (paused or cut off for longer than its lease); it goes on as a new one",
            engine.worker_id,
            extra={"action": "worker_renewed"},
        )
        if self._lock is not None:
            self._lock.release()
        engine.lease_losses += 1
        engine.worker_id = engine.ids.new()
        self._register()
        # What others left, or it left itself, is to be had again.
        engine.hub.work.set()

    def _write(self, write: Write) -> Any:
        receipt: Receipt = self._engine.committer.submit(Unit(writes=(write,))).wait()
        return receipt.results[0]
