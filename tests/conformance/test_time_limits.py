"""Timeouts that begin with the first claim; leaving memory while cleaning up; settling what a person decided."""

from __future__ import annotations

import pytest

from holdfast.core.model import Fence, Kind, Status
from holdfast.core.queues import Queue
from holdfast.store.queue_writes import DeclareQueue
from holdfast.store.writes import Cancel, Create, Release, Resume, SetAside, Settle, TakeOver, Unit
from tests.conformance.kit import START, Bench, checkpoint, for_message, new, next_epoch


def test_a_timeout_begins_with_the_first_claim(bench: Bench) -> None:
    bench.start("one", owner=None, timeout=60.0)
    assert bench.get("one").deadline_at is None
    bench.clock.advance(1000)
    assert bench.claim() == ["one"]
    assert bench.get("one").deadline_at == START + 1060


def test_a_later_claim_does_not_begin_it_anew(bench: Bench) -> None:
    bench.start("one", owner=None, timeout=60.0)
    bench.claim()
    bench.write(Release(), fence=Fence(workflow_id="one", epoch=1))
    bench.clock.advance(30)
    assert bench.claim() == ["one"]
    assert bench.get("one").deadline_at == START + 60


def test_nor_does_a_take_over(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.start("one", owner=None, timeout=60.0)
    bench.claim("w1")
    bench.write(TakeOver(worker_id="w1", crash_limit=3))
    bench.clock.advance(30)
    assert bench.claim("w2") == ["one"]
    assert bench.get("one").deadline_at == START + 60


@pytest.mark.parametrize(("deadline", "counts"), [(START + 10, START + 10), (START + 100, START + 60)])
def test_the_earlier_of_timeout_and_deadline_counts(bench: Bench, deadline: float, counts: float) -> None:
    bench.start("one", owner=None, timeout=60.0, deadline_at=deadline)
    assert bench.get("one").deadline_at == deadline
    bench.claim()
    assert bench.get("one").deadline_at == counts


def test_others_of_the_claim_have_no_deadline(bench: Bench) -> None:
    bench.start("limited", owner=None, timeout=60.0)
    bench.start("free", owner=None)
    bench.start("dated", owner=None, deadline_at=START + 5)
    assert sorted(bench.claim()) == ["dated", "free", "limited"]
    assert [bench.get(each).deadline_at for each in ("dated", "free", "limited")] == [START + 5, None, START + 60]


def test_a_timeout_begins_when_a_queue_lets_it_in(bench: Bench) -> None:
    bench.write(DeclareQueue(queue=Queue("mail")))
    bench.start("one", owner=None, timeout=60.0, queue="mail")
    bench.clock.advance(1000)
    assert bench.claim(queue_limit=10) == ["one"]
    assert bench.get("one").deadline_at == START + 1060


def test_one_that_has_heard_of_its_cancellation_may_leave_memory(bench: Bench) -> None:
    fence = bench.start("one")
    bench.write(Cancel(workflow_id="one"))
    assert not bench.sleep(fence, for_message("one"))
    assert bench.sleep(fence, for_message("one"), cancel_heard=True)
    assert bench.status("one") is Status.SUSPENDED
    bench.tell("one")
    assert bench.claim() == ["one"]


def mark() -> Settle:
    skipped = checkpoint("undo:pay[pay#1]:skipped", kind=Kind.SKIPPED, seq=5, branch="$undo", output='"why"')
    return Settle(workflow_id="one", epoch=1, checkpoint=skipped)


def test_what_is_settled_is_recorded_and_goes_on(bench: Bench) -> None:
    bench.block(bench.start("one"))
    assert bench.ask(mark()) is True
    assert bench.last.ready
    assert (bench.status("one"), bench.get("one").report) == (Status.ENQUEUED, None)
    assert bench.steps("one") == ["undo:pay[pay#1]:skipped"]
    assert bench.claim() == ["one"]


@pytest.mark.parametrize("state", ["running", "resumed", "blocked again", "dead", "unknown"])
def test_nothing_is_settled_elsewhere(bench: Bench, state: str) -> None:
    if state != "unknown":
        fence = bench.start("one")
        if state == "dead":
            bench.write(SetAside(status=Status.DEAD, report="{}"), fence=fence)
        elif state != "running":
            bench.block(fence)
            bench.write(Resume(workflow_id="one"))
            if state == "blocked again":
                bench.claim()
                bench.block(next_epoch(fence))
    before = bench.status("one") if state != "unknown" else None
    assert bench.ask(mark()) is False
    if state != "unknown":
        assert bench.status("one") is before
        assert bench.steps("one") == []


def test_it_is_settled_in_one_batch_with_others(bench: Bench) -> None:
    bench.block(bench.start("one"))
    receipts = bench.commit(Unit(writes=(Create(workflow=new("two")),)), Unit(writes=(mark(),)))
    assert [receipt.accepted for receipt in receipts] == [True, True]
    assert bench.status("one") is Status.ENQUEUED
