"""Deleting workflows: what goes with them, and what keeps them."""

from __future__ import annotations

import pytest

from holdfast.core.archive import Contents
from holdfast.core.model import Status
from holdfast.store.management_writes import Delete, Deleted, SetAttributes
from holdfast.store.writes import Append, AskApproval, Create, Finish, PutEvent, Release, Send, Unit
from tests.conformance.kit import (
    START,
    Bench,
    approval,
    for_event,
    for_message,
    for_outcome,
    message,
    new,
)


def delete(bench: Bench, *ids: str, children: bool = False) -> Deleted:
    deleted: Deleted = bench.ask(Delete(workflow_ids=ids, children=children))
    return deleted


def test_all_that_is_recorded_goes_but_approvals(bench: Bench) -> None:
    fence = bench.start("one")
    bench.record(fence, "/a#1", "/b#1")
    bench.tell("one")
    bench.receive(fence)
    bench.write(
        PutEvent(workflow_id="one", name="e", value="1", write_id="w"),
        Append(workflow_id="one", stream="s", value="1", write_id="w"),
        SetAttributes(workflow_id="one", values=(("a", "1"),), write_id="w2"), fence=fence,
    )  # fmt: skip
    bench.tell("one", '"never received"')
    asked = approval("approval", "one")
    bench.write(AskApproval(approval=asked))
    bench.finish(fence)
    bench.finish(bench.start("other"))
    assert delete(bench, "one") == Deleted(gone=("one",))
    assert "one" in bench.last.news
    assert bench.store.get_workflow("one") is None
    assert bench.store.contents("one") == Contents()
    assert bench.store.outcomes(["one"]) == {}
    assert bench.store.approval("approval") == asked
    assert [entry.event for entry in bench.store.audit("approval")] == ["requested"]
    assert bench.status("other") is Status.SUCCEEDED


def test_the_id_is_free_again(bench: Bench) -> None:
    fence = bench.start("one")
    bench.record(fence, "/a#1")
    bench.finish(fence)
    delete(bench, "one")
    bench.start("one", input="[43]")
    assert (bench.status("one"), bench.get("one").input, bench.steps("one")) == (Status.RUNNING, "[43]", [])


def test_an_unknown_one_is_gone_already(bench: Bench) -> None:
    assert delete(bench, "none") == Deleted(gone=("none",))


def test_nothing_reaches_a_deleted_one(bench: Bench) -> None:
    bench.finish(bench.start("one"))
    _, sent = bench.commit(Unit(writes=(Delete(workflow_ids=("one",)),)), Unit(writes=(Send(message=message("one")),)))
    assert sent.results == (None,)
    assert bench.store.contents("one") == Contents()


def test_what_may_go_on_is_kept(bench: Bench) -> None:
    bench.start("running")
    bench.start("enqueued", owner=None)
    bench.write(Release(), fence=bench.start("released"))
    bench.sleep(bench.start("suspended"), for_message("suspended"))
    ids = ("running", "enqueued", "released", "suspended")
    deleted = delete(bench, *ids)
    assert deleted.gone == ()
    assert set(deleted.kept) == set(ids)
    assert deleted.kept["running"] == "it is running"
    assert [bench.get(each).workflow_id for each in ids] == list(ids)


def test_what_is_set_aside_goes(bench: Bench) -> None:
    bench.block(bench.start("one"))
    assert delete(bench, "one").gone == ("one",)
    assert bench.store.get_workflow("one") is None


def test_what_a_suspended_workflow_waits_for_is_kept(bench: Bench) -> None:
    bench.block(bench.start("blocked"))
    bench.finish(bench.start("ended"))
    bench.sleep(bench.start("waiter"), for_outcome("blocked"))
    bench.sleep(bench.start("listener"), for_event("ended", "never set"))
    deleted = delete(bench, "blocked", "ended")
    assert deleted.gone == ()
    assert "'waiter'" in deleted.kept["blocked"]
    assert "'listener'" in deleted.kept["ended"]


def test_a_waiting_parents_child_is_kept(bench: Bench) -> None:
    parent = bench.start("parent")
    bench.finish(bench.start("child", parent_id="parent"))
    assert "'parent'" in delete(bench, "child").kept["child"]
    bench.block(parent)
    assert "'parent'" in delete(bench, "child").kept["child"]


def test_a_child_goes_when_its_parent_has_ended_or_is_gone(bench: Bench) -> None:
    parent = bench.start("parent")
    for name in ("one", "two"):
        bench.finish(bench.start(name, parent_id="parent"))
    bench.finish(parent)
    assert delete(bench, "one").gone == ("one",)
    assert delete(bench, "parent").gone == ("parent",)
    assert bench.status("two") is Status.SUCCEEDED
    assert delete(bench, "two").gone == ("two",)


def test_a_parent_that_is_set_aside_goes_with_the_children_that_are_named(bench: Bench) -> None:
    parent = bench.start("parent")
    bench.finish(bench.start("child", parent_id="parent"))
    bench.finish(bench.start("grandchild", parent_id="child"))
    bench.block(parent)
    assert set(delete(bench, "grandchild", "child", "parent").gone) == {"grandchild", "child", "parent"}


def test_a_kept_parent_keeps_its_child(bench: Bench) -> None:
    parent = bench.start("parent")
    bench.block(bench.start("child", parent_id="parent"))
    bench.finish(bench.start("grandchild", parent_id="child"))
    deleted = delete(bench, "grandchild", "child", "parent")
    assert deleted.gone == ()
    assert set(deleted.kept) == {"grandchild", "child", "parent"}
    bench.finish(parent)
    assert len(delete(bench, "grandchild", "child", "parent").gone) == 3


def test_with_its_children_a_tree_goes_or_stays(bench: Bench) -> None:
    parent = bench.start("parent")
    child = bench.start("child", parent_id="parent")
    bench.finish(bench.start("grandchild", parent_id="child"))
    bench.finish(parent)
    deleted = delete(bench, "parent", children=True)
    assert deleted == Deleted(gone=(), kept={"parent": "its descendant 'child' is running"})
    assert bench.status("parent") is Status.SUCCEEDED
    bench.block(child)
    deleted = delete(bench, "parent", children=True)
    if not bench.resend:
        assert deleted == Deleted(gone=("parent", "child", "grandchild"))
    assert [bench.store.get_workflow(each) for each in ("parent", "child", "grandchild")] == [None] * 3


def test_old_ones_are_listed_by_how_they_ended(bench: Bench) -> None:
    fences = [bench.start(f"w{number}") for number in range(4)]
    for fence in fences[:3]:
        bench.finish(fence)
        bench.clock.advance(10)
    bench.write(Finish(status=Status.FAILED), fence=fences[3])
    assert bench.store.ended_before(Status.SUCCEEDED, START + 15, 10) == ["w0", "w1"]
    assert bench.store.ended_before(Status.SUCCEEDED, START + 15, 1) == ["w0"]
    assert bench.store.ended_before(Status.FAILED, START + 15, 10) == []
    assert bench.store.ended_before(Status.FAILED, START + 50, 10) == ["w3"]


def test_what_would_be_kept_is_not_listed_as_old(bench: Bench) -> None:
    parent = bench.start("parent")
    bench.finish(bench.start("child", parent_id="parent"))
    bench.finish(bench.start("awaited"))
    bench.sleep(bench.start("listener"), for_event("awaited", "never"))
    bench.finish(bench.start("free"))
    assert bench.store.ended_before(Status.SUCCEEDED, START + 1, 10) == ["free"]
    bench.finish(parent)
    assert set(bench.store.ended_before(Status.SUCCEEDED, START + 1, 10)) == {"free", "child", "parent"}


@pytest.mark.parametrize("first", ["delete", "create"])
def test_a_deletion_and_a_new_start_of_one_id_follow_one_another(bench: Bench, first: str) -> None:
    bench.finish(bench.start("one"))
    again = Create(workflow=new("one", owner=None))
    if first == "delete":
        bench.write(Delete(workflow_ids=("one",)))
        assert bench.ask(again).existing is None
        assert bench.status("one") is Status.ENQUEUED
    else:
        assert bench.ask(again).existing is not None
        bench.write(Delete(workflow_ids=("one",)))
        assert bench.store.get_workflow("one") is None
