"""Transactions: the application's writes and the checkpoint commit together, once."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from holdfast import (
    Holdfast,
    Kind,
    connection,
    failpoints,
    gather,
    options,
    recv,
    send,
    sql_session,
    start,
    step,
    transaction,
    workflow,
)
from holdfast.errors import ConfigurationError, OutsideTransaction
from tests.engine.conftest import QUICK
from tests.helpers import eventually


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int]


@transaction
def create_tables() -> None:
    Base.metadata.create_all(sql_session().connection())


@transaction
def deposit(account_id: int, amount: int) -> int:
    session = sql_session()
    account = session.get(Account, account_id)
    if account is None:
        account = Account(id=account_id, balance=0)
        session.add(account)
    account.balance += amount
    return int(account.balance)


@transaction
async def adeposit(account_id: int, amount: int) -> int:
    return deposit(account_id, amount)


@transaction
def balance(account_id: int) -> int | None:
    account = sql_session().get(Account, account_id)
    return None if account is None else account.balance


@transaction
def fails_after_writing(account_id: int) -> None:
    deposit(account_id, 1_000_000)
    raise ValueError("not after all")


@transaction
def raw_count() -> int:
    cursor = connection().cursor()
    cursor.execute("SELECT count(*) FROM accounts")
    count = cursor.fetchone()[0]
    connection().commit()
    return int(count)


@workflow
def saves(amount: int) -> int:
    deposit(1, amount)
    recv("go")
    return deposit(1, amount)


def test_a_transaction_commits_with_its_checkpoint_and_is_not_repeated_by_replay(app: Holdfast) -> None:
    create_tables()
    handle = start(saves, 10)
    eventually(lambda: handle.status() == "suspended")
    assert balance(1) == 10
    send(handle.id, 1, topic="go")
    assert handle.result(timeout=10) == 20
    assert balance(1) == 20
    assert [c.kind for c in app.get_journal(handle.id)] == [Kind.TRANSACTION, Kind.RECEIVE, Kind.TRANSACTION]


def test_a_transaction_that_raises_leaves_nothing_but_its_error(app: Holdfast) -> None:
    create_tables()

    @workflow
    def tries() -> str:
        try:
            fails_after_writing(1)
        except ValueError as error:
            return str(error)
        return "done"

    assert options(id="w").call(tries) == "not after all"
    assert balance(1) is None
    (checkpoint,) = app.get_journal("w")
    assert checkpoint.error is not None


def test_a_plain_connection_may_be_used_and_its_commit_does_nothing(app: Holdfast) -> None:
    create_tables()

    @workflow
    def counts() -> int:
        deposit(5, 1)
        return raw_count()

    assert counts() == 1


async def test_async_transactions_run_off_the_loop(store_url: str) -> None:
    @workflow
    async def saves_async() -> int:
        await adeposit(3, 5)
        return await adeposit(3, 6)

    async with Holdfast(store_url, config=QUICK):
        create_tables()
        assert await saves_async() == 11


def test_concurrent_transactions_all_take_effect_once(app: Holdfast) -> None:
    create_tables()
    deposit(9, 0)

    @workflow
    def many() -> list[int]:
        return gather(*(lambda: careful_deposit(9, 1) for _ in range(8)))

    many()
    assert balance(9) == 8


@transaction(isolation="serializable", conflict_retries=100)
def careful_deposit(account_id: int, amount: int) -> int:
    return deposit(account_id, amount)


def test_outside_a_workflow_a_transaction_commits_or_rolls_back(app: Holdfast) -> None:
    create_tables()
    assert deposit(1, 5) == 5
    with pytest.raises(ValueError, match="not after all"):
        fails_after_writing(2)
    assert balance(2) is None
    assert balance(1) == 5


def test_sessions_belong_into_transactions(app: Holdfast) -> None:
    with pytest.raises(OutsideTransaction, match="@transaction"):
        sql_session()

    @step
    def wrong() -> Any:
        return connection()

    @workflow
    def uses() -> None:
        wrong()

    with pytest.raises(OutsideTransaction):
        uses()


def test_rolling_back_by_hand_is_refused(app: Holdfast) -> None:
    @transaction
    def by_hand() -> None:
        connection().rollback()

    with pytest.raises(OutsideTransaction, match="exception"):
        by_hand()


@transaction(database="shop")
def shop_deposit(amount: int) -> int:
    session = sql_session()
    account = session.get(Account, 1)
    if account is None:
        account = Account(id=1, balance=0)
        session.add(account)
    account.balance += amount
    return int(account.balance)


def test_another_database_keeps_the_outcome_beside_the_writes(store_url: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    shop = sqlalchemy.create_engine(url)
    Base.metadata.create_all(shop)

    @workflow
    def buys() -> int:
        shop_deposit(1)
        recv("go")
        return shop_deposit(1)

    with Holdfast(store_url, config=QUICK, databases={"shop": url}):
        handle = start(buys)
        eventually(lambda: handle.status() == "suspended")
        send(handle.id, 1, topic="go")
        assert handle.result(timeout=10) == 2
    with shop.connect() as reader:
        assert reader.execute(sqlalchemy.text("SELECT balance FROM accounts")).scalar() == 2
        outcomes = (
            reader.execute(sqlalchemy.text("SELECT step_id FROM holdfast_transactions ORDER BY 1")).scalars().all()
        )
    assert list(outcomes) == ["shop_deposit#1", "shop_deposit#2"]
    shop.dispose()


def test_nothing_of_it_is_in_the_other_database_before_its_outcome_is(store_url: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    shop = sqlalchemy.create_engine(url)
    Base.metadata.create_all(shop)
    shop.dispose()
    seen: list[int] = []

    @workflow
    def buys_unseen() -> int:
        return shop_deposit(1)

    def look(point: str, _about: object) -> None:
        if point == "transaction.ran":
            with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as beside:
                seen.extend(count for (count,) in beside.execute("SELECT count(*) FROM accounts"))

    with Holdfast(store_url, config=QUICK, databases={"shop": url}), failpoints.installed(look):
        assert buys_unseen() == 1
    # A process that dies here must leave nothing behind, or it would be done twice.
    assert seen == [0]


def test_an_outcome_found_in_the_other_database_is_not_done_again(store_url: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    shop = sqlalchemy.create_engine(url)
    Base.metadata.create_all(shop)

    @workflow
    def buys_once() -> int:
        return shop_deposit(1)

    with Holdfast(store_url, config=QUICK, databases={"shop": url}):
        # The commit there went through, the process died before the journal heard of it.
        with shop.begin() as writer:
            writer.execute(sqlalchemy.text("INSERT INTO holdfast_transactions VALUES ('w', 'shop_deposit#1', '41', 0)"))
        assert options(id="w").call(buys_once) == 41
    shop.dispose()


def test_an_unknown_database_is_named(app: Holdfast) -> None:
    with pytest.raises(ConfigurationError, match="shop"):
        shop_deposit(1)
