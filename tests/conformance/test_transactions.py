"""The application's writes and the checkpoint commit together, once, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.core.model import Fence, Kind, Status
from holdfast.errors import ConfigurationError, UsageError
from holdfast.store.base import Conflict, Fenced, Store
from holdfast.store.writes import Create, Finish, Record, TakeOver, Unit
from tests.conformance.kit import Bench, FakeClock, checkpoint, new, next_epoch

DEPOSIT = "UPDATE app_account SET balance = balance + 10"
OUTCOME = checkpoint("/deposit#1", kind=Kind.TRANSACTION, output="10")


@pytest.fixture
def account(store: Store) -> Store:
    with store.transaction() as transaction:
        transaction.begin(None, None)
        transaction.connection.execute("CREATE TABLE app_account (balance INTEGER NOT NULL)")
        transaction.connection.execute("INSERT INTO app_account VALUES (0)")
        transaction.commit(None, None)
    return store


@pytest.fixture
def fence(account: Store) -> Fence:
    account.commit([Unit(writes=(Create(workflow=new("one")),))])
    return Fence(workflow_id="one", epoch=1)


def balance(store: Store) -> int:
    with store.transaction() as transaction:
        transaction.begin(None, None)
        [(found,)] = transaction.connection.execute("SELECT balance FROM app_account").fetchall()
    return int(found)


def deposit(store: Store, fence: Fence) -> None:
    with store.transaction() as transaction:
        assert transaction.begin(fence, OUTCOME.step_id) is None
        transaction.connection.execute(DEPOSIT)
        transaction.commit(fence, OUTCOME)


def test_writes_and_checkpoint_commit_together(account: Store, fence: Fence) -> None:
    deposit(account, fence)
    assert balance(account) == 10
    assert account.journal("one") == [OUTCOME]


def test_one_that_did_not_look_for_its_outcome_can_not_commit_it_again(account: Store, fence: Fence) -> None:
    deposit(account, fence)
    with account.transaction() as transaction:
        assert transaction.begin(fence, None) is None
        transaction.connection.execute(DEPOSIT)
        with pytest.raises(Conflict):
            transaction.commit(fence, OUTCOME)
    assert balance(account) == 10
    assert account.journal("one") == [OUTCOME]


def test_a_recorded_outcome_is_found_when_it_begins(account: Store, fence: Fence) -> None:
    deposit(account, fence)
    with account.transaction() as transaction:
        assert transaction.begin(fence, OUTCOME.step_id) == OUTCOME
    assert balance(account) == 10


def test_who_lost_the_workflow_can_not_begin(account: Store, fence: Fence) -> None:
    for stale in (next_epoch(fence), Fence(workflow_id="none", epoch=1)):
        with account.transaction() as transaction, pytest.raises(Fenced):
            transaction.begin(stale, OUTCOME.step_id)
    account.commit([Unit(fence=fence, writes=(Finish(status=Status.SUCCEEDED, output="1"),))])
    with account.transaction() as transaction, pytest.raises(Fenced):
        transaction.begin(fence, OUTCOME.step_id)


def test_rolling_back_leaves_nothing(account: Store, fence: Fence) -> None:
    with account.transaction() as transaction:
        transaction.begin(fence, OUTCOME.step_id)
        transaction.connection.execute(DEPOSIT)
        transaction.rollback()
    assert balance(account) == 0
    assert account.journal("one") == []


def test_leaving_without_a_commit_leaves_nothing(account: Store, fence: Fence) -> None:
    with account.transaction() as transaction:
        transaction.begin(fence, OUTCOME.step_id)
        transaction.connection.execute(DEPOSIT)
    assert balance(account) == 0


def test_an_error_leaves_nothing(account: Store, fence: Fence) -> None:
    def fail() -> None:
        with account.transaction() as transaction:
            transaction.begin(fence, OUTCOME.step_id)
            transaction.connection.execute(DEPOSIT)
            raise KeyError("application")

    with pytest.raises(KeyError, match="application"):
        fail()
    assert balance(account) == 0
    deposit(account, fence)
    assert balance(account) == 10


def test_a_transaction_commits_once(account: Store, fence: Fence) -> None:
    with account.transaction() as transaction:
        transaction.begin(fence, OUTCOME.step_id)
        transaction.commit(fence, OUTCOME)
        with pytest.raises(UsageError):
            transaction.commit(fence, OUTCOME)
        transaction.rollback()
    assert account.journal("one") == [OUTCOME]


def test_a_function_that_rolled_back_itself_commits_nothing(account: Store, fence: Fence) -> None:
    with account.transaction() as transaction:
        transaction.begin(fence, OUTCOME.step_id)
        transaction.connection.execute(DEPOSIT)
        transaction.connection.rollback()
        with pytest.raises(UsageError, match="ended the transaction itself"):
            transaction.commit(fence, OUTCOME)
    assert balance(account) == 0
    assert account.journal("one") == []


@pytest.mark.parametrize("isolation", [None, "read committed", "repeatable read", "serializable"])
def test_isolation_levels_are_known(account: Store, fence: Fence, isolation: str | None) -> None:
    with account.transaction(isolation) as transaction:
        transaction.begin(fence, OUTCOME.step_id)
        transaction.connection.execute(DEPOSIT)
        transaction.commit(fence, OUTCOME)
    assert balance(account) == 10


def test_an_unknown_isolation_level_is_refused(account: Store) -> None:
    with pytest.raises(ConfigurationError, match="chaos"), account.transaction("chaos"):
        pytest.fail("a transaction was lent")


def test_what_user_code_sets_on_the_connection_is_gone_for_the_next(account: Store) -> None:
    with account.transaction() as transaction:
        transaction.begin(None, None)
        transaction.connection.row_factory = lambda *_: "not a row"
    assert balance(account) == 0


def test_the_same_step_from_many_threads_deposits_once(account: Store, fence: Fence) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with account.transaction() as transaction:
                if transaction.begin(fence, OUTCOME.step_id) is None:
                    transaction.connection.execute(DEPOSIT)
                    transaction.commit(fence, OUTCOME)
        except Exception as error:  # noqa: BLE001 - a conflict is one way of losing the race
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(error).__name__ for error in errors} <= {"Conflict"}
    assert balance(account) == 10
    assert account.journal("one") == [OUTCOME]


def deposit_often(store: Store, fence: Fence) -> None:
    for item in range(20):
        outcome = checkpoint(f"/deposit#{item}", seq=item + 1, kind=Kind.TRANSACTION)
        with store.transaction() as transaction:
            transaction.begin(fence, outcome.step_id)
            transaction.connection.execute(DEPOSIT)
            transaction.commit(fence, outcome)


def record_often(store: Store, fence: Fence) -> None:
    for item in range(60):
        unit = Unit(fence=fence, writes=(Record(checkpoint=checkpoint(f"/pay#{item}", seq=item + 1)),))
        assert store.commit([unit]).receipts[0].accepted


def test_transactions_and_commits_from_threads_all_arrive(account: Store) -> None:
    account.commit([Unit(writes=(Create(workflow=new(f"w{number}")),)) for number in range(3)])
    fences = [Fence(workflow_id=f"w{number}", epoch=1) for number in range(3)]
    with ThreadPoolExecutor() as pool:
        runs = zip((deposit_often, deposit_often, record_often), fences, strict=True)
        for future in [pool.submit(run, account, fence) for run, fence in runs]:
            future.result()
    assert balance(account) == 400
    assert [len(account.journal(f"w{number}")) for number in range(3)] == [20, 20, 60]


def test_a_take_over_fences_transactions(bench: Bench) -> None:
    bench.register("w1", "w2")
    fence = bench.start("one", owner="w1")
    bench.write(TakeOver(worker_id="w1", crash_limit=3))
    with bench.store.transaction() as transaction, pytest.raises(Fenced):
        transaction.begin(fence, "/deposit#1")
    assert bench.claim("w2") == ["one"]
    fresh = Fence(workflow_id="one", epoch=3)
    with bench.store.transaction() as transaction:
        assert transaction.begin(fresh, "/deposit#1") is None
        transaction.commit(fresh, OUTCOME)
    assert bench.steps("one") == ["/deposit#1"]


def test_another_store_sees_what_was_committed(
    account: Store, fence: Fence, clock: FakeClock, open_store: Callable[..., Store]
) -> None:
    deposit(account, fence)
    other = open_store(clock=clock)
    assert balance(other) == 10
    assert other.journal("one") == [OUTCOME]
