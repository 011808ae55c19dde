"""Who lost a workflow writes nothing to it any more; the rest of the batch is not touched by that."""

from __future__ import annotations

import pytest

from holdfast.core.model import Fence, Status
from holdfast.store.writes import (
    Append,
    Cancel,
    Create,
    Finish,
    Progressed,
    PutEvent,
    Record,
    Release,
    Send,
    SetAside,
    Suspend,
    TakeOver,
    Unit,
    Write,
)
from tests.conformance.kit import START, Bench, checkpoint, message, new, next_epoch, received

FENCED_WRITES: list[tuple[Write, ...]] = [
    (Record(checkpoint=checkpoint()),),
    (Finish(status=Status.SUCCEEDED, output="1"),),
    (Suspend(wake_at=START + 60),),
    (Release(),),
    (SetAside(status=Status.BLOCKED, report="{}"),),
    (Progressed(),),
    received("sent"),
    (Record(checkpoint=checkpoint()), Send(message=message("other")), Finish(status=Status.FAILED, error="1")),
    (PutEvent(workflow_id="one", name="progress", value="1", write_id="e"), Record(checkpoint=checkpoint())),
    (Append(workflow_id="one", stream="out", value="1", write_id="s"), Record(checkpoint=checkpoint())),
]


def taken_over(bench: Bench, workflow_id: str) -> tuple[Fence, Fence]:
    """Take a workflow from w1 and give it to w2; return the old fence and the new one."""
    bench.register("w1", "w2")
    stale = bench.start(workflow_id, owner="w1")
    bench.write(TakeOver(worker_id="w1", crash_limit=9))
    assert bench.claim("w2") == [workflow_id]
    return stale, Fence(workflow_id=workflow_id, epoch=bench.get(workflow_id).epoch)


@pytest.mark.parametrize("writes", FENCED_WRITES, ids=lambda writes: "+".join(type(each).__name__ for each in writes))
def test_a_zombie_changes_nothing(bench: Bench, writes: tuple[Write, ...]) -> None:
    stale, _ = taken_over(bench, "one")
    bench.start("other")
    bench.tell("one", message_id="sent")
    before = bench.get("one")
    assert bench.refused(*writes, fence=stale)
    assert bench.get("one") == before
    assert bench.mailbox("one") == ['"hello"']
    assert bench.steps("one") == []
    assert bench.store.event("one", "progress") is None
    assert bench.store.stream("one", "out", 0, 10) == []


@pytest.mark.parametrize("epoch", [0, 2, 99])
def test_another_epoch_is_refused(bench: Bench, epoch: int) -> None:
    bench.start("one")
    assert bench.refused(Record(checkpoint=checkpoint()), fence=Fence(workflow_id="one", epoch=epoch))
    assert bench.steps("one") == []


def test_a_workflow_that_is_not_there_is_refused(bench: Bench) -> None:
    assert bench.refused(Record(checkpoint=checkpoint()), fence=Fence(workflow_id="none", epoch=1))
    assert bench.store.get_workflow("none") is None


def test_of_a_large_batch_only_the_zombies_are_refused(bench: Bench) -> None:
    bench.register("w1", "w2")
    for number in range(40):
        bench.start(f"{number:02}", owner="w1" if number % 3 == 0 else "w2")
    bench.write(TakeOver(worker_id="w1", crash_limit=9))
    receipts = bench.commit(
        *(
            Unit(
                fence=Fence(workflow_id=f"{number:02}", epoch=1),
                writes=(Record(checkpoint=checkpoint()), Finish(status=Status.SUCCEEDED, output=str(number))),
            )
            for number in range(40)
        )
    )
    assert [receipt.accepted for receipt in receipts] == [number % 3 != 0 for number in range(40)]
    for number in range(40):
        lost = number % 3 == 0
        assert bench.steps(f"{number:02}") == ([] if lost else ["/pay#1"])
        assert bench.status(f"{number:02}") is (Status.ENQUEUED if lost else Status.SUCCEEDED)


def test_the_new_owner_writes_while_the_old_one_is_refused_in_the_same_batch(bench: Bench) -> None:
    stale, fresh = taken_over(bench, "one")
    receipts = bench.commit(
        Unit(fence=stale, writes=(Record(checkpoint=checkpoint(output='"old"')),)),
        Unit(fence=fresh, writes=(Record(checkpoint=checkpoint(output='"new"')),)),
        Unit(fence=stale, writes=(Finish(status=Status.SUCCEEDED, output='"old"'),)),
    )
    assert [receipt.accepted for receipt in receipts] == [False, True, False]
    assert [each.output for each in bench.store.journal("one")] == ['"new"']
    assert bench.status("one") is Status.RUNNING


def test_the_first_outcome_is_final(bench: Bench) -> None:
    fence = bench.start("one")
    bench.finish(fence, '"first"')
    assert bench.refused(Finish(status=Status.SUCCEEDED, output='"second"'), fence=fence)
    assert bench.refused(Finish(status=Status.FAILED, error='"late"'), fence=fence)
    assert (bench.get("one").status, bench.get("one").output) == (Status.SUCCEEDED, '"first"')


def test_of_two_outcomes_in_one_batch_the_first_counts(bench: Bench) -> None:
    fence = bench.start("one")
    receipts = bench.commit(
        Unit(fence=fence, writes=(Finish(status=Status.SUCCEEDED, output='"first"'),)),
        Unit(fence=fence, writes=(Record(checkpoint=checkpoint()), Finish(status=Status.FAILED, error='"second"'))),
    )
    assert [receipt.accepted for receipt in receipts] == [True, False]
    assert (bench.get("one").status, bench.get("one").output) == (Status.SUCCEEDED, '"first"')
    assert bench.steps("one") == []


@pytest.mark.parametrize("leave", [Suspend(wake_at=None), Release(), SetAside(status=Status.BLOCKED, report="{}")])
def test_who_let_go_writes_nothing_more(bench: Bench, leave: Write) -> None:
    fence = bench.start("one")
    bench.write(leave, fence=fence)
    assert bench.refused(Record(checkpoint=checkpoint()), fence=fence)
    assert bench.refused(Record(checkpoint=checkpoint()), Finish(status=Status.SUCCEEDED, output="1"), fence=fence)
    assert bench.steps("one") == []


def test_after_a_resume_from_suspension_the_old_epoch_is_refused(bench: Bench) -> None:
    fence = bench.start("one")
    bench.sleep(fence, wake_at=START)
    assert bench.claim("w1") == ["one"]
    assert bench.refused(Record(checkpoint=checkpoint()), fence=fence)
    bench.record(next_epoch(fence), "/pay#1")
    assert bench.steps("one") == ["/pay#1"]


def test_a_dead_worker_gets_nothing_new_and_what_it_creates_goes_to_the_living(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.write(TakeOver(worker_id="w1", crash_limit=9))
    bench.start("waiting", owner=None)
    assert bench.claim("w1") == []
    bench.write(Create(workflow=new("late", owner="w1")))
    assert bench.status("late") is Status.ENQUEUED
    assert bench.refused(Record(checkpoint=checkpoint()), fence=Fence(workflow_id="late", epoch=1))
    assert sorted(bench.claim("w2")) == ["late", "waiting"]
    # The epoch that its creator believes in was never given to anybody else.
    assert bench.get("late").epoch > 1


def test_a_cancellation_shows_on_the_receipt(bench: Bench) -> None:
    fence = bench.start("one")
    [before] = bench.commit(Unit(fence=fence, writes=(Record(checkpoint=checkpoint("/a#1")),)))
    assert not before.cancel_requested
    bench.write(Cancel(workflow_id="one"))
    [after] = bench.commit(Unit(fence=fence, writes=(Record(checkpoint=checkpoint("/b#1")),)))
    assert after.accepted
    assert after.cancel_requested
