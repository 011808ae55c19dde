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
    eventually(lambda: listener.is_quiet)
    return listener.queries


def test_idle_costs_no_query_and_no_look(monkeypatch: pytest.MonkeyPatch, listener: WalListener) -> None:
    monkeypatch.setattr("holdfast.store.sqlite.listener.REST", 3600.0)
    before = settled(listener)
    eventually(lambda: listener.rests, message="it waits to be told")
    assert listener.queries == before


@pytest.mark.parametrize("tells", ["the system", "nobody"])
def test_a_quiet_listener_hears_of_anothers_commit(
    tells: str, store: SqliteStore, tmp_path: Path, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.store.sqlite.listener.REST", 3600.0)
    if tells == "nobody":
        monkeypatch.setattr("ctypes.CDLL", lambda *_args, **_options: object())
    listener = store.listen(ears)
    assert isinstance(listener, WalListener)
    other = SqliteStore(tmp_path / "a.db")
    other.open()
    for number in range(3):
        settled(listener)
        if tells == "the system":
            eventually(lambda: listener.rests)
        ears.called.clear()
        commit(other, f"{number}")
        assert ears.called.wait(10)
    listener.stop()
    other.close()


def test_a_quiet_listener_follows_a_log_that_was_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.store.sqlite.listener.REST", 0.01)
    wal, asked = tmp_path / "a.db-wal", threading.Semaphore(0)
    wal.write_bytes(b"old")

    def others_committed() -> bool:
        asked.release()
        return False

    listener = WalListener(wal, others_committed, lambda _: None)
    settled(listener)
    wal.rename(tmp_path / "moved")
    wal.write_bytes(b"new")
    settled(listener)
    while asked.acquire(blocking=False):
        pass
    with wal.open("ab") as file:
        file.write(b"more")
    assert asked.acquire(timeout=10)
    listener.stop()


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
