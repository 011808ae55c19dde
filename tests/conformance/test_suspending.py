"""Leaving memory: nothing that comes is missed, whatever comes first; what has come wakes who waits for it."""

from __future__ import annotations

import threading

import pytest

from holdfast.core.model import Status
from holdfast.store.writes import Cancel, Finish, PutEvent, Record, Send, SetAside, Suspend, Unit
from tests.conformance.kit import (
    START,
    Bench,
    checkpoint,
    for_event,
    for_message,
    for_outcome,
    message,
    next_epoch,
)


def test_a_suspended_workflow_has_no_owner(bench: Bench) -> None:
    fence = bench.start("one")
    assert bench.sleep(fence, for_message("one"), wake_at=START + 60)
    found = bench.get("one")
    assert (found.status, found.owner, found.wake_at, found.epoch) == (Status.SUSPENDED, None, START + 60, 1)


def test_a_message_that_came_before_keeps_it_in_memory(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one")
    assert not bench.sleep(fence, for_message("one"))
    assert bench.status("one") is Status.RUNNING
    bench.record(fence, "/pay#1")


def test_a_message_that_was_consumed_does_not(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one")
    bench.receive(fence)
    assert bench.sleep(fence, for_message("one"))


def test_a_message_of_another_topic_does_not(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", topic="other")
    assert bench.sleep(fence, for_message("one"))


def test_an_outcome_that_came_before_keeps_it_in_memory(bench: Bench) -> None:
    fence = bench.start("parent")
    bench.finish(bench.start("child"))
    assert not bench.sleep(fence, for_outcome("child"))
    assert bench.status("parent") is Status.RUNNING


def test_an_event_that_came_before_keeps_it_in_memory(bench: Bench) -> None:
    fence = bench.start("one")
    bench.write(PutEvent(workflow_id="two", name="ready", value="1", write_id="w"))
    assert not bench.sleep(fence, for_event("two", "ready"))
    assert bench.sleep(fence, for_event("two", "done"))


def test_one_of_several_that_came_before_keeps_it_in_memory(bench: Bench) -> None:
    fence = bench.start("one")
    bench.tell("one", topic="b")
    assert not bench.sleep(fence, for_outcome("child"), for_message("one", "a"), for_message("one", "b"))


def test_a_cancellation_that_came_before_keeps_it_in_memory(bench: Bench) -> None:
    fence = bench.start("one")
    bench.write(Cancel(workflow_id="one"))
    assert not bench.sleep(fence, for_message("one"))
    assert bench.status("one") is Status.RUNNING


def test_an_outcome_wakes_all_who_wait_for_it(bench: Bench) -> None:
    child, other = bench.start("child"), bench.start("other")
    for name in ("one", "two"):
        bench.sleep(bench.start(name), for_outcome("child"))
    bench.sleep(bench.start("three"), for_outcome("other"))
    bench.clock.advance(5)
    bench.finish(child)
    assert bench.last.ready
    assert [bench.status(name) for name in ("one", "two", "three")] == ["enqueued", "enqueued", "suspended"]
    assert bench.get("one").wake_at == START + 5
    bench.finish(other)
    assert sorted(bench.claim()) == ["one", "three", "two"]


def test_an_event_wakes_who_waits_for_its_name(bench: Bench) -> None:
    bench.start("source")
    bench.sleep(bench.start("one"), for_event("source", "ready"))
    bench.sleep(bench.start("two"), for_event("source", "done"))
    bench.write(PutEvent(workflow_id="source", name="ready", value="1", write_id="w"))
    assert bench.last.ready
    assert (bench.status("one"), bench.status("two")) == (Status.ENQUEUED, Status.SUSPENDED)


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.DEAD])
def test_setting_aside_wakes_nobody_but_is_news(bench: Bench, status: Status) -> None:
    child = bench.start("child")
    bench.sleep(bench.start("parent"), for_outcome("child"))
    bench.write(SetAside(status=status, report="{}"), fence=child)
    assert "child" in bench.last.news
    assert bench.status("parent") is Status.SUSPENDED
    bench.write(Cancel(workflow_id="child"))
    assert bench.status("parent") is Status.ENQUEUED


def test_who_was_woken_waits_for_nothing_any_more(bench: Bench) -> None:
    child = bench.start("child")
    fence = bench.start("one")
    bench.sleep(fence, for_outcome("child"), for_message("one"))
    bench.tell("one")
    assert bench.claim() == ["one"]
    fence = next_epoch(fence)
    bench.receive(fence)
    assert bench.sleep(fence, for_message("one", "other"))
    bench.finish(child)
    assert bench.status("one") is Status.SUSPENDED


def test_who_woke_by_time_waits_for_nothing_any_more(bench: Bench) -> None:
    child = bench.start("child")
    fence = bench.start("one")
    bench.sleep(fence, for_outcome("child"), wake_at=START + 10)
    bench.clock.advance(10)
    assert bench.claim() == ["one"]
    assert bench.sleep(next_epoch(fence), for_message("one"))
    bench.finish(child)
    assert bench.status("one") is Status.SUSPENDED


def test_suspending_until_a_time_that_has_passed_is_ready_at_once(bench: Bench) -> None:
    assert bench.sleep(bench.start("one"), wake_at=START - 1)
    assert bench.last.ready
    assert bench.claim() == ["one"]


def test_suspend_and_message_in_one_batch_leave_it_due(bench: Bench) -> None:
    for first in ("suspend", "send"):
        fence = bench.start(first)
        units = [
            Unit(fence=fence, writes=(Suspend(wake_at=None, waits=(for_message(first),)),)),
            Unit(writes=(Send(message=message(first)),)),
        ]
        bench.commit(*(units if first == "suspend" else reversed(units)))
        assert bench.status(first) in {Status.ENQUEUED, Status.RUNNING}


def test_suspend_and_outcome_in_one_batch_leave_it_due(bench: Bench) -> None:
    for first in ("suspend", "finish"):
        parent, child = bench.start(f"parent-{first}"), bench.start(f"child-{first}")
        units = [
            Unit(fence=parent, writes=(Suspend(wake_at=None, waits=(for_outcome(child.workflow_id),)),)),
            Unit(fence=child, writes=(Finish(status=Status.SUCCEEDED, output="1"),)),
        ]
        bench.commit(*(units if first == "suspend" else reversed(units)))
        assert bench.status(parent.workflow_id) in {Status.ENQUEUED, Status.RUNNING}


def test_records_before_a_suspension_are_kept(bench: Bench) -> None:
    fence = bench.start("one")
    bench.write(Record(checkpoint=checkpoint("/timer#1")), Suspend(wake_at=START + 60), fence=fence)
    assert bench.steps("one") == ["/timer#1"]


def test_no_message_is_missed_however_sender_and_waiter_race(bench: Bench) -> None:
    other = bench.reopen()
    for number in range(25):
        name = f"workflow-{number}"
        fence = bench.start(name)
        send = Unit(writes=(Send(message=message(name)),))
        sender = threading.Thread(target=other.commit, args=([send],))
        sender.start()
        # Sent once: a message that comes between two tries changes the second one's answer.
        suspend = Suspend(wake_at=None, waits=(for_message(name),))
        [receipt] = bench.store.commit([Unit(fence=fence, writes=(suspend,))]).receipts
        sender.join()
        assert bench.status(name) is (Status.ENQUEUED if receipt.results == (True,) else Status.RUNNING)
