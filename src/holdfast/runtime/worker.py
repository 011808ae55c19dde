"""The worker: claims what is due and runs it. Woken by news and by timers; looks by itself only as a safety net."""

from __future__ import annotations

import logging
import threading

from holdfast import failpoints
from holdfast.core.model import Claimed
from holdfast.errors import StoreUnavailable
from holdfast.runtime.engine import Engine
from holdfast.store.writes import Claim, Receipt, Unit

log = logging.getLogger("holdfast.worker")

CLAIM_LIMIT = 200
AFTER_FAILURE = 1.0
"""Seconds until the next look after one that the database did not answer."""
ALONE_PAUSE = 0.1
"""Seconds until the next look whether a suspect's time alone is over."""
CLOCK_DOUBT = 0.05
"""Seconds by which this process's idea of the database's clock may be off."""
CLOCK_LAG = 5.0
"""Seconds that the engine's clock may be behind the database's; a jump of that one is another matter."""


class Worker:
    """One thread that feeds the engine from the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdfast-worker", daemon=True)
        self._next_due: float | None = None
        self._queues_first = False
        self._accused_since: float | None = None
        """Since when (monotonic) this worker knows of accused workflows that nobody runs; None: there are none."""
        self._reported: set[str | tuple[str, str]] = set()
        engine.on_timer = self._timer_set

    def start(self) -> None:
        """Start claiming."""
        self._thread.start()

    def stop(self) -> None:
        """Stop claiming, and wait until a claim that is under way is dispatched."""
        self._stopping.set()
        self._engine.hub.work.set()
        self._thread.join()

    def _timer_set(self, due: float) -> None:
        if self._next_due is None or due < self._next_due:
            self._next_due = due
            self._engine.hub.work.set()

    def _run(self) -> None:
        has_looked = False
        while not self._stopping.is_set():
            self._engine.hub.work.clear()
            since = self._engine.clock.now() - CLOCK_DOUBT
            try:
                if not has_looked:
                    # Before all that is due: nothing runs here yet.
                    self._look_for_accused()
                    has_looked = True
                more = self._claim_and_dispatch()
                if not more:
                    self._look_ahead(since)
            except StoreUnavailable as error:
                log.warning("waiting for the database: %s", error, extra={"action": "store_unavailable"})
                more, knows_when = False, False
            except Exception:
                log.exception("claiming failed; trying again", extra={"action": "claim_failed"})
                more, knows_when = False, False
            else:
                knows_when = True
            if not more:
                self._engine.hub.work.wait(self._pause(knows_when=knows_when))

    def _pause(self, *, knows_when: bool) -> float:
        config, now = self._engine.config, self._engine.clock.now()
        if self._engine.solitude.is_on:
            return ALONE_PAUSE
        if not knows_when or self._accused_since is not None:
            return min(config.poll, AFTER_FAILURE)
        if self._next_due is None:
            return config.poll
        return min(config.poll, max(self._next_due - now, 0.005))

    def _look_ahead(self, since: float) -> None:
        """Find when to look again, and what nobody here can run. `since`: before the last claim."""
        pinned = self._engine.pinned_claims()
        names, serves = self._engine.definitions.workflow_names(), self._engine.config.serves
        store = self._engine.store
        # Any timer that is set from here on, which the look may miss, has the worker look once more.
        self._next_due = None
        times = [store.next_due(names, pinned, after=since)]
        if serves != ():
            times.append(store.next_due_in_queues(names, serves, after=since, pinned=pinned))
        self._next_due = min((due for due in times if due is not None), default=None)
        self._look_for_accused()
        for name, count in store.count_unknown(names, serves).items():
            if name not in self._reported:
                self._reported.add(name)
                log.warning(
                    "%d workflows named %r wait for a worker that knows this function; this one does not. "
                    "They stay as they are: import the module that defines it, or give the renamed function name=%r",
                    count,
                    name,
                    name,
                    extra={"action": "unknown_workflow"},
                )

        if pinned:
            self._look_for_other_versions(pinned)

    def _look_for_accused(self) -> None:
        engine = self._engine
        if not engine.store.accused_wait(engine.definitions.workflow_names(), engine.config.crash_limit):
            self._accused_since = None
        elif self._accused_since is None:
            self._accused_since = engine.clock.monotonic()

    def _look_for_other_versions(self, pinned: tuple[tuple[str, str], ...]) -> None:
        for (name, version), count in self._engine.store.count_other_versions(pinned).items():
            if (name, version) not in self._reported:
                self._reported.add((name, version))
                log.warning(
                    "%d workflows named %r wait for a worker that has version %s of its code, to which they are "
                    "pinned; this one does not. Keep such a worker until they have ended, or the old function "
                    "beside the new one: @workflow(name=%r, version=%r)",
                    count,
                    name,
                    version,
                    name,
                    version,
                    extra={"action": "other_version"},
                )

    def _claim_and_dispatch(self) -> bool:
        """Claim once; tell whether there may be more at once."""
        engine = self._engine
        names = engine.definitions.workflow_names()
        if self._accused_since is not None:
            self._take_accused(names, self._accused_since)
        if engine.solitude.is_on:
            return False
        # Said before the look, so that nobody who makes room meanwhile keeps it to himself.
        engine.wants_room = True
        room = engine.config.max_running - engine.in_memory
        if room <= 0 or not names or engine.closing:
            return False
        engine.wants_room = False
        for limit, queue_limit in self._shares(room):
            taken = self._claim(names, limit, queue_limit)
            for claimed in taken:
                self._dispatch(claimed)
            if taken:
                return len(taken) >= min(share for share in (limit, queue_limit) if share)
        return False

    def _claim(self, names: tuple[str, ...], limit: int, queue_limit: int, *, accused: bool = False) -> list[Claimed]:
        engine = self._engine
        claim = Claim(
            claim_id=engine.ids.new(),
            worker_id=engine.worker_id,
            names=names,
            pinned=engine.pinned_claims(),
            limit=limit,
            isolate_from=engine.config.isolate_from,
            accused_from=engine.config.crash_limit,
            accused=accused,
            queues=engine.config.serves,
            queue_limit=queue_limit,
        )
        receipt: Receipt = engine.committer.submit(Unit(writes=(claim,))).wait()
        taken: list[str] = receipt.results[0]
        failpoints.reached("claim.after", taken)
        return self._load(taken) if taken else []

    def _take_accused(self, names: tuple[str, ...], since: float) -> None:
        """Take an accused workflow to run it alone, or beside others where for a whole lease something always ran."""
        engine = self._engine
        engine.solitude.reserve()
        try:
            is_idle = not engine.in_memory
            if not is_idle and engine.clock.monotonic() - since < engine.config.lease:
                return
            for limit, queue_limit in ((1, 0),) if engine.config.serves == () else ((1, 0), (0, 1)):
                for claimed in self._claim(names, limit, queue_limit, accused=True):
                    self._dispatch(claimed, alone=is_idle)
                    return
        finally:
            engine.solitude.release()

    def _shares(self, room: int) -> list[tuple[int, int]]:
        """Share what there is room for between workflows without and with a queue, so that neither keeps out the other.

        The last single one goes to either in turn.
        """
        if self._engine.config.serves == ():
            return [(min(CLAIM_LIMIT, room), 0)]
        if room > 1:
            return [(min(CLAIM_LIMIT, room - room // 2), min(CLAIM_LIMIT, room // 2))]
        self._queues_first = not self._queues_first
        return [(0, 1), (1, 0)] if self._queues_first else [(1, 0), (0, 1)]

    def _load(self, workflow_ids: list[str]) -> list[Claimed]:
        pause = 0.05
        while True:
            try:
                loaded = self._engine.store.claimed(workflow_ids)
                if any(_may_be_overdue(claimed, self._engine.clock.now()) for claimed in loaded):
                    # It was claimed by the database's clock, of which the engine's lags a little.
                    self._engine.clock.synchronise()
                return loaded
            except StoreUnavailable:
                if self._stopping.wait(pause):
                    raise
                pause = min(pause * 2, 1.0)

    def _dispatch(self, claimed: Claimed, *, alone: bool = False) -> None:
        loaded = self._engine.load(claimed)
        if loaded is not None:
            execution, args, kwargs = loaded
            if alone:
                self._engine.solitude.begin(execution)
            failpoints.reached("claim.loaded", execution.workflow_id)
            log.debug("workflow %s goes on", execution.workflow_id, extra={"action": "workflow_resumed"})
            self._engine.run_in_background(execution, args, kwargs)


def _may_be_overdue(claimed: Claimed, now: float) -> bool:
    """Tell whether a workflow was perhaps claimed at its deadline, not to be begun at all."""
    deadline_at = claimed.record.deadline_at
    return claimed.record.epoch == 1 and deadline_at is not None and now < deadline_at < now + CLOCK_LAG
