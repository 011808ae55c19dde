"""Several stores on one database: threads, and processes that are killed, paused, or simply work beside each other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from holdfast.core.model import Fence, Status, WorkerRecord, WorkflowFilter
from holdfast.store.base import Store
from holdfast.store.process import host_identity, process_started
from holdfast.store.writes import Create, Finish, Record, Send, Unit
from tests.conformance.kit import Bench, checkpoint, message, new, worker
from tests.helpers import ScriptProcess, eventually, kill_at_line

WORK = """
import sys
from holdfast.core.model import Status
from holdfast.store.writes import Claim, Finish, Register, Unit
from holdfast.core.model import Fence
from holdfast.store.open import open_store
from tests.conformance.kit import worker
store = open_store(sys.argv[1])
store.open()
me = sys.argv[2]
store.commit([Unit(writes=(Register(worker=worker(me), lease_seconds=60),))])
print("ready", flush=True)
done, number = 0, 0
while done < int(sys.argv[3]):
    number += 1
    claim = Claim(claim_id=f"{me}-{number}", worker_id=me, names=("refund",), limit=3)
    taken = store.commit([Unit(writes=(claim,))]).receipts[0].results[0]
    for claimed in store.claimed(taken):
        fence = Fence(workflow_id=claimed.record.workflow_id, epoch=claimed.record.epoch)
        unit = Unit(fence=fence, writes=(Finish(status=Status.SUCCEEDED, output=f'"{me}"'),))
        assert store.commit([unit]).receipts[0].accepted
    if not taken and len(store.outcomes([f"{number:03}" for number in range(int(sys.argv[3]))])) == int(sys.argv[3]):
        break
    done += len(taken)
print("done", flush=True)
store.close()
"""
COMMIT_ONCE = """
import sys
from holdfast.store.writes import Create, Unit
from holdfast.store.open import open_store
from tests.conformance.kit import new
store = open_store(sys.argv[1])
store.open()
committed = store.commit([Unit(writes=(Create(workflow=new(name, owner=None)),)) for name in sys.argv[2:]])
store.notify(committed.news, ready=committed.ready)
print("committed", flush=True)
store.close()
"""
COMMIT_FOREVER = """
import sys
from holdfast.core.model import Fence, Status
from holdfast.store.writes import Create, Finish, Record, Unit
from holdfast.store.open import open_store
from tests.conformance.kit import checkpoint, new
store = open_store(sys.argv[1])
store.open()
number = 0
while True:
    names = [f"{sys.argv[2]}-{number:05}-{each}" for each in range(5)]
    number += 1
    store.commit([
        Unit(
            fence=Fence(workflow_id=name, epoch=1),
            writes=(Create(workflow=new(name)), Record(checkpoint=checkpoint()), Finish(status=Status.SUCCEEDED)),
        )
        for name in names
    ])
    print("acknowledged", *names, flush=True)
"""
HOLD_LOCK = """
import sys, threading
from holdfast.store.open import open_store
store = open_store(sys.argv[1])
store.open()
lock = store.lock_worker(sys.argv[2])
print("locked", flush=True)
threading.Event().wait()
"""


def test_one_store_sees_what_another_committed(bench: Bench) -> None:
    other = bench.reopen()
    fence = bench.start("one")
    assert other.get_workflow("one") == bench.get("one")
    other.commit([Unit(writes=(Send(message=message("one", "1")),))])
    assert bench.receive(fence) == "1"
    [receipt] = other.commit([Unit(fence=fence, writes=(Finish(status=Status.SUCCEEDED, output="1"),))]).receipts
    assert receipt.accepted
    assert bench.status("one") is Status.SUCCEEDED


def test_threads_with_stores_of_their_own_lose_nothing(open_store: Callable[..., Store], store: Store) -> None:
    stores = [open_store() for _ in range(4)]
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for item in range(25):
                name = f"{number}-{item}"
                fence = Fence(workflow_id=name, epoch=1)
                writes = (
                    Create(workflow=new(name)),
                    Record(checkpoint=checkpoint()),
                    Finish(status=Status.SUCCEEDED, output="1"),
                )
                assert stores[number].commit([Unit(fence=fence, writes=writes)]).receipts[0].accepted
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    _run([threading.Thread(target=write, args=(number,)) for number in range(4)])
    assert failures == []
    found = store.list_workflows(WorkflowFilter(limit=1000, status=(Status.SUCCEEDED,)))
    assert len(found) == 100
    assert all(store.journal(each.workflow_id) == [checkpoint()] for each in found[::10])


def test_threads_that_create_the_same_id_agree_on_one(open_store: Callable[..., Store], store: Store) -> None:
    stores = [open_store() for _ in range(4)]
    winners: list[int] = []

    def create(number: int) -> None:
        [receipt] = stores[number].commit([Unit(writes=(Create(workflow=new("one", input=f"[{number}]")),))]).receipts
        existing = receipt.results[0].existing
        winners.append(number if existing is None else int(existing.input.strip("[]")))

    _run([threading.Thread(target=create, args=(number,)) for number in range(4)])
    assert len(winners) == 4
    assert len(set(winners)) == 1


def test_reads_go_on_while_a_transaction_is_open(store: Store) -> None:
    store.commit([Unit(writes=(Create(workflow=new("one")),))])
    with store.transaction() as transaction:
        transaction.begin(Fence(workflow_id="one", epoch=1), "/deposit#1")
        found: list[object] = []
        _run([threading.Thread(target=lambda: found.append(store.get_workflow("one")))])
        assert found[0] is not None


def test_two_processes_share_the_work_without_taking_anything_twice(database_url: str, store: Store) -> None:
    count = 40
    store.commit(
        [Unit(writes=(Create(workflow=new(f"{number:03}", owner=None, created_at=0.0)),)) for number in range(count)]
    )
    with ExitStack() as stack:
        processes = [
            stack.enter_context(ScriptProcess(WORK, arguments=[database_url, name, str(count)]))
            for name in ("p1", "p2")
        ]
        for process in processes:
            process.finish()
    found = store.list_workflows(WorkflowFilter(limit=1000))
    assert {each.status for each in found} == {Status.SUCCEEDED}
    # One claim each: nothing was given to both.
    assert {each.epoch for each in found} == {1}


def test_what_was_acknowledged_survives_a_kill(database_url: str, open_store: Callable[..., Store]) -> None:
    acknowledged: set[str] = set()
    for round_ in (1, 2, 3):
        said = kill_at_line(
            COMMIT_FOREVER, f"acknowledged {round_}-000{round_}0", arguments=[database_url, str(round_)]
        )
        lines = [line.split() for line in said.splitlines()]
        acknowledged.update(name for first, *names in lines if first == "acknowledged" for name in names)
    assert len(acknowledged) > 100
    store = open_store()
    found = {each.workflow_id: each for each in store.list_workflows(WorkflowFilter(limit=100_000))}
    assert acknowledged <= found.keys()
    # What was not acknowledged is there as a whole or not at all, by batches.
    batches = Counter(name.rpartition("-")[0] for name in found)
    assert set(batches.values()) == {5}
    assert {each.status for each in found.values()} == {Status.SUCCEEDED}
    assert all(len(store.journal(name)) == 1 for name in sorted(found)[-10:])


def test_a_commit_of_another_process_is_heard(database_url: str, store: Store) -> None:
    heard = threading.Event()
    listener = store.listen(lambda _: heard.set())
    try:
        with ScriptProcess(COMMIT_ONCE, arguments=[database_url, "one"]) as process:
            process.finish()
        assert heard.wait(10)
    finally:
        listener.stop()
    listener.stop()


def test_a_commit_of_another_store_is_heard(open_store: Callable[..., Store], store: Store) -> None:
    other = open_store()
    heard = threading.Event()
    listener = store.listen(lambda _: heard.set())
    for number in range(3):
        heard.clear()
        committed = other.commit([Unit(writes=(Create(workflow=new(f"{number}", owner=None)),))])
        other.notify(committed.news, ready=committed.ready)
        assert heard.wait(10)
    listener.stop()


def test_a_living_workers_lock_is_not_free_and_a_killed_ones_is(database_url: str, store: Store) -> None:
    mine = store.lock_worker("mine")
    with ScriptProcess(HOLD_LOCK, arguments=[database_url, "theirs"]) as process:
        process.wait_for_line("locked")
        theirs = _worker_of(process, "theirs")
        assert not mine.is_free(theirs)
        process.pause()
        assert not mine.is_free(theirs)
        process.unpause()
        process.kill()
    eventually(lambda: mine.is_free(theirs))
    mine.release()
    mine.release()


def _worker_of(process: ScriptProcess, worker_id: str) -> WorkerRecord:
    started = process_started(process.pid)
    return worker(worker_id, host=host_identity(), pid=process.pid, process_started=started)


def _run(threads: Iterable[threading.Thread]) -> None:
    started = list(threads)
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
