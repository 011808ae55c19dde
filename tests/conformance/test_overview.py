"""What operators read, from both databases alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.model import Status
from holdfast.errors import ConfigurationError
from holdfast.store.base import Store
from holdfast.store.open import open_store
from holdfast.store.overview import Line
from holdfast.store.writes import Create
from tests.conformance.kit import Bench, FakeClock, for_event, for_message, for_outcome, new


def test_counts_are_of_what_has_not_ended(bench: Bench) -> None:
    for workflow_id in ("r1", "r2"):
        bench.start(workflow_id)
    bench.finish(bench.start("done"))
    bench.block(bench.start("blocked"))
    bench.sleep(bench.start("asleep"), for_message("asleep"))
    assert {status: count for status, count in bench.store.overview().counts.items() if count} == {
        Status.RUNNING: 2,
        Status.BLOCKED: 1,
        Status.SUSPENDED: 1,
    }


def test_an_empty_database_counts_zeros(store: Store) -> None:
    assert set(store.overview().counts.values()) == {0}
    assert store.overview().lines == ()


def test_lines_tell_how_many_are_due_and_since_when(bench: Bench, clock: FakeClock) -> None:
    def enqueue(workflow_id: str, **fields: object) -> None:
        bench.write(Create(workflow=new(workflow_id, owner=None, created_at=clock(), **fields)))

    first = clock()
    enqueue("a")
    enqueue("b", queue="mail")
    clock.advance(10)
    enqueue("c")
    enqueue("later", wake_at=clock() + 60)
    lines = bench.store.overview().lines
    assert [(line.queue, line.depth) for line in lines] == [("", 2), ("mail", 1)]
    assert isinstance(lines[0], Line)
    assert lines[0].oldest_at == pytest.approx(first)


def test_waits_tell_what_a_suspended_workflow_waits_for(bench: Bench) -> None:
    bench.start("other")
    waits = [for_message("w", "box"), for_outcome("other"), for_event("other", "ready")]
    bench.sleep(bench.start("w"), *waits)
    assert sorted(bench.store.waits("w"), key=repr) == sorted(waits, key=repr)
    assert bench.store.waits("other") == []


def test_workers_are_listed_while_nobody_declared_them_dead(bench: Bench) -> None:
    bench.register("w1", "w2")
    assert {worker.worker_id for worker in bench.store.workers()} >= {"w1", "w2"}


def test_there_is_work_while_something_runs_or_is_due_within_the_horizon(bench: Bench, clock: FakeClock) -> None:
    names = ["flow"]

    def busy(horizon: float = 0.0) -> bool:
        return bench.store.has_work(names, horizon)

    assert not busy()
    fence = bench.start("w", name="flow")
    assert busy()
    bench.sleep(fence, wake_at=clock() + 60)
    assert not busy(59)
    assert busy(61)
    clock.advance(60)
    assert busy()
    assert not bench.store.has_work(["another"], 0.0)


def test_looking_at_a_database_needs_no_open_and_changes_nothing(empty_database_url: str) -> None:
    store = open_store(empty_database_url)
    assert store.inspect().schema == 0
    assert store.inspect().schema == 0
    store.open()
    store.close()
    inspection = open_store(empty_database_url).inspect()
    assert inspection.schema == inspection.known_schema
    assert {fact.name for fact in inspection.facts}


def test_a_backup_holds_what_was_committed(bench: Bench, tmp_path: Path) -> None:
    bench.start("w")
    target = tmp_path / "copy.db"
    if bench.store.dialect == "postgresql":
        with pytest.raises(ConfigurationError, match="pg_dump"):
            bench.store.back_up(target)
        return
    assert bench.store.back_up(target) == target.stat().st_size
    with pytest.raises(FileExistsError):
        bench.store.back_up(target)
