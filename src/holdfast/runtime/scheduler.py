"""The scheduler: goes past the ticks that are due, in every worker, without a leader.

    authoritative     the schedule's row: `next_at` is the tick that comes next
    a tick            one write, AdvanceSchedule: it moves `next_at` on and starts the tick's workflow, or does nothing
                      because another worker has done so. Ids are made of the schedule and the time
    a worker dies     before the commit: another one ticks, within the catch-up window. After it: the workflow is
                      enqueued like any other

It sleeps until the earliest `next_at` by the database's clock, and is woken when a schedule changes. While there is
none it looks once in a long while, in case a change was not heard of.
"""

from __future__ import annotations

import logging
import threading

from holdfast import failpoints
from holdfast.core.schedule import ScheduleRecord, due
from holdfast.errors import ConfigurationError, PayloadError, StoreUnavailable
from holdfast.runtime.committer import Ticket
from holdfast.runtime.engine import Engine
from holdfast.runtime.schedules import schedule_row, tick_workflow
from holdfast.store.schedule_writes import AdvanceSchedule, Put, PutResult, PutSchedule
from holdfast.store.writes import Unit

log = logging.getLogger("holdfast.scheduler")

AT_ONCE = 100
"""Schedules that are looked at in one go."""
IDLE_POLLS = 12
"""How many times longer than `Config.poll` it sleeps where there are no schedules."""
HINT_PAUSE = 0.05
"""Seconds for which hints of changes are collected before it looks."""


class Scheduler:
    """One thread that ticks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdfast-scheduler", daemon=True)
        self._unfit: dict[str, str] = {}
        """Schedules that this program can't tick, with the revision that is to blame."""

    def declare(self) -> None:
        """Write the schedules that the code declares. Raises `ConfigurationError`."""
        engine = self._engine
        for asked in engine.definitions.schedules():
            if asked.queue is not None:
                engine.queues.require(asked.queue)
        declared = {asked.name: schedule_row(engine, asked) for asked in engine.definitions.schedules()}
        tickets = [
            engine.committer.submit(Unit(writes=(PutSchedule(schedule=row, mode=Put.DECLARE),)))
            for row in declared.values()
        ]
        for row, ticket in zip(declared.values(), tickets, strict=True):
            if ticket.wait().results[0] is PutResult.WRITTEN:
                log.info("schedule %s is declared anew", row.name, extra={"action": "schedule_declared"})
        self._report_strays(frozenset(declared))

    def start(self) -> None:
        """Start ticking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop ticking, and wait until ticks that are under way are written."""
        self._stopping.set()
        self._engine.hub.schedules.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        engine = self._engine
        while not self._stopping.is_set():
            engine.hub.schedules.clear()
            try:
                pause = self._tick()
            except StoreUnavailable as error:
                log.warning("waiting for the database: %s", error, extra={"action": "store_unavailable"})
                pause = 1.0
            except Exception:
                log.exception("ticking failed; trying again", extra={"action": "tick_failed"})
                pause = engine.config.poll
            if engine.hub.schedules.wait(pause):
                self._stopping.wait(min(pause, HINT_PAUSE))

    def _tick(self) -> float:
        """Go past all that is due; return for how many seconds there is nothing to do."""
        engine = self._engine
        while not self._stopping.is_set():
            upcoming = self._upcoming()
            if not upcoming:
                return engine.config.poll * IDLE_POLLS
            now = engine.clock.now()
            if (first := upcoming[0].next_at) is not None and first > now:
                return min(engine.config.poll, max(first - now, 0.005))
            if not self._advance(upcoming, now):
                # Another worker was faster; or the database's clock was put back, and this one's is ahead of it.
                engine.clock.synchronise()
        return 0.0

    def _upcoming(self) -> list[ScheduleRecord]:
        found = self._engine.store.upcoming_schedules(self._engine.definitions.workflow_names(), AT_ONCE)
        return [schedule for schedule in found if self._unfit.get(schedule.name) != schedule.revision]

    def _advance(self, upcoming: list[ScheduleRecord], now: float) -> bool:
        """Go past what is due of these; tell whether this worker moved any on, or found out that it can't."""
        # In one order everywhere: workers that lock many schedules would else wait for one another.
        ready = [schedule for schedule in upcoming if schedule.next_at is not None and schedule.next_at <= now]
        failpoints.reached("tick.before")
        tickets: list[tuple[ScheduleRecord, AdvanceSchedule, Ticket]] = []
        for schedule in sorted(ready, key=lambda each: each.name):
            try:
                write = self._past(schedule, now)
            except (ConfigurationError, PayloadError) as error:
                self._set_aside(schedule, error)
            else:
                tickets.append((schedule, write, self._engine.committer.submit(Unit(writes=(write,)))))
        moved = len(tickets) < len(ready)
        for schedule, write, ticket in tickets:
            if ticket.wait().results[0]:
                moved = True
                self._ticked(schedule, write)
        return moved

    def _past(self, schedule: ScheduleRecord, now: float) -> AdvanceSchedule:
        expected_at = now if schedule.next_at is None else schedule.next_at
        come = due(schedule.timing, expected_at, now, schedule.catchup)
        return AdvanceSchedule(
            name=schedule.name,
            revision=schedule.revision,
            tick_id=self._engine.ids.new(),
            expected_at=expected_at,
            workflows=tuple(tick_workflow(self._engine, schedule, at) for at in come.ticks),
            last_at=come.ticks[-1] if come.ticks else expected_at,
            next_at=come.next_at,
            missed=come.missed,
        )

    def _ticked(self, schedule: ScheduleRecord, write: AdvanceSchedule) -> None:
        failpoints.reached("tick.after", schedule.name)
        for new in write.workflows:
            if new.wake_at is not None:
                self._engine.on_timer(new.wake_at)
        if write.missed:
            log.warning(
                "schedule %s missed %d ticks: nobody was there within %g s. app.schedules.backfill starts them",
                schedule.name,
                write.missed,
                schedule.catchup,
                extra={"action": "ticks_missed"},
            )

    def _set_aside(self, schedule: ScheduleRecord, error: Exception) -> None:
        self._unfit[schedule.name] = schedule.revision
        log.error(
            "schedule %s does not tick in this program: %s. Mend it, or change or remove the schedule",
            schedule.name,
            error,
            extra={"action": "schedule_unfit"},
        )

    def _report_strays(self, declared: frozenset[str]) -> None:
        """Tell which declarations are gone from the code, and which schedules wait for a program that is not there."""
        engine = self._engine
        known, now = set(engine.definitions.workflow_names()), engine.clock.now()
        for schedule in engine.store.schedules():
            if schedule.workflow in known:
                if schedule.declared and schedule.name not in declared:
                    log.warning(
                        "schedule %s is not declared in the code any more and ticks on: remove it with "
                        "app.schedules.remove(%r), or declare it again",
                        schedule.name,
                        schedule.name,
                        extra={"action": "schedule_undeclared"},
                    )
            elif not schedule.paused and schedule.next_at is not None and schedule.next_at < now - schedule.catchup:
                log.warning(
                    "schedule %s waits for a worker that knows the workflow %s; this one does not",
                    schedule.name,
                    schedule.workflow,
                    extra={"action": "schedule_unknown_workflow"},
                )
