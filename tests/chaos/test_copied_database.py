"""A copy of an SQLite database that was in use when it was made: whoever launches on it is told so."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Holdfast, options, step, workflow
from tests.chaos.programs import environment
from tests.helpers import ScriptProcess, eventually

reached, go_on = threading.Event(), threading.Event()


@pytest.fixture(autouse=True)
def _gate() -> Iterator[None]:
    reached.clear()
    go_on.clear()
    yield
    go_on.set()


@step
def copied_hold() -> None:
    reached.set()
    go_on.wait(30)


@workflow
def copied_work() -> str:
    copied_hold()
    return "done"


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said about copies."""
    return [each.getMessage() for each in caplog.records if getattr(each, "action", "") == "database_copied"]


def test_a_copy_of_a_database_in_use_says_so_at_its_first_launch_only(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "elsewhere" / "copy.db"
    copy.parent.mkdir()
    with Holdfast(sqlite_url) as app, caplog.at_level(logging.WARNING):
        handle = options(id="work").start(copied_work)
        assert reached.wait(30)
        app.store.back_up(copy)
        assert told(caplog) == []
        with Holdfast(f"sqlite:///{copy}") as other:
            [said] = told(caplog)
            assert f"worker {app.engine.worker_id} (pid {os.getpid()} on " in said
            eventually(lambda: other.get_workflow("work").owner == other.engine.worker_id)
            go_on.set()
            assert other.retrieve("work").result(30) == "done"
        assert handle.result(30) == "done"
        with Holdfast(f"sqlite:///{copy}"):
            assert len(told(caplog)) == 1


@pytest.mark.crash
def test_a_database_whose_worker_was_killed_is_no_copy(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment(sqlite_url, tmp_path / "effects")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with ScriptProcess(
        "from tests.chaos.programs import main; main()", arguments=[sqlite_url, "r", "0"], env=env
    ) as one:
        one.wait_for_line("started")
        one.kill()
    with caplog.at_level(logging.WARNING), Holdfast(sqlite_url):
        assert told(caplog) == []
