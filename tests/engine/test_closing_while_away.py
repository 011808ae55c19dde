"""An application that is closed while its database takes no writes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from holdfast import Config, Holdfast, failpoints, recv, workflow
from holdfast.store.sqlite.store import SqliteStore
from tests.helpers import eventually


@workflow
def wait_for_a_word_while_away() -> str:
    return str(recv("word"))


def test_a_workflow_that_was_about_to_leave_memory_is_left_to_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    app = Holdfast(f"sqlite:///{path}", config=Config(suspend_after=0.02, shutdown_timeout=0.2))
    app._store = SqliteStore(path, patience=0.05)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def lock(point: str, _detail: object) -> None:
        if point == "suspend.before":
            other.execute("BEGIN IMMEDIATE")

    with failpoints.installed(lock):
        app.launch()
        try:
            app.start(wait_for_a_word_while_away)
            eventually(lambda: app.engine.committer.waits_for_database)
        finally:
            app.close()
    other.execute("ROLLBACK")
    other.close()
    assert not [record for record in caplog.records if getattr(record, "action", "") == "thread_failed"]
