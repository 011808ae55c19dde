"""At most one workflow per id, and a resend knows its own."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from holdfast.core.model import Fence, Status
from holdfast.store.writes import Create, Created, Finish, Record, Suspend, Unit
from tests.conformance.kit import START, Bench, checkpoint, new


def test_a_created_workflow_reads_back_as_it_was_given(bench: Bench) -> None:
    asked = new(
        "one",
        parent_id="parent",
        deadline_at=START + 60,
        traceparent="00-abc-def-01",
        queue="mail",
        priority=7,
        version="v2",
    )
    assert bench.ask(Create(workflow=asked)) == Created(existing=None)
    found = asdict(bench.get("one"))
    wanted = asdict(asked)
    del wanted["partition"]  # seen in whose turn it takes, not in the record
    del wanted["timeout"]  # becomes a deadline; see test_time_limits
    assert {name: found[name] for name in wanted} == wanted
    assert found["status"] is Status.RUNNING
    assert (found["epoch"], found["crashes"], found["output"], found["finished_at"]) == (1, 0, None, None)


def test_without_an_owner_it_is_enqueued_and_ready(bench: Bench) -> None:
    bench.start("one", owner=None)
    assert (bench.get("one").status, bench.get("one").epoch, bench.get("one").owner) == (Status.ENQUEUED, 0, None)
    assert bench.last.ready


def test_a_delayed_one_is_not_ready(bench: Bench) -> None:
    bench.start("one", owner=None, wake_at=START + 60)
    assert not bench.last.ready
    assert bench.get("one").wake_at == START + 60


def test_the_same_id_again_gives_what_is_there_and_changes_nothing(bench: Bench) -> None:
    bench.start("one", input="[1]")
    before = bench.get("one")
    created = bench.ask(Create(workflow=new("one", input="[2]", name="other", owner="w2")))
    assert created == Created(existing=before)
    assert bench.get("one") == before


def test_a_resent_creation_is_recognised_after_the_workflow_went_on(bench: Bench) -> None:
    asked = new("one")
    bench.write(Create(workflow=asked))
    bench.finish(Fence(workflow_id="one", epoch=1))
    assert bench.ask(Create(workflow=asked)) == Created(existing=None)
    assert bench.status("one") is Status.SUCCEEDED


def test_two_creations_of_one_id_in_a_batch_make_one(bench: Bench) -> None:
    first, second = bench.commit(
        Unit(writes=(Create(workflow=new("one", input="[1]")),)),
        Unit(writes=(Create(workflow=new("one", input="[2]")),)),
    )
    assert first.results == (Created(existing=None),)
    assert second.results[0].existing.input == "[1]"
    assert bench.get("one").input == "[1]"


def test_a_workflow_can_be_created_and_ended_in_one_unit(bench: Bench) -> None:
    unit = Unit(
        fence=Fence(workflow_id="one", epoch=1),
        writes=(
            Create(workflow=new("one")),
            Record(checkpoint=checkpoint()),
            Finish(status=Status.SUCCEEDED, output='"done"'),
        ),
    )
    [receipt] = bench.commit(unit)
    assert receipt.accepted
    assert receipt.results == (Created(existing=None), None, None)
    assert (bench.get("one").status, bench.get("one").output, bench.get("one").owner) == ("succeeded", '"done"', None)
    assert bench.store.journal("one") == [checkpoint()]
    assert "one" in bench.last.news


def test_a_unit_whose_creation_conflicts_is_refused_but_tells_what_is_there(bench: Bench) -> None:
    bench.start("one", owner="w1")
    before = bench.get("one")
    unit = Unit(
        fence=Fence(workflow_id="one", epoch=1),
        writes=(
            Create(workflow=new("one", input="[2]")),
            Record(checkpoint=checkpoint()),
            Finish(status=Status.SUCCEEDED, output='"mine"'),
        ),
    )
    [receipt] = bench.commit(unit)
    assert not receipt.accepted
    assert receipt.results[0] == Created(existing=before)
    assert bench.get("one") == before
    assert bench.steps("one") == []


def test_what_a_unit_created_can_be_suspended_in_it(bench: Bench) -> None:
    fence = Fence(workflow_id="one", epoch=1)
    assert bench.write(Create(workflow=new("one")), Suspend(wake_at=START + 60), fence=fence)[1] is True
    assert (bench.status("one"), bench.get("one").wake_at) == (Status.SUSPENDED, START + 60)


def test_a_fence_holds_for_a_workflow_created_earlier_in_the_batch(bench: Bench) -> None:
    fence = Fence(workflow_id="one", epoch=1)
    receipts = bench.commit(
        Unit(writes=(Create(workflow=new("one")),)),
        Unit(fence=fence, writes=(Record(checkpoint=checkpoint()),)),
    )
    assert [receipt.accepted for receipt in receipts] == [True, True]
    assert bench.steps("one") == ["/pay#1"]


def test_a_refused_parent_starts_no_child(bench: Bench) -> None:
    bench.start("parent")
    stale = Fence(workflow_id="parent", epoch=7)
    assert bench.refused(
        Record(checkpoint=checkpoint()), Create(workflow=new("child", parent_id="parent")), fence=stale
    )
    assert bench.store.get_workflow("child") is None


@pytest.mark.parametrize("count", [1, 300])
def test_a_batch_creates_them_all(bench: Bench, count: int) -> None:
    names = [f"workflow-{number:03}" for number in range(count)]
    receipts = bench.commit(*(Unit(writes=(Create(workflow=new(name)),)) for name in names))
    assert all(receipt.results == (Created(existing=None),) for receipt in receipts)
    assert {claimed.record.workflow_id for claimed in bench.store.claimed(names)} == set(names)
