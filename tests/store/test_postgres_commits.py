"""Commits on PostgreSQL when replies are lost, when others hold locks, and when a zombie writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from holdfast.core.model import Fence, Status
from holdfast.errors import StoreUnavailable
from holdfast.store.base import Fenced
from holdfast.store.postgres import PostgresStore
from holdfast.store.writes import (
    Append,
    Claim,
    Create,
    Finish,
    PutEvent,
    Receipt,
    Record,
    Register,
    Send,
    Suspend,
    TakeOver,
    Unit,
    Write,
)
from tests.conformance.kit import checkpoint, for_message, message, new, received, worker
from tests.helpers import eventually
from tests.postgres_proxy import PostgresProxy
from tests.store.postgres_kit import superuser, wait_until_blocked

DONE = Finish(status=Status.SUCCEEDED, output='"done"')
FENCE = Fence(workflow_id="one", epoch=1)


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


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[PostgresProxy]:
    proxy = PostgresProxy(postgres_url)
    yield proxy
    proxy.close()


def write(store: PostgresStore, *writes: Write, fence: Fence | None = None) -> Receipt:
    [receipt] = store.commit([Unit(writes=writes, fence=fence)]).receipts
    return receipt


def whole_workflow() -> Unit:
    return Unit(fence=FENCE, writes=(Create(workflow=new("one")), Record(checkpoint=checkpoint()), DONE))


LOST = {
    "a workflow from its creation to its end": [whole_workflow()],
    "a creation": [Unit(fence=FENCE, writes=(Create(workflow=new("one")),))],
    "a checkpoint": [Unit(fence=FENCE, writes=(Record(checkpoint=checkpoint()),))],
    "an outcome": [Unit(fence=FENCE, writes=(Record(checkpoint=checkpoint()), DONE))],
    "a suspension": [Unit(fence=FENCE, writes=(Suspend(wake_at=None, waits=(for_message("one"),)),))],
    "a message": [Unit(writes=(Send(message=message("one")),))],
    "a receive": [Unit(fence=FENCE, writes=received("sent"))],
    "an event": [Unit(writes=(PutEvent(workflow_id="one", name="e", value="1", write_id="w"),))],
    "a stream item": [Unit(writes=(Append(workflow_id="one", stream="s", value="1", write_id="w"),))],
    "a claim": [Unit(writes=(Claim(claim_id="c", worker_id="w1", names=("refund",), limit=1),))],
}


@pytest.mark.parametrize("units", LOST.values(), ids=LOST)
def test_a_commit_whose_reply_was_lost_is_done_once(
    units: list[Unit], proxy: PostgresProxy, store: PostgresStore, open_store: Callable[..., PostgresStore]
) -> None:
    cut_off = open_store(proxy.url)
    write(store, Register(worker=worker("w1"), lease_seconds=30))
    if isinstance(units[0].writes[0], Claim):
        write(store, Create(workflow=new("waits", owner=None)), Create(workflow=new("later", owner=None)))
    elif not isinstance(units[0].writes[0], Create):
        write(store, Create(workflow=new("one")))
    if units == LOST["a receive"]:
        write(store, Send(message=message("one", message_id="sent")), Send(message=message("one", '"second"')))
    proxy.lose_next_commit_reply()
    with pytest.raises(StoreUnavailable):
        cut_off.commit(units)
    assert proxy.lost == 1
    before = _everything(store)
    again = cut_off.commit(units).receipts
    assert all(receipt.accepted for receipt in again)
    assert _everything(store) == before
    if isinstance(units[0].writes[0], Claim):
        assert again[0].results == (["waits"],) or again[0].results == (["later"],)


def _everything(store: PostgresStore) -> dict[str, list[tuple[object, ...]]]:
    with superuser(store._connector.url) as admin:
        tables = admin.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'holdfast' ORDER BY tablename"
        ).fetchall()
        return {
            table: admin.execute(
                psycopg.sql.SQL("SELECT * FROM holdfast.{} AS t ORDER BY t").format(psycopg.sql.Identifier(table))
            ).fetchall()
            for (table,) in tables
        }


def test_a_creation_that_another_process_won_leaves_no_trace_of_the_loser(store: PostgresStore) -> None:
    write(store, Create(workflow=new("one", input="[1]")))
    # The loser's fence names the winner's epoch: nothing but the request tells them apart.
    receipt = write(store, *whole_workflow().writes, fence=FENCE)
    assert not receipt.accepted
    assert receipt.results[0].existing.input == "[1]"
    found = store.get_workflow("one")
    assert found is not None
    assert (found.status, found.output, store.journal("one")) == (Status.RUNNING, None, [])


def test_a_take_over_waits_for_a_commit_that_has_checked_its_fence(
    store: PostgresStore, open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    other = open_store()
    write(store, Register(worker=worker("w1"), lease_seconds=30), Create(workflow=new("one")))
    with psycopg.connect(postgres_url) as blocker, ThreadPoolExecutor() as threads:
        # The same step, not committed: the commit has locked the workflow's row by the time it waits for this.
        _insert_journal_row(blocker, "one", "/pay#1")
        commit = threads.submit(write, store, Record(checkpoint=checkpoint("/pay#1", output='"mine"')), fence=FENCE)
        wait_until_blocked(postgres_url, "committer")
        take_over = threads.submit(write, other, TakeOver(worker_id="w1", crash_limit=3))
        _wait_until_two_are_blocked(postgres_url)
        assert not take_over.done()
        blocker.rollback()
        assert commit.result(20).accepted
        assert take_over.result(20).results == (["one"],)
    assert [each.output for each in store.journal("one")] == ['"mine"']
    assert not write(store, Record(checkpoint=checkpoint("/pay#2")), fence=FENCE).accepted


def test_whoever_began_to_wait_while_an_outcome_waited_for_the_row_is_woken(
    store: PostgresStore, postgres_url: str
) -> None:
    write(store, Create(workflow=new("one")))
    write(store, Create(workflow=new("waiter")))
    with psycopg.connect(postgres_url) as other, ThreadPoolExecutor() as threads:
        # Another process suspends a workflow that waits for this one, and has not committed yet.
        other.execute("SELECT FROM holdfast.workflows WHERE id = 'one' FOR NO KEY UPDATE")
        commit = threads.submit(store.commit, [Unit(fence=FENCE, writes=(Record(checkpoint=checkpoint()), DONE))])
        wait_until_blocked(postgres_url, "committer")
        other.execute("UPDATE holdfast.workflows SET status = 'suspended', owner = NULL WHERE id = 'waiter'")
        other.execute("INSERT INTO holdfast.waits VALUES ('waiter', 'one', 'result', '')")
        other.commit()
        assert commit.result(20).ready
    found = store.get_workflow("waiter")
    assert found is not None
    assert found.status is Status.ENQUEUED


def test_a_worker_declared_dead_while_its_creation_waited_does_not_keep_it(
    store: PostgresStore, postgres_url: str
) -> None:
    write(store, Register(worker=worker("w1"), lease_seconds=30))
    with psycopg.connect(postgres_url) as other, ThreadPoolExecutor() as threads:
        other.execute("SELECT FROM holdfast.workers WHERE worker_id = 'w1' FOR UPDATE")
        commit = threads.submit(write, store, Create(workflow=new("one")), fence=FENCE)
        wait_until_blocked(postgres_url, "committer")
        other.execute("UPDATE holdfast.workers SET alive = false WHERE worker_id = 'w1'")
        other.commit()
        assert not commit.result(20).accepted
    found = store.get_workflow("one")
    assert found is not None
    assert (found.status, found.owner) == (Status.ENQUEUED, None)


def test_a_transaction_whose_workflow_was_taken_over_meanwhile_is_fenced(
    store: PostgresStore, open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    other = open_store()
    write(store, Register(worker=worker("w1"), lease_seconds=30), Create(workflow=new("one")))
    with superuser(postgres_url) as admin:
        admin.execute("CREATE TABLE purchases (name text)")
    with store.transaction() as transaction:
        assert transaction.begin(FENCE, "/pay#1") is None
        transaction.connection.execute("INSERT INTO purchases VALUES ('twice')")
        # A process that is paused here holds up nobody.
        assert write(other, TakeOver(worker_id="w1", crash_limit=3)).results == (["one"],)
        with pytest.raises(Fenced):
            transaction.commit(FENCE, checkpoint("/pay#1"))
    with superuser(postgres_url) as admin:
        assert admin.execute("SELECT * FROM purchases").fetchall() == []
    assert store.journal("one") == []


def test_a_take_over_waits_for_a_transaction_that_is_committing(
    store: PostgresStore, open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    other = open_store()
    write(store, Register(worker=worker("w1"), lease_seconds=30), Create(workflow=new("one")))

    def run() -> None:
        with store.transaction() as transaction:
            transaction.begin(FENCE, "/pay#1")
            transaction.commit(FENCE, checkpoint("/pay#1", output='"mine"'))

    with psycopg.connect(postgres_url) as blocker, ThreadPoolExecutor() as threads:
        _insert_journal_row(blocker, "one", "/pay#1")
        committing = threads.submit(run)
        wait_until_blocked(postgres_url, "transactions")
        take_over = threads.submit(write, other, TakeOver(worker_id="w1", crash_limit=3))
        wait_until_blocked(postgres_url, "committer")
        blocker.rollback()
        committing.result(20)
        assert take_over.result(20).results == (["one"],)
    assert [each.output for each in store.journal("one")] == ['"mine"']


def test_a_commit_that_was_chosen_to_break_a_deadlock_is_tried_again(store: PostgresStore, postgres_url: str) -> None:
    write(store, Create(workflow=new("a")), Create(workflow=new("b")))
    lock = "SELECT FROM holdfast.workflows WHERE id = %s FOR UPDATE"
    with psycopg.connect(postgres_url) as blocker, ThreadPoolExecutor() as threads:
        blocker.execute("SET deadlock_timeout = '60s'")  # so that the store's session is the one to find out
        blocker.execute(lock, ["b"])
        units = [Unit(writes=(Send(message=message(each)),)) for each in ("a", "b")]
        commit = threads.submit(store.commit, units)
        wait_until_blocked(postgres_url, "committer")
        blocker.execute(lock, ["a"])
        blocker.rollback()
        assert [receipt.results for receipt in commit.result(20).receipts] == [(Status.RUNNING,)] * 2


def test_two_stores_never_claim_the_same_workflow(
    store: PostgresStore, open_store: Callable[..., PostgresStore]
) -> None:
    stores = [store, open_store(), open_store()]
    store.commit([Unit(writes=(Create(workflow=new(f"w-{number}", owner=None)),)) for number in range(300)])
    taken: list[list[str]] = [[] for _ in stores]

    def claim(place: int) -> None:
        for number in range(1000):
            wanted = Claim(claim_id=f"{place}-{number}", worker_id=f"w{place}", names=("refund",), limit=7)
            found = write(stores[place], wanted).results[0]
            taken[place] += found
            if not found:
                return

    threads = [threading.Thread(target=claim, args=(place,)) for place in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [workflow_id for each in taken for workflow_id in each]
    assert sorted(everything) == sorted(f"w-{number}" for number in range(300))
    assert {store.get_workflow(each).epoch for each in everything} == {1}  # type: ignore[union-attr]  # they are there, or the test fails


def test_a_plan_made_for_empty_tables_does_not_read_full_ones(store: PostgresStore, postgres_url: str) -> None:
    for number in range(8):
        fences = [Fence(workflow_id=f"{number}-{each}", epoch=1) for each in range(50)]
        store.commit([Unit(fence=each, writes=(Create(workflow=new(each.workflow_id)),)) for each in fences])
        store.commit([Unit(fence=each, writes=(Record(checkpoint=checkpoint()), DONE)) for each in fences])
    store.close()  # a session's figures are complete once it has ended
    with superuser(postgres_url) as admin:

        def figures() -> tuple[int, int] | None:
            return admin.execute(
                "SELECT sum(seq_tup_read), sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname = ANY(%s)",
                [["workflows", "workflow_info", "journal", "outcomes"]],
            ).fetchone()

        eventually(lambda: figures() == (0, 4 * 400), message="all rows were written, none read in passing")


def test_text_that_postgresql_cannot_hold_is_refused_and_harms_nobody(store: PostgresStore) -> None:
    with pytest.raises(psycopg.DataError):
        write(store, Create(workflow=new("nul\0")))
    assert write(store, Create(workflow=new("one"))).accepted


def _insert_journal_row(connection: psycopg.Connection, workflow_id: str, step_id: str) -> None:
    connection.execute(
        "INSERT INTO holdfast.journal (workflow_id, step_id, branch, name, kind, seq, digest, attempts, started_at,"
        " finished_at) VALUES (%s, %s, '', '', 'step', 1, '', 1, 0, 0)",
        [workflow_id, step_id],
    )


def _wait_until_two_are_blocked(url: str) -> None:
    with superuser(url) as admin:

        def both() -> bool:
            found = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holdfast committer'"
                " AND datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
            ).fetchone()
            return found == (2,)

        eventually(both, message="both committers wait")
