"""What libraries do with the connection they are lent stays inside Holdfast's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite import SqliteSaver
from sqlalchemy.orm import Session

from holdfast.core.model import Fence
from holdfast.errors import UsageError
from holdfast.store.base import StoreTransaction
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.writes import Create, Unit
from tests.conformance.kit import checkpoint, new

FENCE = Fence(workflow_id="one", epoch=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "a.db")
    store.open()
    store.commit([Unit(writes=(Create(workflow=new("one")),))])
    with store.transaction() as transaction:
        transaction.begin(None, None)
        transaction.connection.execute("CREATE TABLE app (x TEXT)")
        transaction.commit(None, None)
    yield store
    store.close()


def engine_on(transaction: StoreTransaction) -> sqlalchemy.Engine:
    pool = sqlalchemy.pool.StaticPool
    return sqlalchemy.create_engine(
        "sqlite://", creator=lambda: transaction.connection, poolclass=pool, pool_reset_on_return=None
    )


def rows(store: SqliteStore) -> list[str]:
    assert store.location.path is not None
    with closing(sqlite3.connect(store.location.path)) as connection:
        return [x for (x,) in connection.execute("SELECT x FROM app ORDER BY x")]


def test_a_sqlalchemy_session_writes_into_the_transaction(store: SqliteStore) -> None:
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        with Session(engine_on(transaction)) as session:
            session.execute(sqlalchemy.text("INSERT INTO app VALUES ('a')"))
            session.commit()
            session.execute(sqlalchemy.text("INSERT INTO app VALUES ('b')"))
            session.commit()
        assert rows(store) == []
        transaction.commit(FENCE, checkpoint())
    assert rows(store) == ["a", "b"]


def test_a_session_that_rolled_back_is_not_committed(store: SqliteStore) -> None:
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        with Session(engine_on(transaction)) as session:
            session.execute(sqlalchemy.text("INSERT INTO app VALUES ('a')"))
            session.rollback()
        with pytest.raises(UsageError, match="ended the transaction itself"):
            transaction.commit(FENCE, checkpoint())
    assert rows(store) == []
    assert store.journal("one") == []


def test_a_rollback_that_has_nothing_to_undo_changes_nothing(store: SqliteStore) -> None:
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        # SQLAlchemy does so when it sees a connection for the first time, and when a session is closed.
        transaction.connection.rollback()
        transaction.connection.execute("INSERT INTO app VALUES ('a')")
        transaction.connection.commit()
        transaction.connection.rollback()
        transaction.commit(FENCE, checkpoint())
    assert rows(store) == ["a"]


def test_after_a_rollback_nothing_commits_by_itself(store: SqliteStore) -> None:
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        transaction.connection.execute("INSERT INTO app VALUES ('a')")
        transaction.connection.rollback()
        transaction.connection.execute("INSERT INTO app VALUES ('b')")
        with pytest.raises(UsageError):
            transaction.commit(FENCE, checkpoint())
    assert rows(store) == []


def test_nested_transactions_of_a_session_are_its_own_matter(store: SqliteStore) -> None:
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        with Session(engine_on(transaction)) as session:
            session.execute(sqlalchemy.text("INSERT INTO app VALUES ('a')"))
            nested = session.begin_nested()
            session.execute(sqlalchemy.text("INSERT INTO app VALUES ('b')"))
            nested.rollback()
            session.commit()
        transaction.commit(FENCE, checkpoint())
    assert rows(store) == ["a"]


def test_langgraphs_saver_writes_into_the_transaction(store: SqliteStore) -> None:
    config = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        # Its setup runs a script, which sqlite3 would begin with a commit; each put ends with one.
        saver = SqliteSaver(transaction.connection)
        saver.put(config, empty_checkpoint(), {"source": "input", "step": 1}, {})  # type: ignore[arg-type]  # a plain dict will do
        assert transaction.connection.in_transaction
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        saver = SqliteSaver(transaction.connection)
        assert saver.get_tuple(config) is None  # type: ignore[arg-type]  # a plain dict will do
        saver.put(config, empty_checkpoint(), {"source": "input", "step": 1}, {})  # type: ignore[arg-type]  # a plain dict will do
        transaction.commit(FENCE, checkpoint())
    with store.transaction() as transaction:
        transaction.begin(None, None)
        assert SqliteSaver(transaction.connection).get_tuple(config) is not None  # type: ignore[arg-type]  # a plain dict will do


def test_with_blocks_and_scripts_stay_inside(store: SqliteStore) -> None:
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        with transaction.connection as connection:
            connection.execute("INSERT INTO app VALUES ('a')")
        transaction.connection.executescript("INSERT INTO app VALUES ('b'); INSERT INTO app VALUES ('c');")
        assert rows(store) == []
        transaction.commit(FENCE, checkpoint())
    assert rows(store) == ["a", "b", "c"]


def test_outside_a_transaction_the_connection_is_an_ordinary_one(store: SqliteStore) -> None:
    connection = store._writer.connection
    connection.execute("BEGIN")
    connection.execute("INSERT INTO app VALUES ('a')")
    connection.commit()
    with connection:
        connection.executescript("BEGIN; INSERT INTO app VALUES ('b'); COMMIT")
    assert rows(store) == ["a", "b"]
