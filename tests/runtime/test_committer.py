"""Who writes, and that nothing handed in is lost or written by nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path

import pytest

from holdfast.runtime.committer import Committer
from holdfast.runtime.effects import Durable, Flow, Invoke, PooledFlow
from holdfast.runtime.threads import ThreadPool
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.writes import Committed, Create, Unit
from tests.conformance.kit import new
from tests.helpers import eventually, run_script


def nothing() -> None:
    return


class WatchedStore(SqliteStore):
    """Notes which threads commit; `before` may raise or wait first."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.threads: list[str] = []
        self.sizes: list[int] = []
        """How many units each commit carried."""
        self.before: Callable[[], None] = nothing
        self.after: Callable[[], None] = nothing

    def commit(self, units: Sequence[Unit]) -> Committed:
        self.threads.append(threading.current_thread().name)
        self.sizes.append(len(units))
        self.before()
        committed = super().commit(units)
        self.after()
        return committed


@pytest.fixture
def store(tmp_path: Path) -> WatchedStore:
    store = WatchedStore(f"sqlite:///{tmp_path}/holdfast.db")
    store.open()
    return store


@pytest.fixture
def committer(store: WatchedStore) -> Committer:
    return Committer(store, lambda _committed: None)


def unit(workflow_id: str) -> Unit:
    return Unit(writes=(Create(workflow=new(workflow_id)),))


def test_a_thread_that_waits_for_its_write_carries_it_out_itself(store: WatchedStore, committer: Committer) -> None:
    committer.start()
    committer.submit(unit("one"), awaited=True).wait()
    assert store.threads == [threading.current_thread().name]
    committer.stop()
    store.close()


def test_what_nobody_waits_for_is_written_too(store: WatchedStore, committer: Committer) -> None:
    committer.start()
    ticket = committer.submit(unit("one"))
    committer.stop()
    assert ticket.done
    assert store.get_workflow("one") is not None
    store.close()


class HandsInMeanwhile(threading.Event):
    """Stands for the committer's pause: others hand in what they have while it lasts."""

    def __init__(self, hand_in: Callable[[], None]) -> None:
        super().__init__()
        self._hand_in: Callable[[], None] | None = hand_in
        self.waited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        hand_in, self._hand_in = self._hand_in, None
        if hand_in is not None:
            hand_in()
        self.waited.set()
        return super().wait(timeout)


@pytest.mark.parametrize(("first", "waits"), [(5, True), (1, False), (200, False)])
def test_after_a_small_commit_it_waits_for_what_follows_from_it(
    store: WatchedStore, committer: Committer, first: int, *, waits: bool
) -> None:
    sizes = store.sizes
    tickets = [committer.submit(unit(f"first-{number}")) for number in range(first)]
    pause = HandsInMeanwhile(lambda: tickets.extend(committer.submit(unit(f"more-{number}")) for number in range(4)))
    committer._stopping = pause

    def follow() -> None:
        if len(sizes) == 1:
            tickets.append(committer.submit(unit("next")))

    store.after = follow
    committer.start()
    eventually(lambda: len(sizes) >= 2)
    assert sizes[:2] == [first, 5 if waits else 1]
    assert pause.waited.is_set() is waits
    committer.stop()
    assert all(ticket.done for ticket in tickets)
    store.close()


def test_what_comes_in_while_a_waiting_thread_writes_is_not_left_behind(
    store: WatchedStore, committer: Committer
) -> None:
    committer.start()
    writing, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        writing.set()
        assert go_on.wait(10)

    store.before = hold
    first = threading.Thread(target=lambda: committer.submit(unit("one"), awaited=True).wait())
    first.start()
    assert writing.wait(10)
    tickets = [committer.submit(unit(f"{number}"), awaited=True) for number in range(5)]
    others = [threading.Thread(target=ticket.wait) for ticket in tickets]
    for thread in others:
        thread.start()
    store.before = nothing
    go_on.set()
    for thread in [first, *others]:
        thread.join(10)
        assert not thread.is_alive()
    committer.stop()
    store.close()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interrupt_in_the_middle_of_a_write_loses_nothing(
    store: WatchedStore, committer: Committer, moment: str
) -> None:
    committer.start()

    def interrupt() -> None:
        setattr(store, moment, nothing)
        raise KeyboardInterrupt

    setattr(store, moment, interrupt)
    ticket = committer.submit(unit("one"), awaited=True)
    with pytest.raises(KeyboardInterrupt):
        ticket.wait()
    assert ticket.wait().results[0].existing is None
    assert store.get_workflow("one") is not None
    committer.stop()
    store.close()


INTERRUPTED = """
import random, signal, sys
from holdfast import WorkflowFilter
from holdfast.runtime.committer import Committer
from holdfast.store.open import open_store
from tests.runtime.test_committer import unit

store = open_store(sys.argv[1])
store.open()
committer = Committer(store, lambda _committed: None)
committer.start()
chance = random.Random(1)
interrupted = 0
signal.signal(signal.SIGALRM, signal.default_int_handler)
for number in range(300):
    ticket = committer.submit(unit(f"{number}"), awaited=True)
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 1e-3))
        ticket.wait()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupted += 1
    assert ticket.wait().results[0].existing is None
assert interrupted
assert len(store.list_workflows(WorkflowFilter(limit=1000))) == 300
committer.stop()
store.close()
print("all written")
"""


def test_interrupts_at_any_moment_of_a_write_lose_nothing(store_url: str) -> None:
    # In a process of its own: an interrupt may come anywhere, also in what the test runner does beside.
    assert "all written" in run_script(INTERRUPTED, arguments=[store_url])


def test_after_the_end_nobody_waits_in_vain(store: WatchedStore, committer: Committer) -> None:
    committer.start()
    committer.stop()
    with pytest.raises(Exception, match="closed"):
        committer.submit(unit("late"), awaited=True).wait()
    with pytest.raises(Exception, match="closed"):
        committer.submit(unit("late")).wait()
    store.close()


def test_a_pools_thread_is_free_while_a_last_write_is_under_way(store: WatchedStore, committer: Committer) -> None:
    pool = ThreadPool(1)
    committer.go_on = pool.submit_all
    writing, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    seen: list[object] = []
    variable: ContextVar[str] = ContextVar("variable", default="outside")

    def hold() -> None:
        writing.set()
        assert go_on.wait(10)

    def ends(workflow_id: str) -> Flow[None]:
        token = variable.set(workflow_id)
        receipt = yield Durable(committer.submit(unit(workflow_id)), is_last=True)
        seen.append((variable.get(), receipt.accepted))
        variable.reset(token)
        ended.set()

    store.before = hold
    committer.start()
    pool.submit(PooledFlow(ends("one"), pool.submit).begin)
    assert writing.wait(10)
    between = threading.Event()
    pool.submit(lambda: seen.append(variable.get()))
    pool.submit(between.set)
    # The pool's only thread takes the next call although the write has not come through.
    assert between.wait(10)
    go_on.set()
    assert ended.wait(10)
    assert seen == ["outside", ("one", True)]
    committer.stop()
    pool.stop()
    store.close()


def test_what_comes_after_a_last_write_holds_up_nobody_else(store: WatchedStore, committer: Committer) -> None:
    pool = ThreadPool(2)
    committer.go_on = pool.submit_all
    blocked, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def goes_on(workflow_id: str) -> Flow[None]:
        yield Durable(committer.submit(unit(workflow_id)), is_last=True)
        blocked.set()
        yield Invoke(go_on.wait, (10,))

    def ends(workflow_id: str) -> Flow[None]:
        yield Durable(committer.submit(unit(workflow_id)), is_last=True)
        ended.set()

    pool.submit(PooledFlow(goes_on("one"), pool.submit).begin)
    pool.submit(PooledFlow(ends("two"), pool.submit).begin)
    committer.start()
    assert blocked.wait(10)
    assert ended.wait(10)
    go_on.set()
    committer.stop()
    pool.stop()
    store.close()
