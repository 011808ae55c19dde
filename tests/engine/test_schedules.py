"""Schedules in an application: declared and made at run time, by a clock in the test's hand."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from holdfast import (
    Handle,
    Holdfast,
    Overlap,
    Queue,
    ScheduleFields,
    Status,
    Tick,
    WorkflowFilter,
    recv,
    schedule,
    send,
    step,
    workflow,
)
from holdfast.api.registry import registry
from holdfast.errors import (
    AlreadyRegistered,
    BlockingCallOnEventLoop,
    ConfigurationError,
    ScheduleConflict,
    ScheduleNotFound,
    UsageError,
    WorkflowWasCancelled,
)
from holdfast.runtime.scheduler import IDLE_POLLS, Scheduler
from tests.engine.conftest import QUICK
from tests.helpers import aeventually, eventually

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ran: list[Any] = []


class Clock:
    """The database's clock: it goes on, and can be put forward."""

    def __init__(self) -> None:
        self._from = NOON.timestamp() - time.monotonic()

    def __call__(self) -> float:
        return self._from + time.monotonic()

    def put(self, to: datetime, *apps: Holdfast) -> None:
        """Put it to a later time, and let running applications know."""
        self._from = to.timestamp() - time.monotonic()
        for app in apps:
            app.engine.clock.synchronise()
            app.engine.hub.schedules.set()
            app.engine.hub.work.set()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_schedules", {})
    ran.clear()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(store_url: str, clock: Clock) -> Callable[[], Holdfast]:
    """Make an application on the test's database and clock."""

    def make_one() -> Holdfast:
        app = Holdfast(store_url, config=QUICK, queues=[Queue("mail")])
        app.store._clock = clock  # type: ignore[attr-defined]  # both stores have it
        return app

    return make_one


@pytest.fixture
def app(make: Callable[[], Holdfast]) -> Iterator[Holdfast]:
    with make() as launched:
        yield launched


@workflow
def tick_report(tick: Tick, what: str = "all", *, pages: int = 1) -> str:
    ran.append((tick, what, pages))
    return what


@workflow
def at_time(at: datetime | None = None) -> None:
    ran.append(at)


@workflow
def nothing_asked() -> None:
    ran.append("ran")


@workflow
async def coroutine(tick: Tick | None = None) -> None:
    ran.append(tick)


@workflow
def holds_on(tick: Tick) -> str:
    ran.append(tick.at.hour)
    return str(recv("go"))


def ids(app: Holdfast, name: str) -> list[str]:
    """The ids of a schedule's workflows, oldest tick first."""
    return sorted(each.workflow_id for each in app.list_workflows(WorkflowFilter(id_prefix=f"{name}@")))


def all_done(app: Holdfast, name: str, *times: str) -> None:
    """Wait until exactly these ticks' workflows have run."""
    wanted = [f"{name}@{each}" for each in times]
    eventually(lambda: ids(app, name) == wanted, message=f"{wanted}")
    for workflow_id in wanted:
        app.retrieve(workflow_id).result(timeout=10)


# Declared


def test_a_declared_schedule_starts_its_workflow_with_tick_and_arguments(
    make: Callable[[], Holdfast], clock: Clock
) -> None:
    declared = schedule("0 9 * * *", timezone="Europe/Berlin", args=["refunds"], kwargs={"pages": 2})(tick_report)
    assert declared is tick_report
    with make() as app:
        assert app.schedules.get("tick_report").declared
        nine = datetime(2026, 3, 3, 9, tzinfo=BERLIN)
        assert app.schedules.next_runs("tick_report", 2) == [nine, nine + timedelta(days=1)]
        assert ids(app, "tick_report") == []
        clock.put(nine, app)
        all_done(app, "tick_report", "2026-03-03T08:00:00Z")
        assert ran == [(Tick("tick_report", nine), "refunds", 2)]
        assert ran[0][0].at.tzinfo == BERLIN


def test_several_schedules_of_one_workflow_have_names(make: Callable[[], Holdfast], clock: Clock) -> None:
    schedule(every=3600, name="hourly")(schedule("30 12 * * *", name="half past")(nothing_asked))
    with make() as app:
        assert [each.name for each in app.schedules.list()] == ["half past", "hourly"]
        clock.put(NOON + timedelta(hours=1), app)
        eventually(lambda: len(ran) == 1)  # the other one's tick is half an hour old, and missed
        assert app.schedules.get("half past").missed == 1


def test_a_declaration_that_changed_changes_the_schedule_and_keeps_it_paused(
    make: Callable[[], Holdfast], clock: Clock
) -> None:
    schedule(every=3600)(nothing_asked)
    with make() as app:
        app.schedules.pause("nothing_asked")
    registry._schedules.clear()
    schedule(every=60, overlap="allow")(nothing_asked)
    with make() as app:
        found = app.schedules.get("nothing_asked")
        assert (found.timing.every, found.overlap, found.paused) == (60, Overlap.ALLOW, True)
        assert found.next_at == (NOON + timedelta(seconds=60)).timestamp()


def test_launching_again_does_not_lose_a_tick_that_came_meanwhile(make: Callable[[], Holdfast], clock: Clock) -> None:
    schedule(every=3600, catchup=600)(nothing_asked)
    with make() as app:
        pass
    clock.put(NOON + timedelta(hours=1, minutes=5))
    with make() as app:
        all_done(app, "nothing_asked", "2026-03-02T13:00:00Z")


def test_a_declaration_that_is_gone_is_reported_and_ticks_on(
    make: Callable[[], Holdfast], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    schedule(every=3600)(nothing_asked)
    with make():
        pass
    registry._schedules.clear()
    with caplog.at_level(logging.WARNING, "holdfast.scheduler"), make() as app:
        assert "schedule nothing_asked is not declared in the code any more" in caplog.text
        clock.put(NOON + timedelta(hours=1), app)
        all_done(app, "nothing_asked", "2026-03-02T13:00:00Z")


def test_a_schedule_whose_workflow_no_program_knows_is_reported(
    make: Callable[[], Holdfast], clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make() as app:
        app.schedules.create("lost", nothing_asked, every=3600)
    clock.put(NOON + timedelta(hours=5))
    known = dict(registry._workflows)
    del known["nothing_asked"]
    monkeypatch.setattr(registry, "_workflows", known)
    monkeypatch.setattr(registry, "_names", tuple(sorted(known)))
    with caplog.at_level(logging.WARNING, "holdfast.scheduler"), make() as app:
        assert "waits for a worker that knows the workflow nothing_asked" in caplog.text
        assert app.schedules.get("lost").missed == 0


def test_bad_declarations_are_found_when_they_are_made_or_at_launch(make: Callable[[], Holdfast]) -> None:
    class Service:
        @workflow(name="service.run")
        def run(self) -> None: ...

    for wrong in (
        lambda: schedule("61 * * * *")(tick_report),
        lambda: schedule(every=60, overlap="never")(tick_report),
        lambda: schedule(every=60, catchup=0)(tick_report),
        lambda: schedule(every=60)(len),
        lambda: schedule(every=60)(Service.run),
    ):
        with pytest.raises(ConfigurationError):
            wrong()
    schedule(every=60, name="one")(tick_report)
    with pytest.raises(AlreadyRegistered):
        schedule(every=60, name="one")(at_time)
    schedule(every=60, name="two", kwargs={"unknown": 1})(tick_report)
    with pytest.raises(ConfigurationError, match="schedule 'two' can't start tick_report"):
        make().launch()


# Made at run time


def test_a_schedule_is_made_changed_paused_resumed_and_removed(app: Holdfast, clock: Clock) -> None:
    made = app.schedules.create("mine", at_time, every=timedelta(hours=1), offset=60)
    assert app.schedules.create("mine", at_time, every=timedelta(hours=1), offset=60) == made
    with pytest.raises(ScheduleConflict):
        app.schedules.create("mine", at_time, every=60)
    clock.put(NOON + timedelta(minutes=1), app)
    all_done(app, "mine", "2026-03-02T12:01:00Z")
    assert ran == [NOON + timedelta(minutes=1)]

    assert app.schedules.change("mine", "0 15 * * *", timezone="Europe/Berlin").started == 1
    assert app.schedules.change("mine", catchup=5).timing.cron == "0 15 * * *"
    app.schedules.pause("mine")
    assert app.schedules.next_runs("mine") == []
    clock.put(NOON + timedelta(hours=2), app)
    app.schedules.resume("mine")
    assert app.schedules.next_runs("mine", 1) == [datetime(2026, 3, 3, 15, tzinfo=BERLIN)]
    clock.put(datetime(2026, 3, 3, 15, tzinfo=BERLIN), app)
    all_done(app, "mine", "2026-03-02T12:01:00Z", "2026-03-03T14:00:00Z")

    app.schedules.remove("mine")
    assert app.schedules.list() == []
    for gone in (app.schedules.get, app.schedules.pause, app.schedules.resume, app.schedules.remove):
        with pytest.raises(ScheduleNotFound):
            gone("mine")
    with pytest.raises(ScheduleNotFound):
        app.schedules.change("mine", every=5)


async def test_all_of_it_in_coroutines(make: Callable[[], Holdfast], clock: Clock) -> None:
    async with make() as app:
        schedules = app.schedules
        await schedules.acreate("mine", coroutine, every=3600)
        with pytest.raises(BlockingCallOnEventLoop, match="acreate"):
            schedules.create("other", coroutine, every=3600)
        await schedules.achange("mine", every=7200)
        await schedules.apause("mine")
        await schedules.aresume("mine")
        assert await schedules.anext_runs("mine", 1) == [NOON + timedelta(hours=2)]
        assert [each.name for each in await schedules.alist()] == [(await schedules.aget("mine")).name]
        clock.put(NOON + timedelta(hours=2), app)
        await aeventually(lambda: ran == [Tick("mine", NOON + timedelta(hours=2))])
        made = await schedules.abackfill("mine", NOON - timedelta(hours=4), NOON)
        assert made == ["mine@2026-03-02T08:00:00Z", "mine@2026-03-02T10:00:00Z"]
        await aeventually(lambda: len(ran) == 3)
        await schedules.aremove("mine")


def test_arguments_can_be_changed_and_come_back_as_they_went_in(app: Holdfast, clock: Clock) -> None:
    app.schedules.create("mine", tick_report, every=3600, args=["one"])
    app.schedules.change("mine", args=["two"], kwargs={"pages": 3})
    with pytest.raises(ConfigurationError, match="can't start tick_report"):
        app.schedules.change("mine", args=["two", "many", "more"])
    clock.put(NOON + timedelta(hours=1), app)
    all_done(app, "mine", "2026-03-02T13:00:00Z")
    assert ran[0][1:] == ("two", 3)


def test_a_method_of_a_registered_instance_is_scheduled(app: Holdfast, clock: Clock) -> None:
    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @workflow(name="shop.close")
        def close(self, tick: Tick, note: str) -> None:
            ran.append((self.name, tick.at.hour, note))

    shop = Shop("corner")
    app.register(shop, name="corner")
    app.schedules.create("closing", shop.close, "0 18 * * *", args=["good night"])
    app.schedules.change("closing", args=["bye"])
    clock.put(NOON + timedelta(hours=6), app)
    all_done(app, "closing", "2026-03-02T18:00:00Z")
    assert ran == [("corner", 18, "bye")]


def test_queue_and_priority_are_handed_on(app: Holdfast, clock: Clock) -> None:
    app.schedules.create("mine", nothing_asked, every=3600, queue="mail", priority=7)
    clock.put(NOON + timedelta(hours=1), app)
    eventually(lambda: ids(app, "mine"))
    found = app.get_workflow("mine@2026-03-02T13:00:00Z")
    assert (found.queue, found.priority) == ("mail", 7)
    assert app.retrieve(found.workflow_id).result(timeout=10) is None


def test_a_queue_that_nobody_declared_is_an_error(app: Holdfast, make: Callable[[], Holdfast]) -> None:
    with pytest.raises(ConfigurationError, match="'post'"):
        app.schedules.create("mine", nothing_asked, every=3600, queue="post")
    app.schedules.create("mine", nothing_asked, every=3600)
    with pytest.raises(ConfigurationError, match="'post'"):
        app.schedules.change("mine", queue="post")
    schedule(every=60, queue="post")(nothing_asked)
    with pytest.raises(ConfigurationError, match="'post'"):
        make().launch()


# Ticks


def test_ticks_within_the_window_are_caught_up_and_older_ones_counted(
    make: Callable[[], Holdfast], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with make() as app:
        app.schedules.create("mine", nothing_asked, every=3600, catchup=timedelta(hours=2), overlap=Overlap.ALLOW)
    clock.put(NOON + timedelta(hours=5, minutes=30))
    with make() as app:
        all_done(app, "mine", "2026-03-02T16:00:00Z", "2026-03-02T17:00:00Z")
        found = app.schedules.get("mine")
        assert (found.started, found.missed, found.skipped) == (2, 3, 0)
        eventually(lambda: "schedule mine missed 3 ticks" in caplog.text)
        assert app.schedules.backfill("mine", NOON, NOON + timedelta(hours=4)) == [
            f"mine@2026-03-02T{hour}:00:00Z" for hour in (12, 13, 14, 15)
        ]


def test_a_backfilled_tick_is_not_started_twice(app: Holdfast, clock: Clock) -> None:
    app.schedules.create("mine", tick_report, "0 9 * * *", timezone="Europe/Berlin")
    # A time without a zone is in the schedule's.
    start, end = datetime(2026, 2, 27, 9), datetime(2026, 3, 2, 9)  # noqa: DTZ001 - dates on a wall clock
    days = ["2026-02-27T08:00:00Z", "2026-02-28T08:00:00Z", "2026-03-01T08:00:00Z"]
    assert app.schedules.backfill("mine", start, end) == [f"mine@{day}" for day in days]
    assert app.schedules.backfill("mine", start, end) == []
    assert app.schedules.backfill("mine", start, end + timedelta(seconds=1)) == ["mine@2026-03-02T08:00:00Z"]
    all_done(app, "mine", *days, "2026-03-02T08:00:00Z")
    assert len(ran) == 4
    with pytest.raises(UsageError, match="not yet"):
        app.schedules.backfill("mine", start, end + timedelta(days=1))
    app.schedules.change("mine", every=1)
    with pytest.raises(UsageError, match="in parts"):
        app.schedules.backfill("mine", start, end)


def test_jitter_puts_the_start_off_but_not_the_tick(app: Holdfast, clock: Clock) -> None:
    app.schedules.create("mine", tick_report, every=3600, jitter=1000)
    one = NOON + timedelta(hours=1)
    clock.put(one, app)
    eventually(lambda: ids(app, "mine"))
    wake_at = app.get_workflow("mine@2026-03-02T13:00:00Z").wake_at
    assert wake_at is not None
    assert 0 < wake_at - one.timestamp() < 1000
    assert ran == []
    clock.put(one + timedelta(seconds=1001), app)
    all_done(app, "mine", "2026-03-02T13:00:00Z")
    assert ran[0][0].at == one


def test_two_workers_start_one_workflow_for_a_tick(make: Callable[[], Holdfast], clock: Clock) -> None:
    with make() as one, make() as two:
        one.schedules.create("mine", nothing_asked, every=3600, overlap=Overlap.ALLOW)
        for hour in range(1, 6):
            clock.put(NOON + timedelta(hours=hour), one, two)
            eventually(lambda: len(ran) == hour)  # noqa: B023 - called within its turn
        assert one.schedules.get("mine").started == 5
    assert len(ran) == 5


def test_a_change_in_another_worker_is_heard_of(make: Callable[[], Holdfast], clock: Clock) -> None:
    with make() as one, make() as two:
        woken = two.engine.hub.schedules
        eventually(lambda: not woken.is_set())
        heard = threading.Event()
        original = two.engine.store.upcoming_schedules

        def looked(names: Any, limit: int) -> Any:
            found = original(names, limit)
            if found:
                heard.set()
            return found

        two.engine.store.upcoming_schedules = looked  # type: ignore[method-assign]  # a look that is late is the case
        one.schedules.create("mine", nothing_asked, every=3600)
        assert heard.wait(10)  # long before it would look by itself


def test_without_schedules_there_is_next_to_nothing_to_do(app: Holdfast) -> None:
    assert Scheduler(app.engine)._tick() == QUICK.poll * IDLE_POLLS
    app.schedules.create("mine", nothing_asked, every=86400)
    assert Scheduler(app.engine)._tick() == QUICK.poll


def test_a_database_clock_that_is_put_back_makes_no_tick_early_and_no_worker_busy(app: Holdfast, clock: Clock) -> None:
    app.schedules.create("mine", nothing_asked, every=3600)
    clock.put(NOON + timedelta(minutes=59, seconds=59), app)
    clock.put(NOON + timedelta(minutes=10))  # before the application's own estimate follows
    commits = app.engine.committer.commits
    Scheduler(app.engine)._tick()
    assert app.engine.committer.commits - commits < 10
    assert ids(app, "mine") == []


def test_a_schedule_that_can_not_tick_here_keeps_no_other_from_ticking(
    app: Holdfast, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.schedules.create("broken", tick_report, every=3600)
    app.schedules.create("sound", nothing_asked, every=3600)

    @workflow(name="report_now")
    def report_now(day: int) -> None: ...

    changed = {**registry._workflows, "tick_report": registry._workflows["report_now"]}
    monkeypatch.setattr(registry, "_workflows", changed)
    clock.put(NOON + timedelta(hours=1), app)
    all_done(app, "sound", "2026-03-02T13:00:00Z")
    clock.put(NOON + timedelta(hours=2), app)
    all_done(app, "sound", "2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z")
    assert caplog.text.count("schedule broken does not tick in this program") == 1
    assert ids(app, "broken") == []


# Overlaps, to the end


def overlapping(app: Holdfast, clock: Clock, overlap: Overlap) -> tuple[Handle[Any], Handle[Any]]:
    """Let a second tick come while the first one's workflow waits."""
    fields: ScheduleFields = {"every": 3600, "overlap": overlap}
    app.schedules.create("mine", holds_on, **fields)
    for hour in (13, 14):
        clock.put(NOON.replace(hour=hour), app)
        eventually(lambda: app.schedules.get("mine").last_at == NOON.replace(hour=hour).timestamp())  # noqa: B023 - called before the loop goes on
        if hour == 13:
            eventually(lambda: 13 in ran)
    return app.retrieve("mine@2026-03-02T13:00:00Z"), app.retrieve("mine@2026-03-02T14:00:00Z")


def test_skip(app: Holdfast, clock: Clock) -> None:
    first, _ = overlapping(app, clock, Overlap.SKIP)
    send(first.id, "done", topic="go")
    assert first.result(timeout=10) == "done"
    assert ids(app, "mine") == [first.id]
    assert app.schedules.get("mine").skipped == 1


def test_buffer_one(app: Holdfast, clock: Clock) -> None:
    first, second = overlapping(app, clock, Overlap.BUFFER_ONE)
    assert second.status() is Status.SUSPENDED
    assert 14 not in ran
    send(first.id, "one", topic="go")
    eventually(lambda: 14 in ran)
    send(second.id, "two", topic="go")
    assert (first.result(timeout=10), second.result(timeout=10)) == ("one", "two")


def test_cancel_other(app: Holdfast, clock: Clock) -> None:
    first, second = overlapping(app, clock, Overlap.CANCEL_OTHER)
    with pytest.raises(WorkflowWasCancelled):
        first.result(timeout=10)
    send(second.id, "two", topic="go")
    assert second.result(timeout=10) == "two"


def test_terminate_other_ends_it_at_once_and_its_code_can_record_no_more(app: Holdfast, clock: Clock) -> None:
    go = threading.Event()

    @step
    def long_one() -> None:
        ran.append("began")
        go.wait(10)

    @step
    def never() -> None:
        ran.append("went on")

    @workflow
    def stubborn(tick: Tick) -> None:
        if tick.at.hour == 13:
            try:
                long_one()
                never()
            finally:
                ran.append("cleaned up")

    app.schedules.create("mine", stubborn, every=3600, overlap=Overlap.TERMINATE_OTHER)
    clock.put(NOON.replace(hour=13), app)
    eventually(lambda: ran == ["began"], message=f"{ran}")
    clock.put(NOON.replace(hour=14), app)
    first, second = app.retrieve("mine@2026-03-02T13:00:00Z"), app.retrieve("mine@2026-03-02T14:00:00Z")
    eventually(lambda: second.id in ids(app, "mine") and second.status() is Status.SUCCEEDED)
    with pytest.raises(WorkflowWasCancelled):
        first.result(timeout=10)
    go.set()
    eventually(lambda: not app.engine.running)
    assert "went on" not in ran
    assert app.get_journal(first.id) == []
