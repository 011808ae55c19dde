"""Workflows of pinned names are for workers that have their version; all others are anybody's."""

from __future__ import annotations

import pytest

from holdfast.core.model import VersionCount
from holdfast.store.writes import TakeOver
from tests.conformance.kit import START, Bench, for_message

PINNED = (("refund", "1"), ("refund", "2"), ("review", "1"))


@pytest.fixture
def several(bench: Bench) -> Bench:
    """Enqueued workflows: refunds of versions 1 to 3, reviews of 1 and 2, mails of 3."""
    for name, versions in (("refund", "123"), ("review", "12"), ("mail", "3")):
        for version in versions:
            bench.start(f"{name} {version}", owner=None, name=name, version=version)
    return bench


def test_of_pinned_names_only_pinned_versions_are_taken(several: Bench) -> None:
    taken = several.claim(names=["refund", "review", "mail"], pinned=PINNED)
    assert sorted(taken) == ["mail 3", "refund 1", "refund 2", "review 1"]
    assert several.claim(names=["refund", "review", "mail"]) == ["refund 3", "review 2"]


def test_what_is_passed_over_leaves_its_place_to_others(several: Bench) -> None:
    assert several.claim(names=["refund", "mail"], pinned=[("refund", "4")], limit=1) == ["mail 3"]
    assert several.claim(names=["refund"], pinned=[("refund", "3")], limit=1) == ["refund 3"]


def test_a_name_and_a_version_are_not_taken_apart_elsewhere(bench: Bench) -> None:
    bench.start("one", owner=None, name="refund", version="1 2")
    assert bench.claim(names=["refund"], pinned=[("refund", "1"), ("refund", "2"), ("refund 1", "2")]) == []
    assert bench.claim(names=["refund"], pinned=[("refund", "1 2")]) == ["one"]


def test_a_sleeper_of_another_version_is_passed_over_and_not_waited_for(bench: Bench) -> None:
    bench.sleep(bench.start("old", version="1"), wake_at=START + 10)
    bench.sleep(bench.start("new", version="2"), wake_at=START + 20)
    bench.start("delayed", version="1", owner=None, wake_at=START + 5)
    assert bench.store.next_due(["refund"], [("refund", "2")], after=START) == START + 20
    assert bench.store.next_due(["refund"], [("refund", "3")], after=START) is None
    bench.clock.advance(30)
    assert bench.claim(pinned=[("refund", "2")]) == ["new"]
    assert bench.store.next_due(["refund"], [("refund", "2")], after=bench.clock.now) is None


def test_a_suspect_of_another_version_is_passed_over(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.start("crashed", owner="w1", version="1")
    bench.ask(TakeOver(worker_id="w1", crash_limit=3))
    assert bench.claim("w2", pinned=[("refund", "2")]) == []
    assert bench.claim("w2", pinned=[("refund", "1")]) == ["crashed"]


def test_what_waits_for_another_version_is_counted(several: Bench) -> None:
    assert several.store.count_other_versions(PINNED) == {("refund", "3"): 1, ("review", "2"): 1}
    assert several.store.count_other_versions([]) == {}


def test_unfinished_workflows_are_counted_by_name_and_version(bench: Bench) -> None:
    bench.sleep(bench.start("asleep", version="1"), for_message("asleep"))
    bench.start("enqueued", owner=None, version="1")
    bench.start("running", version="1")
    bench.block(bench.start("blocked", version="2"))
    bench.finish(bench.start("done", version="3"))
    assert bench.store.unfinished_versions() == [
        VersionCount(name="refund", version="1", enqueued=1, suspended=1, running=1, set_aside=0),
        VersionCount(name="refund", version="2", enqueued=0, suspended=0, running=0, set_aside=1),
    ]
