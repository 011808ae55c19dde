"""The schema is made once, whoever is first, and one from the future is left alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from holdfast.errors import SchemaTooNew, StoreUnavailable
from holdfast.store.base import Store
from holdfast.store.open import open_store
from holdfast.store.writes import Create, Unit
from tests.conformance.kit import new
from tests.helpers import ScriptProcess

OPEN_AT_ONCE = """
import pathlib, sys, time
from holdfast.store.open import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.001)
store.open()
print("opened", len(store.approvals()), flush=True)
store.close()
"""
FUTURE = {
    "sqlite": "INSERT INTO holdfast_schema (version, name, applied_at) VALUES (99, 'future', 0)",
    "postgresql": "INSERT INTO holdfast.schema_version (version, name, applied_at) VALUES (99, 'future', 0)",
}


def test_opening_again_keeps_what_is_there(open_store: Callable[..., Store]) -> None:
    first = open_store()
    first.commit([Unit(writes=(Create(workflow=new("one")),))])
    first.close()
    assert open_store().get_workflow("one") is not None


def test_closing_twice_is_fine_and_a_closed_store_says_so(open_store: Callable[..., Store]) -> None:
    store = open_store()
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable):
        store.get_workflow("one")
    with pytest.raises(StoreUnavailable):
        store.commit([Unit(writes=(Create(workflow=new("one")),))])
    with pytest.raises(StoreUnavailable), store.transaction() as transaction:
        transaction.begin(None, None)


def test_processes_that_open_an_empty_database_at_once_make_one_schema(empty_database_url: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with ExitStack() as stack:
        processes = [
            stack.enter_context(ScriptProcess(OPEN_AT_ONCE, arguments=[empty_database_url, str(go)])) for _ in range(5)
        ]
        for process in processes:
            process.wait_for_line("ready")
        go.touch()
        assert ["opened 0" in process.finish() for process in processes] == [True] * 5
    with closing(open_store(empty_database_url)) as store:
        store.open()
        assert store.approvals() == []


def test_a_schema_from_the_future_is_refused_and_left_alone(
    open_store: Callable[..., Store], make_store: Callable[..., Store]
) -> None:
    store = open_store()
    store.commit([Unit(writes=(Create(workflow=new("one")),))])
    with store.transaction() as transaction:
        transaction.begin(None, None)
        transaction.connection.execute(FUTURE[store.dialect])
        transaction.commit(None, None)
    newcomer = make_store()
    with pytest.raises(SchemaTooNew) as refused:
        newcomer.open()
    assert refused.value.found == 99
    assert refused.value.known < 99
    newcomer.close()
    assert store.get_workflow("one") is not None
