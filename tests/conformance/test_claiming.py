"""Workers: who takes what is due, who is alive, and what becomes of a dead one's workflows."""

from __future__ import annotations

import json

import pytest

from holdfast.core.model import Fence, Status
from holdfast.store.writes import (
    Claim,
    Create,
    Finish,
    Heartbeat,
    Progressed,
    Record,
    Register,
    Release,
    Resume,
    SetAside,
    Suspend,
    TakeOver,
    Unit,
    Write,
)
from tests.conformance.kit import START, Bench, checkpoint, for_message, new, worker


def crash(bench: Bench, worker_id: str, limit: int = 3) -> list[str]:
    """Let a worker die; return what was enqueued."""
    enqueued: list[str] = bench.ask(TakeOver(worker_id=worker_id, crash_limit=limit))
    return enqueued


def test_claiming_gives_the_workflow_to_the_worker_in_a_new_epoch(bench: Bench) -> None:
    bench.start("one", owner=None)
    assert bench.claim("w1") == ["one"]
    found = bench.get("one")
    assert (found.status, found.owner, found.epoch, found.wake_at) == (Status.RUNNING, "w1", 1, None)
    assert bench.claim("w2") == []


def test_what_has_waited_longest_is_taken_first_and_no_more_than_the_limit(bench: Bench) -> None:
    for number in (3, 1, 2):
        bench.start(f"at-{number}", owner=None, created_at=START - 10 + number)
    assert bench.claim(limit=2) == ["at-1", "at-2"]
    assert bench.claim(limit=2) == ["at-3"]


def test_enqueued_and_suspended_ones_are_taken_in_the_order_of_their_times(bench: Bench) -> None:
    bench.sleep(bench.start("slept"), wake_at=START + 5)
    bench.start("delayed", owner=None, wake_at=START + 4)
    bench.start("later", owner=None, wake_at=START + 6)
    bench.clock.advance(10)
    assert bench.claim(limit=2) == ["delayed", "slept"]


def test_nothing_is_taken_before_its_time(bench: Bench) -> None:
    bench.start("delayed", owner=None, wake_at=START + 10)
    bench.sleep(bench.start("asleep"), wake_at=START + 20)
    bench.sleep(bench.start("waiting"), for_message("waiting"))
    assert bench.claim() == []
    bench.clock.advance(10)
    assert bench.claim() == ["delayed"]
    bench.clock.advance(10)
    assert bench.claim() == ["asleep"]


def test_only_known_names_are_taken_and_the_others_are_counted(bench: Bench) -> None:
    bench.start("one", owner=None, name="refund")
    bench.start("two", owner=None, name="other")
    bench.start("three", owner=None, name="other")
    assert bench.claim(names=["refund", "absent"]) == ["one"]
    assert bench.claim(names=[]) == []
    assert bench.store.count_unknown(["refund"]) == {"other": 2}
    assert bench.store.count_unknown([]) == {"other": 2}
    assert bench.store.count_unknown(["other"]) == {}


def test_next_due_is_the_time_of_the_next_that_waits(bench: Bench) -> None:
    assert bench.store.next_due(["refund"], after=START) is None
    bench.start("delayed", owner=None, wake_at=START + 50)
    bench.sleep(bench.start("asleep"), wake_at=START + 40)
    bench.sleep(bench.start("other", name="other"), wake_at=START + 30)
    bench.sleep(bench.start("forever"), for_message("forever"))
    assert bench.store.next_due(["refund"], after=START) == START + 40
    assert bench.store.next_due(["refund", "other"], after=START) == START + 30
    assert bench.store.next_due(["none"], after=START) is None


def test_what_becomes_due_between_a_claim_and_the_look_ahead_is_not_passed_over(bench: Bench) -> None:
    bench.start("delayed", owner=None, wake_at=START + 10)
    before_the_claim = bench.clock.now
    assert bench.claim() == []
    bench.clock.advance(20)
    assert bench.store.next_due(["refund"], after=before_the_claim) == START + 10
    assert bench.store.next_due(["refund"], after=bench.clock.now) is None


def test_a_claim_that_comes_again_returns_what_its_first_try_took(bench: Bench) -> None:
    for number in range(4):
        bench.start(f"{number}", owner=None, created_at=START - 10 + number)
    claim = Claim(claim_id="c1", worker_id="w1", names=("refund",), limit=2)
    assert bench.ask(claim) == ["0", "1"]
    assert bench.ask(claim) == ["0", "1"]
    assert bench.claim("w1") == ["2", "3"]


def test_what_was_taken_twice_in_one_batch_goes_to_one(bench: Bench) -> None:
    bench.start("one", owner=None)
    receipts = bench.commit(
        *(
            Unit(writes=(Claim(claim_id=name, worker_id=name, names=("refund",), limit=5),))
            for name in ("w1", "w2", "w3")
        )
    )
    assert sorted(receipt.results for receipt in receipts) == [([],), ([],), (["one"],)]


def test_a_heartbeat_extends_the_lease_and_lists_the_living(bench: Bench) -> None:
    bench.register("w1", "w2", lease=30)
    bench.clock.advance(20)
    living = {each.worker_id: each for each in bench.ask(Heartbeat(worker_id="w1", lease_seconds=30))}
    assert (living["w1"].heartbeat_at, living["w1"].lease_until) == (START + 20, START + 50)
    assert (living["w2"].heartbeat_at, living["w2"].lease_until) == (START, START + 30)
    assert (living["w2"].host, living["w2"].pid, living["w2"].process_started) == ("here", 4711, "12345")
    assert all(each.alive for each in living.values())


def test_a_worker_that_was_taken_for_dead_learns_it(bench: Bench) -> None:
    bench.register("w1", "w2")
    crash(bench, "w1")
    assert bench.ask(Heartbeat(worker_id="w1", lease_seconds=30)) is None
    assert [each.worker_id for each in bench.ask(Heartbeat(worker_id="w2", lease_seconds=30))] == ["w2"]
    assert bench.ask(Heartbeat(worker_id="never", lease_seconds=30)) is None
    bench.write(Register(worker=worker("w1"), lease_seconds=30))
    assert bench.ask(Heartbeat(worker_id="w1", lease_seconds=30)) is None


def test_a_dead_workers_workflows_go_first_in_a_new_epoch(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.start("old", owner=None, created_at=START - 1000)
    fence = bench.start("left", owner="w1")
    bench.record(fence, "/pay#1")
    assert crash(bench, "w1") == ["left"]
    assert bench.last.ready
    found = bench.get("left")
    assert (found.status, found.owner, found.epoch, found.wake_at, found.crashes) == ("enqueued", None, 2, 0.0, 1)
    assert bench.claim("w2", limit=1) == ["left"]
    assert bench.get("left").epoch == 3
    assert bench.steps("left") == ["/pay#1"]


def test_taking_over_touches_only_what_that_worker_was_running(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.start("running", owner="w2")
    bench.sleep(bench.start("asleep", owner="w1"), wake_at=START + 60)
    bench.finish(bench.start("ended", owner="w1"))
    before = [bench.get(name) for name in ("running", "asleep", "ended")]
    assert crash(bench, "w1") == []
    assert [bench.get(name) for name in ("running", "asleep", "ended")] == before


def test_a_worker_is_taken_over_once(bench: Bench) -> None:
    bench.register("w1")
    bench.start("one", owner="w1")
    crash(bench, "w1")
    crash(bench, "w1")
    crash(bench, "unknown")
    assert (bench.get("one").epoch, bench.get("one").crashes) == (2, 1)


def test_without_blame_nobodys_crashes_change(bench: Bench) -> None:
    bench.register("w1")
    bench.start("one", owner="w1")
    assert bench.ask(TakeOver(worker_id="w1", crash_limit=1, blame=False)) == ["one"]
    assert (bench.get("one").status, bench.get("one").crashes) == (Status.ENQUEUED, 0)


def test_one_suspect_is_taken_at_a_time(bench: Bench) -> None:
    bench.register("w1", "w2", "w3")
    for name in ("a", "b", "c"):
        bench.start(name, owner="w1")
    crash(bench, "w1")
    bench.start("innocent", owner=None)
    assert bench.claim("w2", accused_from=1) == ["innocent"]
    assert bench.claim("w2") == ["a"]
    assert bench.suspect_of("w2") == "a"
    assert bench.claim("w2") == []
    assert bench.claim("w3") == ["b"]


def test_what_crashed_less_often_than_a_suspect_is_taken_all_at_once(bench: Bench) -> None:
    bench.register("w1", "w2", "w3")
    for name in ("a", "b", "c"):
        bench.start(name, owner="w1")
    crash(bench, "w1")
    assert bench.claim("w2", isolate_from=2) == ["a", "b", "c"]
    assert bench.suspect_of("w2") is None
    assert sorted(crash(bench, "w2")) == ["a", "b", "c"]
    assert {bench.get(name).crashes for name in ("a", "b", "c")} == {2}
    assert bench.claim("w3", isolate_from=2) == ["a"]
    assert bench.suspect_of("w3") == "a"


def test_those_beside_a_suspect_are_blamed_too(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.start("suspect", owner="w1")
    crash(bench, "w1")
    assert bench.claim("w2") == ["suspect"]
    bench.start("beside", owner="w2")
    assert sorted(crash(bench, "w2")) == ["beside", "suspect"]
    assert (bench.get("suspect").crashes, bench.get("beside").crashes) == (2, 1)


def test_one_that_kills_is_found_out_however_many_innocents_are_suspected_before_it(bench: Bench) -> None:
    innocents = [f"innocent{number}" for number in range(6)]
    for number in (1, 2):
        bench.register(f"before{number}")
    for name in innocents:
        bench.start(name, owner="before1")
    crash(bench, "before1", limit=3)
    bench.claim("before2", isolate_from=2)
    crash(bench, "before2", limit=3)
    bench.start("a killer", owner=None)
    for number in range(4):
        worker_id = f"w{number}"
        bench.register(worker_id)
        alone = bench.claim(worker_id, isolate_from=2, accused_from=3, accused=True)
        if alone != ["a killer"]:
            for name in alone:
                bench.write(Progressed(), fence=Fence(workflow_id=name, epoch=bench.get(name).epoch))
            assert "a killer" in bench.claim(worker_id, isolate_from=2, accused_from=3)
        crash(bench, worker_id, limit=3)
    assert bench.status("a killer") is Status.DEAD
    assert {bench.status(name) for name in innocents} <= {Status.RUNNING, Status.ENQUEUED}


def test_nobody_is_set_aside_for_a_death_that_another_may_have_caused(bench: Bench) -> None:
    bench.register("w1", "w2", "w3")
    bench.start("suspect", owner="w1")
    crash(bench, "w1", limit=2)
    bench.claim("w2")
    bench.start("beside", owner="w2")
    assert sorted(crash(bench, "w2", limit=2)) == ["beside", "suspect"]
    assert (bench.get("suspect").status, bench.get("suspect").crashes) == (Status.ENQUEUED, 2)
    assert bench.claim("w3", accused_from=2, accused=True) == ["suspect"]
    assert crash(bench, "w3", limit=2) == []
    assert bench.status("suspect") is Status.DEAD
    assert (bench.get("beside").status, bench.get("beside").crashes) == (Status.ENQUEUED, 1)


def test_a_claim_for_an_accused_one_takes_nothing_else(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.start("suspect", owner="w1")
    crash(bench, "w1", limit=3)
    bench.start("new", owner=None)
    asleep = bench.start("asleep", owner="w2")
    bench.write(Suspend(wake_at=0.0, waits=()), fence=asleep)
    assert bench.claim("w2", accused_from=3, accused=True) == []
    assert sorted(bench.claim("w2", accused_from=3)) == ["asleep", "new", "suspect"]


def test_accused_ones_wait_until_they_are_claimed(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.start("new", owner=None)
    bench.start("crashed", owner="w1")
    crash(bench, "w1")
    assert bench.store.accused_wait(["refund"], 1)
    assert not bench.store.accused_wait(["refund"], 2)
    assert not bench.store.accused_wait(["another"], 1)
    bench.claim("w2")
    assert not bench.store.accused_wait(["refund"], 1)


@pytest.mark.parametrize(
    "ending",
    [
        Progressed(),
        Suspend(wake_at=None),
        Finish(status=Status.SUCCEEDED, output="1"),
        Release(),
        SetAside(status=Status.BLOCKED, report="{}"),
    ],
    ids=lambda write: type(write).__name__,
)
def test_who_no_longer_runs_a_suspect_may_take_the_next(bench: Bench, ending: Write) -> None:
    bench.register("w1", "w2")
    for name in ("a", "b"):
        bench.start(name, owner="w1")
    crash(bench, "w1")
    assert bench.claim("w2") == ["a"]
    bench.write(Record(checkpoint=checkpoint()), ending, fence=Fence(workflow_id="a", epoch=bench.get("a").epoch))
    assert bench.suspect_of("w2") is None
    cleared = isinstance(ending, Progressed | Suspend | Finish)
    assert bench.get("a").crashes == (0 if cleared else 1)


def test_what_got_further_is_counted_anew(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.start("a", owner="w1")
    crash(bench, "w1")
    bench.claim("w2")
    bench.write(Progressed(), fence=Fence(workflow_id="a", epoch=3))
    bench.start("b", owner="w2")
    crash(bench, "w2")
    assert (bench.get("a").crashes, bench.get("b").crashes) == (1, 1)


def test_a_workflow_that_kills_its_workers_is_dead_at_the_limit_and_can_be_resumed(bench: Bench) -> None:
    bench.start("killer", owner=None)
    for number in (1, 2, 3):
        bench.register(f"w{number}")
        assert bench.claim(f"w{number}") == ["killer"]
        assert crash(bench, f"w{number}", limit=3) == (["killer"] if number < 3 else [])
    assert "killer" in bench.last.news
    found = bench.get("killer")
    assert (found.status, found.owner, found.crashes, found.wake_at) == (Status.DEAD, None, 3, None)
    assert json.loads(found.report or "")["crashes"] == 3
    bench.register("w4")
    assert bench.claim("w4") == []
    assert bench.ask(Resume(workflow_id="killer")) is Status.DEAD
    assert (bench.get("killer").crashes, bench.get("killer").report) == (0, None)
    assert bench.claim("w4") == ["killer"]


def test_a_zombie_can_not_end_what_became_dead(bench: Bench) -> None:
    bench.register("w1")
    fence = bench.start("one", owner="w1")
    crash(bench, "w1", limit=1)
    assert bench.refused(Finish(status=Status.SUCCEEDED, output="1"), fence=fence)
    assert bench.status("one") is Status.DEAD


def test_a_released_workflow_goes_on_before_new_work(bench: Bench) -> None:
    bench.start("new", owner=None, created_at=START - 1000)
    bench.write(Record(checkpoint=checkpoint()), Release(), fence=bench.start("begun"))
    assert bench.last.ready
    assert (bench.status("begun"), bench.get("begun").owner, bench.get("begun").crashes) == ("enqueued", None, 0)
    assert bench.claim(limit=1) == ["begun"]


def test_who_was_declared_dead_learns_that_what_it_creates_is_not_its_own(bench: Bench) -> None:
    bench.register("w1")
    crash(bench, "w1")
    creation = Create(workflow=new("late", owner="w1"))
    bench.commit(Unit(writes=(creation,), fence=Fence(workflow_id="late", epoch=1)))
    [receipt] = bench.last.receipts
    assert (receipt.accepted, receipt.results[0].existing) == (False, None)
    assert (bench.status("late"), bench.get("late").owner) == (Status.ENQUEUED, None)


def test_creations_for_the_living_and_for_nobody_mix_in_a_batch(bench: Bench) -> None:
    bench.register("w1")
    bench.commit(
        Unit(writes=(Create(workflow=new("mine", owner="w1")),)),
        Unit(writes=(Create(workflow=new("anybodys", owner=None)),)),
    )
    assert (bench.status("mine"), bench.status("anybodys")) == (Status.RUNNING, Status.ENQUEUED)
    assert bench.last.ready
