"""Hearing of other processes' commits, and locks that die with their process, on PostgreSQL."""

from __future__ import annotations

import logging
import os
import queue
from collections.abc import Callable, Iterator

import pytest

from holdfast.core.model import WorkerRecord
from holdfast.errors import StoreUnavailable
from holdfast.store.postgres import PostgresStore, watch, worker_lock
from holdfast.store.process import host_identity, process_started
from holdfast.store.writes import Create, Register, Unit
from tests.conformance.kit import new, worker
from tests.helpers import ScriptProcess, eventually
from tests.postgres_proxy import PostgresProxy
from tests.store.postgres_kit import superuser, terminate

News = frozenset[str] | None


@pytest.fixture
def open_store(postgres_url: str) -> Iterator[Callable[..., PostgresStore]]:
    opened: list[PostgresStore] = []

    def open_one(url: str = postgres_url) -> PostgresStore:
        store = PostgresStore(url)
        store.open()
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., PostgresStore]) -> PostgresStore:
    return open_store()


class Ear:
    """A listener that has begun to hear."""

    def __init__(self, store: PostgresStore) -> None:
        self.heard: queue.SimpleQueue[News] = queue.SimpleQueue()
        self.subscription = store.listen(self.heard.put)
        assert self.next() is None, "whatever came before the LISTEN was not heard, so anything may have changed"

    def next(self) -> News:
        return self.heard.get(timeout=10)


def test_news_of_another_process_name_the_workflows(
    store: PostgresStore, open_store: Callable[..., PostgresStore]
) -> None:
    ear = Ear(open_store())
    store.notify(["one", "two, with ünicode"], ready=False)
    assert ear.next() == frozenset({"one", "two, with ünicode"})


def test_that_work_is_ready_means_that_anything_may_have_changed(
    store: PostgresStore, open_store: Callable[..., PostgresStore]
) -> None:
    ear = Ear(open_store())
    store.notify(["one"], ready=True)
    assert ear.next() is None


def test_more_news_than_a_notification_holds_mean_anything(
    store: PostgresStore, open_store: Callable[..., PostgresStore]
) -> None:
    ear = Ear(open_store())
    store.notify([f"workflow-{number:040d}" for number in range(500)], ready=False)
    assert ear.next() is None


def test_a_process_does_not_hear_itself(store: PostgresStore, open_store: Callable[..., PostgresStore]) -> None:
    ear = Ear(store)
    store.notify(["mine"], ready=False)
    open_store().notify(["another's"], ready=False)
    assert ear.next() == frozenset({"another's"})


def test_a_listener_that_was_stopped_hears_nothing(
    store: PostgresStore, open_store: Callable[..., PostgresStore]
) -> None:
    listening = open_store()
    stopped, ear = Ear(listening), Ear.__new__(Ear)
    stopped.subscription.stop()
    stopped.subscription.stop()
    ear.heard = queue.SimpleQueue()
    listening.listen(ear.heard.put)
    store.notify(["one"], ready=False)
    assert ear.next() == frozenset({"one"})
    assert stopped.heard.empty()


def test_a_listener_whose_session_was_ended_looks_at_everything_and_hears_again(
    store: PostgresStore, open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    ear = Ear(open_store())
    assert terminate(postgres_url, "watch") == 1
    assert ear.next() is None
    store.notify(["one"], ready=False)
    assert ear.next() == frozenset({"one"})


def test_a_listener_that_fails_is_called_again(
    store: PostgresStore, open_store: Callable[..., PostgresStore], caplog: pytest.LogCaptureFixture
) -> None:
    heard: queue.SimpleQueue[News] = queue.SimpleQueue()

    def fail(news: News) -> None:
        heard.put(news)
        raise ValueError("broken handler")

    open_store().listen(fail)
    assert heard.get(timeout=10) is None
    store.notify(["one"], ready=False)
    assert heard.get(timeout=10) == frozenset({"one"})
    eventually(lambda: "broken handler" in caplog.text)


def test_a_hint_that_could_not_be_sent_says_so_and_the_next_one_goes(
    store: PostgresStore, open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    ear = Ear(open_store())
    store.notify(["one"], ready=False)
    assert ear.next() == frozenset({"one"})
    terminate(postgres_url, "hints")
    with pytest.raises(StoreUnavailable):
        store.notify(["two"], ready=False)
    store.notify(["three"], ready=False)
    assert ear.next() == frozenset({"three"})


def test_behind_a_pooler_news_come_by_polling_and_the_lease_decides(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    proxy = PostgresProxy(postgres_url, as_pooler=True)
    store = PostgresStore(proxy.url)
    store.open()
    try:
        with caplog.at_level(logging.WARNING):
            ear = Ear(store)
            assert [ear.next(), ear.next()] == [None, None]
        assert "pooler" in caplog.text
        lock = store.lock_worker("w1")
        assert lock.is_free(worker("w2", host="elsewhere")) is None
        lock.release()
    finally:
        store.close()
        proxy.close()


def register(store: PostgresStore, worker_id: str, **fields: object) -> WorkerRecord:
    record = worker(worker_id, **fields)
    store.commit([Unit(writes=(Register(worker=record, lease_seconds=30.0),))])
    return record


def age_heartbeat(url: str, seconds: float) -> None:
    with superuser(url) as admin:
        admin.execute("UPDATE holdfast.workers SET heartbeat_at = heartbeat_at - %s", [seconds])


HOLD = """
import sys
from holdfast.store.postgres import PostgresStore
store = PostgresStore(sys.argv[1])
store.open()
lock = store.lock_worker("held")
print("locked")
sys.stdin.read()
"""


@pytest.mark.crash
def test_a_lock_dies_with_its_process(store: PostgresStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_lock, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(worker_lock, "UPTIME_SECONDS", 0.0)
    mine = store.lock_worker("mine")
    with ScriptProcess(
        f"import threading\n{HOLD.replace('sys.stdin.read()', 'threading.Event().wait()')}", arguments=[postgres_url]
    ) as process:
        process.wait_for_line("locked")
        here = worker("held", host=host_identity(), pid=process.pid, process_started=process_started(process.pid))
        elsewhere = register(store, "held", host="elsewhere")
        age_heartbeat(postgres_url, 60)
        assert mine.is_free(here) is False
        # On another host a lock that is held says that the session lives; the lease says whether its process does.
        assert mine.is_free(elsewhere) is None
        process.kill()
        assert mine.is_free(here) is True
        eventually(lambda: mine.is_free(elsewhere) is True)
    mine.release()


def test_a_free_lock_alone_proves_nothing(
    store: PostgresStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_lock, "UPTIME_SECONDS", 0.0)
    lock = store.lock_worker("mine")
    elsewhere = register(store, "theirs", host="elsewhere")
    monkeypatch.setattr(worker_lock, "FREE_SECONDS", 0.0)
    assert lock.is_free(elsewhere) is None, "its heartbeat is young"
    age_heartbeat(postgres_url, 60)
    monkeypatch.setattr(worker_lock, "FREE_SECONDS", 3600.0)
    assert lock.is_free(elsewhere) is None, "it may be about to take its lock again"
    monkeypatch.setattr(worker_lock, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(worker_lock, "UPTIME_SECONDS", 1e9)
    assert lock.is_free(elsewhere) is None, "the server has just come up: everybody is on the way back"
    monkeypatch.setattr(worker_lock, "UPTIME_SECONDS", 0.0)
    assert lock.is_free(elsewhere) is True


def test_a_lock_is_taken_again_after_its_session_was_ended(
    store: PostgresStore, open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    lock = open_store().lock_worker("one")

    def locks() -> list[int]:
        with superuser(postgres_url) as admin:
            return [
                pid
                for (pid,) in admin.execute(
                    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database ="
                    " (SELECT oid FROM pg_database WHERE datname = current_database())"
                ).fetchall()
            ]

    [before] = locks()
    assert terminate(postgres_url, "watch") == 1
    [after] = eventually(lambda: [pid for pid in locks() if pid != before])
    assert after != before
    lock.release()
    lock.release()
    eventually(lambda: locks() == [])


def test_a_worker_knows_that_it_lives_itself(store: PostgresStore) -> None:
    lock = store.lock_worker("mine")
    assert lock.is_free(worker("mine", host="elsewhere")) is False


def test_on_one_host_the_kernel_is_asked(store: PostgresStore) -> None:
    lock = store.lock_worker("mine")
    alive = worker("peer", host=host_identity(), pid=os.getpid(), process_started=process_started(os.getpid()))
    assert lock.is_free(alive) is False
    reused = worker("peer", host=host_identity(), pid=os.getpid(), process_started="1")
    assert lock.is_free(reused) is True


def test_locks_and_listeners_end_with_the_store(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    store.open()
    store.lock_worker("one")
    Ear(store)
    store.commit([Unit(writes=(Create(workflow=new("one")),))])
    store.close()
    store.close()
    with superuser(postgres_url) as admin:
        eventually(
            lambda: (
                admin.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'holdfast %'"
                    " AND datname = current_database()"
                ).fetchone()
                == (0,)
            )
        )
    with pytest.raises(StoreUnavailable):
        store.now()
