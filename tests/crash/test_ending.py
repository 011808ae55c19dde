"""Processes that end with a workflow under way, and without closing the application: nothing false is recorded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from holdfast import Holdfast, options, start, step, workflow
from holdfast.errors import WorkflowFailed
from tests.crash import ending_programs
from tests.helpers import ROOT

pytestmark = pytest.mark.crash

PLACES = ["ends_in_step", "ends_in_coroutine", "ends_in_transaction", "ends_in_workflow"]


@pytest.fixture
def stays() -> Iterator[None]:
    ending_programs.ends.set()
    yield
    ending_programs.ends.clear()


@pytest.mark.usefixtures("stays")
@pytest.mark.parametrize("place", PLACES)
def test_what_code_meets_while_its_process_ends_is_no_outcome_and_goes_on_at_the_next_launch(
    sqlite_url: str, place: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.crash.ending_programs", place, sqlite_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "an exit handler of the application's" in ended.stderr
    assert ended.returncode == 1
    with Holdfast(sqlite_url, config=ending_programs.CONFIG) as app:
        assert app.retrieve("ends").result(30) == "done"
        assert app.get_workflow("ends").crashes == 0
        assert all(check.error is None for check in app.get_journal("ends"))


runs: list[str] = []


@step
def ending_exits() -> None:
    runs.append("step")
    sys.exit(3)


@workflow
def ending_calls_exit() -> None:
    ending_exits()


@step
async def aending_exits() -> None:
    runs.append("step")
    sys.exit(3)


@workflow
async def aending_calls_exit() -> None:
    await aending_exits()


@workflow
async def aending_well() -> str:
    return "well"


@pytest.mark.parametrize("name", ["ending_calls_exit", "aending_calls_exit"])
def test_a_step_that_calls_exit_in_a_thread_fails_its_workflow_and_does_not_run_again(
    store_url: str, name: str
) -> None:
    runs.clear()
    with Holdfast(store_url):
        with pytest.raises(WorkflowFailed, match="SystemExit"):
            options(id="exits").start(globals()[name]).result(30)
        assert start(aending_well).result(30) == "well"
    assert runs == ["step"]
