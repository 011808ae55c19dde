"""How often a worker says that it lives: every heartbeat while somebody may depend on it, seldom while nobody does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import Config, Holdfast, Status, start, step, workflow
from holdfast.store.writes import TakeOver, Unit
from tests.helpers import eventually

CONFIG = Config(heartbeat=0.02, lease=60)
released = threading.Event()


bodies: list[int] = []


@step
def count() -> int:
    """Count how often this is done."""
    bodies.append(1)
    return len(bodies)


@workflow
def counted() -> int:
    """Do something countable."""
    return count()


@step
def hold() -> None:
    """Stay until the test has seen enough."""
    released.wait(20)


@workflow
def held() -> None:
    """Be in memory."""
    hold()


class Watched:
    """An application of which one counts the heartbeats that are due, and those that are written."""

    def __init__(self, app: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app = app
        self.due = 0
        engine = app.engine
        overdue = engine.cancel_overdue

        def noted() -> None:
            self.due += 1
            overdue()

        monkeypatch.setattr(engine, "cancel_overdue", noted)

    @property
    def written(self) -> float:
        """When the last heartbeat was written, by the database's clock."""
        [mine] = [worker for worker in self.app.engine.store.workers() if worker.worker_id == self.app.engine.worker_id]
        return mine.heartbeat_at

    def let_ten_be_due(self) -> None:
        """Wait until ten more heartbeats are due."""
        until = self.due + 10
        eventually(lambda: self.due >= until)

    def let_one_be_written(self) -> None:
        """Wait until one more heartbeat is in the database."""
        before = self.written
        eventually(lambda: self.written > before)


@pytest.fixture
def watched(store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """An application alone on its database, whose clock stands still once its first heartbeats are written."""
    released.clear()
    with Holdfast(store_url, config=CONFIG) as app:
        watched = Watched(app, monkeypatch)
        eventually(lambda: app.engine.heard_at is not None)
        now = app.engine.clock.monotonic()
        monkeypatch.setattr(app.engine.clock, "monotonic", lambda: now)
        watched.let_ten_be_due()
        yield watched
        released.set()


def test_a_worker_alone_with_nothing_to_do_rests(watched: Watched) -> None:
    before = watched.written
    watched.let_ten_be_due()
    assert watched.written == before


def test_it_rests_for_a_few_heartbeats_only(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    before, now = watched.written, watched.app.engine.clock.monotonic()
    monkeypatch.setattr(watched.app.engine.clock, "monotonic", lambda: now + 6 * CONFIG.heartbeat)
    eventually(lambda: watched.written > before)


@pytest.mark.parametrize("way", ["start", "start with an id", "call", "call with an id"])
def test_what_a_worker_begins_after_it_was_declared_dead_is_run_once_by_its_successor(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    app, before = watched.app, watched.app.engine.worker_id
    app.store.commit([Unit(writes=(TakeOver(worker_id=before, crash_limit=3),))])
    bodies.clear()
    given = app.options(id="late" if "id" in way else None)
    with ThreadPoolExecutor(1) as threads:
        if way.startswith("call"):
            result = threads.submit(given.call, counted)
        else:
            result = threads.submit(given.start(counted).result)
        eventually(lambda: app.list_workflows() and app.list_workflows()[0].status is Status.ENQUEUED)
        now = app.engine.clock.monotonic()
        monkeypatch.setattr(app.engine.clock, "monotonic", lambda: now + 6 * CONFIG.heartbeat)
        assert result.result(timeout=20) == 1
    assert len(bodies) == 1
    assert app.engine.worker_id != before


def test_one_that_runs_a_workflow_writes_each_heartbeat(watched: Watched) -> None:
    start(held)
    for _ in range(3):
        watched.let_one_be_written()


def test_one_that_has_peers_writes_each_heartbeat_for_it_looks_after_them(
    watched: Watched, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Holdfast(store_url, config=CONFIG):
        now = watched.app.engine.clock.monotonic()
        monkeypatch.setattr(watched.app.engine.clock, "monotonic", lambda: now + 6 * CONFIG.heartbeat)
        for _ in range(3):
            watched.let_one_be_written()
