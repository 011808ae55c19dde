"""Schedules: a tick is dealt with once, whoever tries and however often it is sent, by the declared overlap policy."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from typing import Any

import pytest

from holdfast.core.model import Fence, Status
from holdfast.core.schedule import Overlap, ScheduleRecord, Timing, tick_id
from holdfast.store.base import Store
from holdfast.store.schedule_writes import (
    SCHEDULES,
    AdvanceSchedule,
    PauseSchedule,
    Put,
    PutResult,
    PutSchedule,
    RemoveSchedule,
)
from holdfast.store.writes import Cancel, Create, Finish, Resume, TakeOver, Unit
from tests.conformance.kit import START, Bench, for_outcome, new

HOURLY = Timing(every=3600)
FIRST = START
_numbers = itertools.count(1)


def record(name: str = "report", **fields: Any) -> ScheduleRecord:
    defaults: dict[str, Any] = {
        "name": name,
        "workflow": "refund",
        "timing": HOURLY,
        "arguments": "{}",
        "digest": "d1",
        "revision": f"revision-{next(_numbers)}",
        "next_at": FIRST,
    }
    return ScheduleRecord(**{**defaults, **fields})


def put(bench: Bench, schedule: ScheduleRecord, mode: Put = Put.CREATE) -> PutResult:
    result: PutResult = bench.ask(PutSchedule(schedule=schedule, mode=mode))
    return result


def scheduled(bench: Bench, **fields: Any) -> ScheduleRecord:
    """Create the schedule `report`."""
    schedule = record(**fields)
    assert put(bench, schedule) is PutResult.WRITTEN
    return found(bench)


def found(bench: Bench, name: str = "report") -> ScheduleRecord:
    schedule = bench.store.schedule(name)
    assert schedule is not None
    return schedule


def tick(schedule: ScheduleRecord, *at: float, **fields: Any) -> AdvanceSchedule:
    """Go past ticks of a schedule as it was read."""
    assert schedule.next_at is not None
    ticks = at or (schedule.next_at,)
    defaults: dict[str, Any] = {
        "name": schedule.name,
        "revision": schedule.revision,
        "tick_id": f"tick-{next(_numbers)}",
        "expected_at": schedule.next_at,
        "workflows": tuple(new(tick_id(schedule.name, each), owner=None, created_at=each) for each in ticks),
        "last_at": ticks[-1],
        "next_at": ticks[-1] + 3600,
    }
    return AdvanceSchedule(**{**defaults, **fields})


def fire(bench: Bench, **fields: Any) -> str:
    """Let the next tick come; return its workflow's id, which need not exist."""
    schedule = found(bench)
    assert schedule.next_at is not None
    bench.clock.now = max(bench.clock.now, schedule.next_at)
    assert bench.ask(tick(schedule, **fields))
    return tick_id(schedule.name, schedule.next_at)


def run(bench: Bench, workflow_id: str) -> Fence:
    """Claim the one workflow that is due."""
    assert bench.claim() == [workflow_id]
    return Fence(workflow_id=workflow_id, epoch=bench.get(workflow_id).epoch)


def exists(bench: Bench, workflow_id: str) -> bool:
    return bench.store.get_workflow(workflow_id) is not None


def counts(bench: Bench) -> tuple[int, int, int]:
    schedule = found(bench)
    return schedule.started, schedule.skipped, schedule.missed


@pytest.fixture(autouse=True)
def _worker(request: pytest.FixtureRequest) -> None:
    if "bench" in request.fixturenames:
        request.getfixturevalue("bench").register("w1", "w2")


# Definitions


def test_what_is_written_comes_back(bench: Bench) -> None:
    written = record(
        timing=Timing(cron="0 9 * * *", timezone="Europe/Berlin"),
        overlap=Overlap.BUFFER_ONE,
        catchup=3600.0,
        jitter=2.5,
        queue="mail",
        priority=3,
        declared=True,
        arguments='{"région": "\\u0000"}',
    )
    assert put(bench, written) is PutResult.WRITTEN
    assert bench.last.news == {SCHEDULES}
    assert found(bench) == replace(written, created_at=START, updated_at=START)
    assert bench.store.schedule("other") is None
    assert bench.store.schedules() == [found(bench)]


def test_creating_the_same_again_is_fine_and_another_is_a_conflict(bench: Bench) -> None:
    scheduled(bench)
    assert put(bench, record()) is PutResult.SAME
    assert put(bench, record(digest="other")) is PutResult.CONFLICT
    assert found(bench).digest == "d1"


def test_only_what_is_there_is_changed(bench: Bench) -> None:
    assert put(bench, record(), Put.CHANGE) is PutResult.UNKNOWN
    assert bench.store.schedules() == []


def test_a_change_keeps_the_history_and_the_next_tick(bench: Bench) -> None:
    scheduled(bench)
    workflow_id = fire(bench)
    bench.ask(PauseSchedule(name="report", paused=True))
    changed = record(arguments='{"a": 1}', digest="d2", next_at=FIRST + 9999)
    assert put(bench, changed, Put.CHANGE) is PutResult.WRITTEN
    now = found(bench)
    assert (now.arguments, now.revision) == ('{"a": 1}', changed.revision)
    assert (now.paused, now.started, now.current_id, now.last_at) == (True, 1, workflow_id, FIRST)
    assert now.next_at == FIRST + 3600


def test_another_timing_brings_its_own_next_tick(bench: Bench) -> None:
    scheduled(bench)
    daily = record(timing=Timing(every=86400), next_at=FIRST + 500)
    assert put(bench, daily, Put.CHANGE) is PutResult.WRITTEN
    assert found(bench).next_at == FIRST + 500


def test_a_declaration_is_written_once_and_taken_over_when_it_changes(bench: Bench) -> None:
    assert put(bench, record(declared=True), Put.DECLARE) is PutResult.WRITTEN
    assert put(bench, record(declared=True), Put.DECLARE) is PutResult.SAME
    assert put(bench, record(declared=True, catchup=5.0), Put.DECLARE) is PutResult.WRITTEN
    assert found(bench).catchup == 5.0


def test_a_declaration_changed_at_run_time_stays_declared(bench: Bench) -> None:
    put(bench, record(declared=True), Put.DECLARE)
    put(bench, record(catchup=5.0), Put.CHANGE)
    assert found(bench).declared


def test_upcoming_are_those_that_tick_soonest_first(bench: Bench) -> None:
    schedules: dict[str, dict[str, Any]] = {
        "later": {"next_at": FIRST + 10},
        "soon": {},
        "never": {"next_at": None},
        "paused": {"paused": True},
        "foreign": {"workflow": "unknown"},
    }
    for name, fields in schedules.items():
        put(bench, record(name, **fields))
    assert [each.name for each in bench.store.upcoming_schedules(["refund"], 10)] == ["soon", "later"]
    assert [each.name for each in bench.store.upcoming_schedules(["refund"], 1)] == ["soon"]
    assert bench.store.upcoming_schedules([], 10) == []


def test_pausing_stops_ticks_and_resuming_goes_on_from_then(bench: Bench) -> None:
    schedule = scheduled(bench)
    assert bench.ask(PauseSchedule(name="report", paused=True))
    bench.clock.advance(7200)
    assert not bench.ask(tick(schedule))
    assert bench.ask(PauseSchedule(name="report", paused=False, next_at=FIRST + 3 * 3600))
    assert (found(bench).paused, found(bench).next_at) == (False, FIRST + 3 * 3600)
    # Resuming what goes on already does not leave out its next tick.
    assert bench.ask(PauseSchedule(name="report", paused=False, next_at=FIRST + 9 * 3600))
    assert found(bench).next_at == FIRST + 3 * 3600
    assert not bench.ask(PauseSchedule(name="other", paused=True))


def test_a_removed_schedule_is_gone_and_its_workflows_stay(bench: Bench) -> None:
    schedule = scheduled(bench)
    workflow_id = fire(bench)
    assert bench.ask(RemoveSchedule(name="report"))
    assert bench.store.schedule("report") is None
    assert exists(bench, workflow_id)
    assert not bench.ask(tick(schedule))
    assert not bench.ask(RemoveSchedule(name="report"))


# Ticks


def test_a_tick_starts_its_workflow_and_moves_on_in_one(bench: Bench) -> None:
    schedule = scheduled(bench)
    assert bench.ask(tick(schedule, missed=2))
    assert bench.last.ready
    workflow_id = tick_id("report", FIRST)
    now = found(bench)
    assert (now.next_at, now.last_at, now.current_id) == (FIRST + 3600, FIRST, workflow_id)
    assert counts(bench) == (1, 0, 2)
    assert bench.status(workflow_id) is Status.ENQUEUED
    run(bench, workflow_id)


def test_a_tick_comes_never_early_by_the_databases_clock(bench: Bench) -> None:
    schedule = scheduled(bench, next_at=FIRST + 1)
    assert not bench.ask(tick(schedule))
    assert not exists(bench, tick_id("report", FIRST + 1))
    bench.clock.advance(1)
    assert bench.ask(tick(schedule))


def test_a_second_ticker_comes_too_late(bench: Bench) -> None:
    schedule = scheduled(bench, overlap=Overlap.ALLOW)
    assert bench.ask(tick(schedule))
    assert not bench.ask(tick(schedule))
    assert counts(bench) == (1, 0, 0)
    assert len(bench.store.schedules()) == 1


def test_a_ticker_that_knows_a_former_definition_does_nothing(bench: Bench) -> None:
    schedule = scheduled(bench)
    put(bench, record(digest="d2"), Put.CHANGE)
    assert not bench.ask(tick(schedule))
    assert not exists(bench, tick_id("report", FIRST))


def test_ticks_of_many_schedules_share_a_commit_with_other_work(bench: Bench) -> None:
    for name in ("a", "b"):
        put(bench, record(name))
    ticks = [Unit(writes=(tick(found(bench, name)),)) for name in ("a", "b")]
    receipts = bench.commit(
        Unit(writes=(Create(workflow=new("one")),)), *ticks, Unit(writes=(Create(workflow=new("two")),))
    )
    assert [receipt.accepted for receipt in receipts] == [True] * 4
    assert [receipt.results for receipt in receipts[1:3]] == [(True,), (True,)]
    for workflow_id in ("one", "two", tick_id("a", FIRST), tick_id("b", FIRST)):
        assert exists(bench, workflow_id)


def test_workers_that_tick_at_once_start_one_workflow_for_each_tick(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.ALLOW)
    bench.clock.advance(100 * 3600)
    stores = [bench.store, bench.reopen(), bench.reopen()]
    wins: list[int] = [0] * len(stores)
    start = threading.Barrier(len(stores))

    def ticker(store: Store, place: int) -> None:
        start.wait()
        for _ in range(20):
            seen = store.schedule("report")
            assert seen is not None
            [receipt] = store.commit([Unit(writes=(tick(seen),))]).receipts
            wins[place] += receipt.results == (True,)

    threads = [threading.Thread(target=ticker, args=(store, place)) for place, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = found(bench)
    assert done.started == sum(wins)
    assert done.last_at == FIRST + 3600 * (sum(wins) - 1)
    assert all(exists(bench, tick_id("report", FIRST + 3600 * n)) for n in range(done.started))
    assert not exists(bench, tick_id("report", FIRST + 3600 * done.started))


def test_workers_that_create_at_once_make_one_schedule(bench: Bench) -> None:
    stores = [bench.store, bench.reopen(), bench.reopen()]
    results: list[PutResult] = []
    start = threading.Barrier(len(stores))

    def create(store: Store, digest: str) -> None:
        start.wait()
        unit = Unit(writes=(PutSchedule(schedule=record(digest=digest), mode=Put.CREATE),))
        results.append(store.commit([unit]).receipts[0].results[0])

    threads = [threading.Thread(target=create, args=(store, f"d{n}")) for n, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [PutResult.CONFLICT, PutResult.CONFLICT, PutResult.WRITTEN]


def test_a_tick_whose_workflow_is_there_makes_no_room_for_it(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.CANCEL_OTHER)
    first = run(bench, fire(bench))
    bench.write(Create(workflow=new(tick_id("report", FIRST + 3600), owner=None)))
    fire(bench)
    assert bench.get(first.workflow_id).cancel_at is None
    assert counts(bench) == (1, 0, 0)


def test_a_delayed_tick_waits_for_its_time(bench: Bench) -> None:
    schedule = scheduled(bench)
    workflow_id = tick_id("report", FIRST)
    assert bench.ask(tick(schedule, workflows=(new(workflow_id, owner=None, wake_at=FIRST + 5),)))
    assert bench.claim() == []
    bench.clock.advance(5)
    run(bench, workflow_id)


# Overlaps


@pytest.mark.parametrize("overlap", list(Overlap))
def test_a_tick_starts_once_the_other_has_ended(bench: Bench, overlap: Overlap) -> None:
    scheduled(bench, overlap=overlap)
    bench.finish(run(bench, fire(bench)))
    run(bench, fire(bench))
    assert counts(bench) == (2, 0, 0)


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.BUFFER_ONE, Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER])
def test_one_that_was_set_aside_keeps_no_tick_back(bench: Bench, overlap: Overlap) -> None:
    scheduled(bench, overlap=overlap)
    stuck = run(bench, fire(bench))
    bench.block(stuck)
    run(bench, fire(bench))
    assert bench.status(stuck.workflow_id) is Status.BLOCKED


def test_allow_starts_beside_the_other(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.ALLOW)
    run(bench, fire(bench))
    run(bench, fire(bench))
    assert counts(bench) == (2, 0, 0)


@pytest.mark.parametrize("begun", [True, False])
def test_skip_leaves_the_tick_out(bench: Bench, *, begun: bool) -> None:
    scheduled(bench, overlap=Overlap.SKIP)
    first = fire(bench)
    if begun:
        run(bench, first)
    assert not exists(bench, fire(bench))
    assert counts(bench) == (1, 1, 0)
    assert found(bench).current_id == first


def test_skip_counts_a_suspended_one_as_going_on(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.SKIP)
    assert bench.sleep(run(bench, fire(bench)), wake_at=FIRST + 10**6)
    assert not exists(bench, fire(bench))


def test_buffer_one_starts_when_the_other_ends(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.BUFFER_ONE)
    first = run(bench, fire(bench))
    second = fire(bench)
    assert bench.status(second) is Status.SUSPENDED
    assert bench.claim() == []
    assert not exists(bench, fire(bench))
    assert counts(bench) == (2, 1, 0)
    bench.finish(first)
    assert bench.last.ready
    run(bench, second)
    # It has taken the first one's place, and the next waits for it.
    third = fire(bench)
    assert bench.status(third) is Status.SUSPENDED
    assert (found(bench).current_id, found(bench).held_id) == (second, third)


def test_a_held_one_starts_if_the_other_ends_in_the_same_batch(bench: Bench) -> None:
    for finish_first in (True, False):
        name = f"report-{finish_first}"
        put(bench, record(name, overlap=Overlap.BUFFER_ONE, next_at=bench.clock.now))
        schedule = found(bench, name)
        assert bench.ask(tick(schedule))
        first = run(bench, tick_id(name, bench.clock.now))
        bench.clock.advance(3600)
        ends = Unit(writes=(Finish(status=Status.SUCCEEDED, output="1"),), fence=first)
        ticks = Unit(writes=(tick(found(bench, name)),))
        bench.commit(*((ends, ticks) if finish_first else (ticks, ends)))
        run(bench, tick_id(name, bench.clock.now))


def test_a_held_one_that_nothing_keeps_any_more_is_let_go_by_the_next_tick(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.BUFFER_ONE)
    first = run(bench, fire(bench))
    second = fire(bench)
    bench.block(first)
    assert bench.claim() == []
    third = fire(bench)
    run(bench, second)
    assert bench.status(third) is Status.SUSPENDED


def test_a_held_one_that_is_cancelled_ends_without_beginning(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.BUFFER_ONE)
    first = run(bench, fire(bench))
    second = fire(bench)
    assert bench.ask(Cancel(workflow_id=second)) == [second]
    assert bench.status(second) is Status.CANCELLED
    bench.finish(first)
    assert bench.claim() == []


def test_cancel_other_lets_it_end_first(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.CANCEL_OTHER)
    first = run(bench, fire(bench))
    second = fire(bench)
    assert bench.get(first.workflow_id).cancel_at is not None
    assert bench.status(first.workflow_id) is Status.RUNNING
    assert first.workflow_id in bench.last.news
    assert bench.status(second) is Status.SUSPENDED
    # The latest tick is the one that counts.
    third = fire(bench)
    assert bench.status(second) is Status.CANCELLED
    bench.write(Finish(status=Status.CANCELLED), fence=first)
    run(bench, third)


def test_cancel_other_starts_at_once_if_the_other_never_began(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.CANCEL_OTHER)
    first = fire(bench)
    second = fire(bench)
    assert bench.status(first) is Status.CANCELLED
    run(bench, second)


def test_terminate_other_refuses_what_it_still_writes(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.TERMINATE_OTHER)
    first = run(bench, fire(bench))
    child = bench.start("child", parent_id=first.workflow_id)
    second = fire(bench)
    assert bench.last.news == {first.workflow_id, child.workflow_id}
    for ended in (first, child):
        assert bench.status(ended.workflow_id) is Status.CANCELLED
        assert bench.refused(Finish(status=Status.SUCCEEDED, output="1"), fence=ended)
    assert bench.store.outcomes([first.workflow_id])[first.workflow_id].status is Status.CANCELLED
    run(bench, second)


def test_terminate_other_wakes_who_waits_for_the_outcome(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.TERMINATE_OTHER)
    first = run(bench, fire(bench))
    waiter = bench.start("waiter")
    assert bench.sleep(waiter, for_outcome(first.workflow_id))
    fire(bench)
    assert bench.status("waiter") is Status.ENQUEUED


def test_a_terminated_suspect_frees_its_worker(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.TERMINATE_OTHER)
    first = run(bench, fire(bench))
    bench.ask(TakeOver(worker_id="w1", crash_limit=3))
    assert bench.claim("w2") == [first.workflow_id]
    second = fire(bench)
    assert bench.claim("w2") == [second]
    assert bench.suspect_of("w2") is None


def test_ticks_caught_up_together_overlap_one_another(bench: Bench) -> None:
    for overlap, expected in {
        Overlap.ALLOW: [Status.ENQUEUED] * 3,
        Overlap.SKIP: [Status.ENQUEUED, None, None],
        Overlap.BUFFER_ONE: [Status.ENQUEUED, Status.SUSPENDED, None],
        Overlap.CANCEL_OTHER: [Status.CANCELLED, Status.CANCELLED, Status.ENQUEUED],
        Overlap.TERMINATE_OTHER: [Status.CANCELLED, Status.CANCELLED, Status.ENQUEUED],
    }.items():
        put(bench, record(overlap.value, overlap=overlap))
        bench.clock.now = FIRST + 2 * 3600
        ticks = (FIRST, FIRST + 3600, FIRST + 7200)
        assert bench.ask(tick(found(bench, overlap.value), *ticks))
        stand = [bench.store.get_workflow(tick_id(overlap.value, at)) for at in ticks]
        assert [each and each.status for each in stand] == expected, overlap


def test_a_resumed_one_holds_the_schedule_again(bench: Bench) -> None:
    scheduled(bench, overlap=Overlap.SKIP)
    stuck = run(bench, fire(bench))
    bench.block(stuck)
    bench.ask(Resume(workflow_id=stuck.workflow_id))
    assert not exists(bench, fire(bench))
