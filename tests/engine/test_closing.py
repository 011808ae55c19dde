"""An application that is closed while its workflows go on, or while its database takes no writes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast import (
    Config,
    Holdfast,
    aget_event,
    failpoints,
    get_event,
    options,
    recv,
    set_event,
    step,
    workflow,
)
from holdfast.errors import StoreUnavailable
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


class AwayForReaders(SqliteStore):
    """Takes writes; whoever reads an event hears, when the application is being closed, that the database is away."""

    def __init__(self, path: Path, app: Holdfast) -> None:
        super().__init__(path)
        self.app = app
        self.asked = threading.Event()

    def event(self, workflow_id: str, name: str) -> str | None:
        self.asked.set()
        eventually(lambda: self.app.engine.closing)
        raise StoreUnavailable("the database is away")


@workflow
def publishes_while_away() -> None:
    set_event("word", "here")


@workflow
def reads_while_away() -> str:
    return str(get_event("publisher", "word"))


@workflow
async def areads_while_away() -> str:
    return str(await aget_event("publisher", "word"))


@step
def look_while_away() -> str:
    return str(get_event("publisher", "word"))


@workflow
def reads_in_a_step_while_away() -> str:
    return look_while_away()


@pytest.mark.parametrize("function", [reads_while_away, areads_while_away, reads_in_a_step_while_away])
def test_that_the_database_was_away_at_closing_is_nobodys_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Callable[[], str]
) -> None:
    path = tmp_path / "a.db"
    app = Holdfast(f"sqlite:///{path}", config=Config(shutdown_timeout=5.0))
    store = app._store = AwayForReaders(path, app)
    with app:
        options(id="publisher").start(publishes_while_away).result()
        options(id="reader").start(function)
        store.asked.wait()
        release_all = app.engine.release_all

        def release_late(limit: float) -> bool:
            eventually(lambda: not app.engine.running)
            return release_all(limit)

        monkeypatch.setattr(app.engine, "release_all", release_late)
    with Holdfast(f"sqlite:///{path}") as app:
        assert app.retrieve("reader").result(timeout=20) == "here"


def test_what_was_done_is_recorded_when_a_workflow_is_left_to_the_next_worker(store_url: str) -> None:
    did: list[str] = []
    hangs, goes_on = threading.Event(), threading.Event()

    @step
    def done_once() -> None:
        did.append("done")

    @workflow
    def hangs_outside_of_steps() -> str:
        done_once()
        hangs.set()
        goes_on.wait(30)
        return "ended"

    with Holdfast(store_url, config=Config(heartbeat=5.0, shutdown_timeout=0.05)) as app:
        handle = app.start(hangs_outside_of_steps)
        assert hangs.wait(20)
    goes_on.set()
    with Holdfast(store_url) as app:
        assert app.retrieve(handle.id).result(20) == "ended"
    assert did == ["done"]
