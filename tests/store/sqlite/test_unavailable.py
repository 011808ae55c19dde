"""What may pass is `StoreUnavailable`, and once it has passed the same call works."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.store.sqlite.faults import breaks_connection, is_locked
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.writes import Create, Unit
from tests.conformance.kit import new

BIG = '"' + "x" * 400_000 + '"'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "a.db", patience=0.2)
    store.open()
    yield store
    store.close()


def create(name: str, **fields: object) -> list[Unit]:
    return [Unit(writes=(Create(workflow=new(name, **fields)),))]


def test_a_database_locked_by_others_is_waited_for_and_then_said(store: SqliteStore, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.commit(create("one"))
        with pytest.raises(StoreUnavailable), store.transaction() as transaction:
            transaction.begin(None, None)
        assert store.get_workflow("one") is None
        other.execute("ROLLBACK")
    assert store.commit(create("one")).receipts[0].accepted


def test_a_short_lock_of_others_is_not_noticed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db", patience=30)
    store.open()
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
        release.start()
        assert store.commit(create("one")).receipts[0].accepted
        release.join()
    store.close()


def test_a_transaction_of_this_process_is_waited_for_and_then_said(store: SqliteStore) -> None:
    with store.transaction() as transaction:
        transaction.begin(None, None)
        with pytest.raises(StoreUnavailable, match="transaction of this process"):
            store.commit(create("one"))
        transaction.commit(None, None)
    assert store.commit(create("one")).receipts[0].accepted


def test_a_full_disk_refuses_the_commit_and_loses_nothing(store: SqliteStore) -> None:
    store.commit(create("one"))
    connection = store._writer.connection
    [(pages,)] = connection.execute("PRAGMA page_count").fetchall()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreUnavailable, match="full"):
        store.commit(create("two", input=BIG))
    assert store.get_workflow("two") is None
    connection.execute("PRAGMA max_page_count = 1000000")
    assert store.commit(create("two", input=BIG)).receipts[0].accepted
    assert store.get_workflow("one") is not None


def test_a_deleted_file_takes_no_writes(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "a.db").unlink()
    with pytest.raises(StoreUnavailable, match="is gone"):
        store.commit(create("one"))
    assert not (tmp_path / "a.db").exists()


def test_a_replaced_file_takes_no_writes(store: SqliteStore, tmp_path: Path) -> None:
    store.commit(create("one"))
    shutil.copy(tmp_path / "a.db", tmp_path / "copy.db")
    (tmp_path / "copy.db").replace(tmp_path / "a.db")
    with pytest.raises(StoreUnavailable, match="was replaced"):
        store.commit(create("two"))


def test_after_a_broken_connection_the_next_commit_uses_a_new_one(store: SqliteStore) -> None:
    broken = store._writer.connection
    broken_error = sqlite3.OperationalError("disk I/O error")
    broken_error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC

    def fail(_connection: sqlite3.Connection) -> None:
        raise broken_error

    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        store._writer.write(fail)
    assert store.commit(create("one")).receipts[0].accepted
    assert store._writer.connection is not broken
    with pytest.raises(sqlite3.ProgrammingError):
        broken.execute("SELECT 1")


def test_a_value_that_the_database_refuses_is_no_matter_of_waiting(store: SqliteStore) -> None:
    with pytest.raises(UnicodeEncodeError):
        store.commit(create("one", input="lone surrogate \ud800"))
    assert store.commit(create("two")).receipts[0].accepted
    assert store.get_workflow("one") is None


def test_errors_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(f"file:{tmp_path}/missing.db?mode=rw", uri=True)
    assert breaks_connection(caught.value)
    assert not is_locked(caught.value)
    assert not breaks_connection(ValueError())
