from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.store.sqlite.listener import WalListener
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.writes import Claim, Create, Heartbeat, Unit
from tests.conformance.kit import new
from tests.helpers import eventually


class Ears:
    """Counts what a listener says."""

    def __init__(self) -> None:
        self.heard = 0
        self.called = threading.Event()

    def __call__(self, _: frozenset[str] | None) -> None:
        self.heard += 1
        self.called.set()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "a.db")
    store.open()
    yield store
    store.close()


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def listener(store: SqliteStore, ears: Ears) -> Iterator[WalListener]:
    listener = store.listen(ears)
    assert isinstance(listener, WalListener)
    yield listener
    listener.stop()


def commit(store: SqliteStore, name: str) -> None:
    store.commit([Unit(writes=(Create(workflow=new(name)),))])


def settled(listener: WalListener) -> int:
    """Wait until the listener has nothing to ask any more; return how often it asked."""
    eventually(lambda: listener.looks_left == 0)
    return listener.queries


def test_idle_costs_no_query(listener: WalListener) -> None:
    before = settled(listener)
    ticks = listener.ticks
    eventually(lambda: listener.ticks > ticks + 20)
    assert listener.queries == before


def test_own_commits_and_transactions_are_not_heard(store: SqliteStore, listener: WalListener, ears: Ears) -> None:
    for number in range(50):
        commit(store, f"{number}")
        with store.transaction() as transaction:
            transaction.begin(None, None)
            transaction.commit(None, None)
    asked = listener.queries
    eventually(lambda: listener.queries > asked)
    settled(listener)
    assert ears.heard == 0


def test_each_of_anothers_commits_is_heard_also_beside_own_ones(
    store: SqliteStore, listener: WalListener, ears: Ears, tmp_path: Path
) -> None:
    other = SqliteStore(tmp_path / "a.db")
    other.open()
    for number in range(10):
        ears.called.clear()
        commit(store, f"own-{number}")
        commit(other, f"others-{number}")
        commit(store, f"own-again-{number}")
        assert ears.called.wait(10)
    settled(listener)
    other.close()


def test_anothers_heartbeats_and_claims_are_not_heard_so_that_idle_workers_let_one_another_sleep(
    store: SqliteStore, tmp_path: Path
) -> None:
    other = SqliteStore(tmp_path / "a.db")
    other.open()
    other.commit([Unit(writes=(Heartbeat(worker_id="other", lease_seconds=30),))])
    other.commit([Unit(writes=(Claim(claim_id="c", worker_id="other", names=("f",), limit=1),))])
    assert not store._others_committed()
    commit(other, "news")
    assert store._others_committed()
    other.close()


def test_a_failing_handler_does_not_end_the_listening(
    store: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = threading.Semaphore(0)

    def fail(_: frozenset[str] | None) -> None:
        calls.release()
        raise KeyError("handler")

    listener = store.listen(fail)
    other = SqliteStore(tmp_path / "a.db")
    other.open()
    for number in range(2):
        commit(other, f"{number}")
        assert calls.acquire(timeout=10)
    eventually(lambda: "the handler of news failed" in caplog.text)
    listener.stop()
    other.close()


def test_a_commit_that_failed_does_not_hide_anothers(
    store: SqliteStore, listener: WalListener, ears: Ears, tmp_path: Path
) -> None:
    with pytest.raises(UnicodeEncodeError):
        store.commit([Unit(writes=(Create(workflow=new("bad", input="\ud800")),))])
    other = SqliteStore(tmp_path / "a.db")
    other.open()
    commit(other, "one")
    assert ears.called.wait(10)
    settled(listener)
    other.close()


def test_in_memory_there_is_nobody_to_hear() -> None:
    store = SqliteStore("sqlite://")
    store.open()
    listener = store.listen(lambda _: None)
    listener.stop()
    store.close()
