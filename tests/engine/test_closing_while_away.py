"""An application that is closed while its database takes no writes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from holdfast import Config, Holdfast, recv, workflow
from holdfast.store.sqlite.store import SqliteStore
from tests.helpers import eventually


@workflow
def wait_for_a_word_while_away() -> str:
    return str(recv("word"))


def test_a_workflow_that_was_about_to_leave_memory_is_left_to_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    config = Config(suspend_after=0.2, shutdown_timeout=0.2)
    app = Holdfast(f"sqlite:///{path}", config=config)
    app._store = SqliteStore(path, patience=0.05)
    app.launch()
    handle = app.start(wait_for_a_word_while_away)
    other = sqlite3.connect(path, isolation_level=None)
    eventually(lambda: app.get_journal(handle.id) is not None)
    other.execute("BEGIN IMMEDIATE")
    eventually(lambda: app.engine.committer.waits_for_database and _leaves(app))
    app.close()
    other.execute("ROLLBACK")
    other.close()
    assert not [record for record in caplog.records if getattr(record, "action", "") == "thread_failed"]


def _leaves(app: Holdfast) -> bool:
    return any(execution.gone is not None for execution in app.engine.running)
