"""Attributes, counts, duties, and the versions of workflows that were started without one."""

from __future__ import annotations

from holdfast.core.management import WorkflowCount
from holdfast.core.model import Status
from holdfast.store.management_writes import AdoptVersion, SetAttributes, TakeDuty
from holdfast.store.writes import Finish, Record
from tests.conformance.kit import START, Bench, checkpoint, next_epoch


def attributes(bench: Bench, write_id: str, **values: str | None) -> None:
    bench.write(SetAttributes(workflow_id="one", values=tuple(values.items()), write_id=write_id))


def test_attributes_are_set_changed_and_removed(bench: Bench) -> None:
    bench.start("one")
    assert bench.store.attributes("one") == {}
    attributes(bench, "w1", customer="42", region='"eu"')
    attributes(bench, "w2", region='"us"', vip="true", customer=None)
    assert bench.store.attributes("one") == {"region": '"us"', "vip": "true"}


def test_an_attribute_written_again_late_does_not_bring_its_old_value_back(bench: Bench) -> None:
    bench.start("one")
    attributes(bench, "w1", customer="1")
    attributes(bench, "w2", customer="2")
    attributes(bench, "w1", customer="1")
    assert bench.store.attributes("one") == {"customer": "2"}


def test_attributes_of_a_fenced_unit_fall_with_it(bench: Bench) -> None:
    fence = bench.start("one")
    write = SetAttributes(workflow_id="one", values=(("a", "1"),), write_id="w")
    assert bench.refused(Record(checkpoint=checkpoint()), write, fence=next_epoch(fence))
    assert bench.store.attributes("one") == {}
    bench.write(Record(checkpoint=checkpoint()), write, fence=fence)
    assert bench.store.attributes("one") == {"a": "1"}


def test_counts_tell_status_name_and_queue_and_the_oldest_without_an_outcome(bench: Bench) -> None:
    bench.finish(bench.start("a", created_at=START - 100))
    bench.start("b", created_at=START - 50)
    bench.start("c", created_at=START - 60)
    bench.start("d", name="review", owner=None, queue="mail")
    found = sorted(bench.store.count_workflows(), key=lambda each: str(each.status))
    assert found == [
        WorkflowCount(status=Status.ENQUEUED, name="review", queue="mail", count=1, oldest_at=START),
        WorkflowCount(status=Status.RUNNING, name="refund", queue=None, count=2, oldest_at=START - 60),
        WorkflowCount(status=Status.SUCCEEDED, name="refund", queue=None, count=1, oldest_at=None),
    ]


def test_one_holds_a_duty_until_its_time_is_over(bench: Bench) -> None:
    def take(holder: str, seconds: float = 60.0) -> bool:
        taken: bool = bench.ask(TakeDuty(name="retention", holder=holder, seconds=seconds))
        return taken

    assert take("w1")
    assert not take("w2")
    bench.clock.advance(30)
    assert take("w1")
    bench.clock.advance(59)
    assert not take("w2")
    bench.clock.advance(1)
    assert take("w2")
    assert not take("w1")
    assert take("w2", 0)
    assert bench.ask(TakeDuty(name="another", holder="w1", seconds=1))


def test_a_version_is_adopted_once_by_who_runs_the_workflow(bench: Bench) -> None:
    fence = bench.start("one", version="")
    assert bench.refused(AdoptVersion(version="v0"), fence=next_epoch(fence))
    bench.write(AdoptVersion(version="v1"), Record(checkpoint=checkpoint()), fence=fence)
    bench.write(AdoptVersion(version="v2"), Finish(status=Status.SUCCEEDED), fence=fence)
    assert bench.get("one").version == "v1"
