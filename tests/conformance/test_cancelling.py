"""Cancelling, setting aside and resuming."""

from __future__ import annotations

import pytest

from holdfast.core.model import Fence, Status
from holdfast.store.writes import Cancel, Create, Finish, Record, Release, Resume, SetAside, TakeOver
from tests.conformance.kit import START, Bench, checkpoint, for_message, for_outcome, new, next_epoch


def test_an_unknown_workflow_can_not_be_cancelled(bench: Bench) -> None:
    assert bench.ask(Cancel(workflow_id="none")) is None


def test_what_never_began_is_cancelled_at_once(bench: Bench) -> None:
    bench.start("enqueued", owner=None)
    bench.start("delayed", owner=None, wake_at=START + 60)
    bench.sleep(bench.start("waiter"), for_outcome("enqueued"))
    for name in ("enqueued", "delayed"):
        assert bench.ask(Cancel(workflow_id=name)) == [name]
        assert (bench.status(name), bench.get(name).finished_at) == (Status.CANCELLED, START)
        assert name in bench.last.news
    assert bench.store.outcomes(["enqueued"])["enqueued"].status is Status.CANCELLED
    assert bench.status("waiter") is Status.ENQUEUED
    bench.clock.advance(100)
    assert bench.claim() == ["waiter"]


def test_a_running_one_keeps_running_until_its_code_ends_it(bench: Bench) -> None:
    fence = bench.start("one")
    assert bench.ask(Cancel(workflow_id="one")) == ["one"]
    assert "one" in bench.last.news
    assert (bench.status("one"), bench.get("one").cancel_at, bench.get("one").owner) == (Status.RUNNING, START, "w1")
    bench.write(
        Record(checkpoint=checkpoint("/cleanup#1")), Finish(status=Status.CANCELLED, error='"why"'), fence=fence
    )
    assert (bench.status("one"), bench.get("one").error) == (Status.CANCELLED, '"why"')


def test_a_suspended_one_is_enqueued_to_see_it(bench: Bench) -> None:
    fence = bench.start("one")
    bench.sleep(fence, for_message("one"), wake_at=START + 1000)
    bench.write(Cancel(workflow_id="one"))
    assert bench.last.ready
    assert (bench.status("one"), bench.get("one").cancel_at) == (Status.ENQUEUED, START)
    assert bench.claim() == ["one"]
    assert not bench.sleep(next_epoch(fence), for_message("one"))


def test_one_that_was_left_by_its_worker_stays_enqueued_to_see_it(bench: Bench) -> None:
    bench.write(Release(), fence=bench.start("one"))
    bench.write(Cancel(workflow_id="one"))
    assert (bench.status("one"), bench.get("one").cancel_at) == (Status.ENQUEUED, START)
    assert bench.claim() == ["one"]
    assert bench.get("one").cancel_at == START


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.DEAD])
def test_what_was_set_aside_is_cancelled_at_once(bench: Bench, status: Status) -> None:
    bench.sleep(bench.start("waiter"), for_outcome("one"))
    bench.write(SetAside(status=status, report="{}"), fence=bench.start("one"))
    bench.write(Cancel(workflow_id="one"))
    assert (bench.status("one"), bench.get("one").report) == (Status.CANCELLED, None)
    assert bench.status("waiter") is Status.ENQUEUED
    assert bench.ask(Resume(workflow_id="one")) is Status.CANCELLED


def test_what_has_ended_stays_as_it_ended(bench: Bench) -> None:
    bench.finish(bench.start("one"))
    before = bench.get("one")
    assert bench.ask(Cancel(workflow_id="one")) == []
    assert bench.get("one") == before


def test_the_first_request_keeps_its_time(bench: Bench) -> None:
    bench.start("one")
    bench.write(Cancel(workflow_id="one"))
    bench.clock.advance(10)
    bench.write(Cancel(workflow_id="one"))
    assert bench.get("one").cancel_at == START


def test_a_worker_is_told_what_it_should_cancel(bench: Bench) -> None:
    for name in ("one", "two"):
        bench.start(name, owner="w1")
    bench.start("three", owner="w2")
    bench.finish(bench.start("four", owner="w1"))
    for name in ("one", "three", "four"):
        bench.write(Cancel(workflow_id=name))
    assert bench.store.cancelled_by_others("w1") == ["one"]
    assert bench.store.cancelled_by_others("w2") == ["three"]
    assert bench.store.cancelled_by_others("w3") == []


def test_descendants_in_every_status_are_cancelled_too(bench: Bench) -> None:
    bench.start("root")
    bench.start("running", parent_id="root")
    bench.start("enqueued", parent_id="root", owner=None)
    bench.sleep(bench.start("suspended", parent_id="running"), for_message("suspended"))
    bench.block(bench.start("blocked", parent_id="suspended"))
    bench.finish(bench.start("ended", parent_id="root"))
    bench.start("below-ended", parent_id="ended")
    bench.start("stranger")
    touched = bench.ask(Cancel(workflow_id="root"))
    assert set(touched) == {"root", "running", "enqueued", "suspended", "blocked", "below-ended"}
    assert bench.last.news >= set(touched)
    assert {name: bench.status(name) for name in ("running", "enqueued", "suspended", "blocked", "ended")} == {
        "running": Status.RUNNING,
        "enqueued": Status.CANCELLED,
        "suspended": Status.ENQUEUED,
        "blocked": Status.CANCELLED,
        "ended": Status.SUCCEEDED,
    }
    assert [bench.get(name).cancel_at for name in ("root", "running", "below-ended", "stranger")] == [START] * 3 + [
        None
    ]


def test_a_cancellation_outlives_a_crash(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.start("one", owner="w1")
    bench.write(Cancel(workflow_id="one"))
    bench.write(TakeOver(worker_id="w1", crash_limit=3))
    assert bench.claim("w2") == ["one"]
    assert bench.get("one").cancel_at == START


def test_who_was_set_aside_says_why_and_can_be_resumed(bench: Bench) -> None:
    fence = bench.start("one")
    bench.record(fence, "/pay#1")
    bench.write(SetAside(status=Status.BLOCKED, report='{"found": 1}'), fence=fence)
    found = bench.get("one")
    assert (found.status, found.owner, found.report, found.output) == (Status.BLOCKED, None, '{"found": 1}', None)
    assert bench.claim() == []
    assert bench.ask(Resume(workflow_id="one")) is Status.BLOCKED
    assert bench.last.ready
    assert (bench.status("one"), bench.get("one").report) == (Status.ENQUEUED, None)
    assert bench.claim() == ["one"]
    assert bench.steps("one") == ["/pay#1"]
    assert bench.refused(Finish(status=Status.FAILED, error="1"), fence=fence)


def test_only_what_was_set_aside_is_resumed(bench: Bench) -> None:
    bench.start("one")
    before = bench.get("one")
    assert bench.ask(Resume(workflow_id="one")) is Status.RUNNING
    assert bench.get("one") == before
    assert bench.ask(Resume(workflow_id="none")) is None


def test_a_child_created_in_one_unit_with_its_start_is_found_by_a_cancel(bench: Bench) -> None:
    fence = bench.start("parent")
    child = Create(workflow=new("child", parent_id="parent", owner="w1"))
    bench.write(Record(checkpoint=checkpoint("/start#1")), child, fence=fence)
    assert bench.ask(Cancel(workflow_id="parent")) == ["parent", "child"]
    assert bench.get("child").cancel_at == START
    bench.finish(Fence(workflow_id="child", epoch=1))
    assert bench.status("child") is Status.SUCCEEDED
