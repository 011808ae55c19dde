from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from holdfast.core.model import Fence, Status
from holdfast.errors import StoreUnavailable
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.writes import Create, Finish, Unit
from tests.conformance.kit import checkpoint, new


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore("sqlite://", patience=0.2)
    store.open()
    yield store
    store.close()


def test_it_works_like_a_file(store: SqliteStore) -> None:
    fence = Fence(workflow_id="one", epoch=1)
    store.commit([Unit(fence=fence, writes=(Create(workflow=new("one")),))])
    with store.transaction() as transaction:
        assert transaction.begin(fence, "/pay#1") is None
        transaction.connection.execute("CREATE TABLE app (x)")
        transaction.commit(fence, checkpoint())
    store.commit([Unit(fence=fence, writes=(Finish(status=Status.SUCCEEDED, output="1"),))])
    assert store.journal("one") == [checkpoint()]
    assert store.outcomes(["one"])["one"].output == "1"
    assert "in memory" in store.journal_safety()


def test_two_stores_share_nothing(store: SqliteStore) -> None:
    other = SqliteStore("sqlite://")
    other.open()
    store.commit([Unit(writes=(Create(workflow=new("one")),))])
    assert other.get_workflow("one") is None
    other.close()


def test_other_threads_see_no_open_transaction(store: SqliteStore) -> None:
    errors: list[BaseException] = []

    def read() -> None:
        try:
            store.get_workflow("one")
        except StoreUnavailable as error:
            errors.append(error)

    with store.transaction() as transaction:
        transaction.begin(None, None)
        assert store.get_workflow("one") is None
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert len(errors) == 1
    read()
    assert len(errors) == 1
