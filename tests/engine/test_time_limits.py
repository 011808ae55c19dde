"""Timeouts count from the first execution, deadlines are points in time; both bind children, and neither is early."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta

import pytest

from holdfast import (
    Holdfast,
    Status,
    WorkflowCancelled,
    WorkflowRecord,
    asleep,
    astart,
    options,
    recv,
    retrieve,
    send,
    sleep,
    start,
    step,
    workflow,
    workflow_id,
)
from holdfast.errors import ConfigurationError, WorkflowWasCancelled
from tests.engine.conftest import QUICK
from tests.helpers import aeventually, eventually

ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@workflow
def endures() -> None:
    ran.append("endures")
    recv("never")


@workflow(timeout=3600)
def limited() -> None:
    recv("never")


@workflow
def sets_a_limit() -> None:
    start(endures)
    sleep(3600)


def record(app: Holdfast, workflow_id: str) -> WorkflowRecord:
    found = app.store.get_workflow(workflow_id)
    assert found is not None
    return found


def test_a_timeout_counts_from_the_beginning_not_from_the_creation(app: Holdfast) -> None:
    handle = options(delay=0.6, timeout=0.5).start(endures)
    created = record(app, handle.id)
    assert created.deadline_at is None
    eventually(lambda: ran == ["endures"], message="it has to begin before its timeout counts")
    begun = record(app, handle.id)
    assert begun.deadline_at is not None
    assert begun.deadline_at >= created.created_at + 0.6 + 0.5
    with pytest.raises(WorkflowWasCancelled):
        handle.result(timeout=10)
    ended = record(app, handle.id)
    assert ended.finished_at is not None
    assert ended.finished_at >= begun.deadline_at


def test_many_that_are_started_at_once_count_from_when_each_is_claimed(app: Holdfast) -> None:
    handles = options(delay=0.4, timeout=3600).start_many(endures, [(), ()])
    assert [record(app, each.id).deadline_at for each in handles] == [None, None]
    eventually(lambda: len(ran) == 2)
    for each in handles:
        found = record(app, each.id)
        assert (found.deadline_at or 0) >= found.created_at + 0.4 + 3600


def test_a_timeout_of_one_that_begins_at_once_counts_from_then(app: Holdfast) -> None:
    handle = options(timeout=0.2).start(endures)
    begun = record(app, handle.id)
    assert begun.deadline_at == pytest.approx(begun.created_at + 0.2)
    eventually(lambda: handle.status() is Status.CANCELLED)


def test_the_decorator_gives_a_timeout_and_a_start_may_take_it_back(app: Holdfast) -> None:
    default, other, none = start(limited), options(timeout=60).start(limited), options(timeout=math.inf).start(limited)
    for handle, seconds in ((default, 3600), (other, 60)):
        found = record(app, handle.id)
        assert found.deadline_at == pytest.approx(found.created_at + seconds)
    assert record(app, none.id).deadline_at is None


def test_a_timeout_goes_on_counting_after_a_restart(store_url: str) -> None:
    with Holdfast(store_url, config=QUICK) as app:
        handle = options(timeout=1.0).start(endures)
        eventually(lambda: handle.status() is Status.SUSPENDED)
        deadline_at = record(app, handle.id).deadline_at
    with Holdfast(store_url, config=QUICK) as again:
        eventually(lambda: again.retrieve(handle.id).status().is_terminal)
        ended = record(again, handle.id)
        assert ended.deadline_at == deadline_at
        assert ended.status is Status.CANCELLED
        assert (ended.finished_at or 0) >= (deadline_at or math.inf)


@pytest.mark.parametrize("form", [datetime, float])
def test_a_deadline_is_a_point_in_time(app: Holdfast, form: type) -> None:
    when = datetime.now(UTC) + timedelta(seconds=0.4)
    handle = options(deadline=when if form is datetime else when.timestamp()).start(endures)
    assert record(app, handle.id).deadline_at == pytest.approx(when.timestamp())
    with pytest.raises(WorkflowWasCancelled):
        handle.result(timeout=10)
    assert (record(app, handle.id).finished_at or 0) >= when.timestamp()


def test_a_deadline_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="time zone"):
        options(deadline=datetime(2030, 1, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(ConfigurationError, match="NaN"):
        options(deadline=math.nan)


def test_one_that_could_not_begin_before_its_deadline_is_cancelled_then_and_never_runs(app: Holdfast) -> None:
    when = time.time() + 0.4
    handle = options(delay=3600, deadline=when).start(endures)
    with pytest.raises(WorkflowWasCancelled):
        handle.result(timeout=10)
    assert (record(app, handle.id).finished_at or 0) >= when
    assert ran == []


def test_one_that_waits_for_a_worker_past_its_deadline_never_runs(store_url: str) -> None:
    when = time.time() + 1.2
    with Holdfast(store_url, config=QUICK):
        workflow_id = options(delay=1.0, deadline=when).start(endures).id
    eventually(lambda: time.time() > when)
    with Holdfast(store_url, config=QUICK) as again, pytest.raises(WorkflowWasCancelled):
        again.retrieve(workflow_id).result(timeout=10)
    assert ran == []


def test_a_passed_deadline_at_the_start_runs_nothing(app: Holdfast) -> None:
    with pytest.raises(WorkflowWasCancelled):
        options(deadline=time.time() - 1).call(endures)
    assert ran == []


def test_a_child_is_bound_by_its_parent_s_deadline(app: Holdfast) -> None:
    handle = options(timeout=0.5).start(sets_a_limit)
    child = retrieve(f"{handle.id}/endures#1")
    eventually(lambda: record(app, child.id).status is Status.SUSPENDED)
    assert record(app, child.id).deadline_at == record(app, handle.id).deadline_at
    eventually(lambda: child.status() is Status.CANCELLED)
    eventually(lambda: handle.status() is Status.CANCELLED)


def test_the_earlier_of_both_counts(app: Holdfast) -> None:
    @workflow
    def has_children() -> list[float | None]:
        started = [options(timeout=60).start(endures), options(timeout=7200).start(endures)]
        return [record(app, each.id).deadline_at for each in started]

    handle = options(id="both", timeout=3600).start(has_children)
    sooner, later = handle.result(timeout=10)
    parents = record(app, "both").deadline_at
    assert parents is not None
    assert sooner is not None
    assert sooner < parents
    assert later == parents


def test_a_child_may_be_free_of_it(app: Holdfast) -> None:
    @workflow(inherit_deadline=False)
    def free() -> None:
        recv("never")

    @workflow
    def has_children() -> list[float | None]:
        started = [options(inherit_deadline=False).start(endures), start(free)]
        started.append(options(inherit_deadline=True).start(free))
        return [record(app, each.id).deadline_at for each in started]

    assert options(timeout=3600).call(has_children)[:2] == [None, None]
    assert options(timeout=3600).call(has_children)[2] is not None


def test_cleaning_up_is_not_bound_by_the_deadline_that_passed(app: Holdfast) -> None:
    @workflow
    def helps() -> str:
        sleep(0.3)
        return "helped"

    @workflow
    def cleans_up() -> None:
        try:
            recv("never")
        except WorkflowCancelled:
            ran.append(helps())
            sleep(0.3)
            ran.append("slept")
            raise

    handle = options(timeout=0.2).start(cleans_up)
    eventually(lambda: handle.status() is Status.CANCELLED)
    assert ran[-2:] == ["helped", "slept"]


@pytest.mark.parametrize("cause", ["cancel", "deadline"])
def test_one_that_cleans_up_may_leave_memory(app: Holdfast, cause: str) -> None:
    @workflow
    def cleans_up() -> None:
        try:
            recv("never")
        except WorkflowCancelled:
            recv("cleaned")
            raise

    handle = options(timeout=0.2 if cause == "deadline" else 3600).start(cleans_up)
    if cause == "cancel":
        handle.cancel()
    eventually(lambda: "$cancel" in [each.step_id for each in app.store.journal(handle.id)])
    eventually(lambda: handle.status() is Status.SUSPENDED)
    assert record(app, handle.id).wake_at is None
    send(handle.id, "yes", topic="cleaned")
    eventually(lambda: handle.status() is Status.CANCELLED)


async def test_a_coroutine_that_awaits_is_interrupted_at_its_deadline(store_url: str) -> None:
    @step
    async def hangs() -> None:
        await asyncio.Event().wait()

    @workflow
    async def hanging() -> None:
        ran.append(workflow_id())
        await hangs()

    @workflow
    async def starts_one() -> None:
        await astart(hanging)
        await asleep(3600)

    async with Holdfast(store_url, config=QUICK) as app:
        handle = await app.options(timeout=0.5).astart(starts_one)
        with pytest.raises(WorkflowWasCancelled):
            await handle.aresult(timeout=10)
        await aeventually(lambda: record(app, ran[0]).status is Status.CANCELLED)
