"""Schedules over several processes: one workflow for each tick, also when the one that ticked is killed."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from holdfast import Holdfast, Status, Tick, WorkflowFilter, step, workflow
from tests.crash.programs import CONFIG, effect
from tests.helpers import ScriptProcess, eventually

pytestmark = pytest.mark.crash

WORKER = """
import sys, threading
from holdfast import Holdfast
from tests.crash import programs, test_schedules
with Holdfast(sys.argv[1], config=programs.CONFIG):
    print("launched", flush=True)
    threading.Event().wait()
"""
TICKS_AND_DIES = """
import os, signal, sys, threading
from holdfast import Holdfast
from holdfast.runtime.worker import Worker
from tests.crash import programs, test_schedules

Worker._claim_and_dispatch = lambda self: False  # it ticks, but does not get to run what it started
app = Holdfast(sys.argv[1], config=programs.CONFIG)
app.launch()

def on_commit(committed):
    if app.store.schedule("mine").started:
        os.kill(os.getpid(), signal.SIGKILL)

app.engine.on_news = on_commit
app.schedules.create("mine", test_schedules.ticked, every=1, overlap="allow")
threading.Event().wait(30)
"""


@step
def note(tick: str) -> None:
    effect(tick)


@workflow
def ticked(tick: Tick) -> None:
    note(f"{tick.at:%H:%M:%S}")


def program(source: str, url: str, effects: Path) -> ScriptProcess:
    return ScriptProcess(source, arguments=[url], env={"EFFECTS": str(effects)})


@pytest.fixture
def effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where steps leave their traces, in this process and in others."""
    monkeypatch.setenv("EFFECTS", str(tmp_path / "effects"))
    return tmp_path / "effects"


def lines(effects: Path) -> Counter[str]:
    return Counter(effects.read_text().split()) if effects.exists() else Counter()


def test_promise_each_tick_is_executed_once_by_one_of_several_processes(store_url: str, effects: Path) -> None:
    with program(WORKER, store_url, effects) as one, program(WORKER, store_url, effects) as two:
        one.wait_for_line("launched")
        two.wait_for_line("launched")
        with Holdfast(store_url, config=CONFIG) as app:
            app.schedules.create("mine", ticked, every=1, overlap="allow", catchup=600)
            # This process ticks and works as well, until its part is over.
        eventually(lambda: len(lines(effects)) >= 3, timeout=30)
        one.kill()
        before = len(lines(effects))
        eventually(lambda: len(lines(effects)) >= before + 3, timeout=30)
    with Holdfast(store_url, config=CONFIG) as app:
        app.schedules.pause("mine")
        schedule = app.schedules.get("mine")
        found = app.list_workflows(WorkflowFilter(id_prefix="mine@", limit=1000))
        for each in found:
            app.retrieve(each.workflow_id).result(timeout=20)
    assert len(found) == schedule.started
    assert (schedule.missed, schedule.skipped) == (0, 0)
    assert set(lines(effects)) == {each.workflow_id[-9:-1] for each in found}
    # Killed or shut down between a step's effect and its record, it alone may come twice.
    assert sum(lines(effects).values()) <= len(found) + 2


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_a_worker_killed_between_the_tick_and_the_run_leaves_the_run_to_another(store_url: str, effects: Path) -> None:
    with program(TICKS_AND_DIES, store_url, effects) as first:
        eventually(lambda: first._process.poll() is not None, timeout=30)
        assert first._process.returncode == -signal.SIGKILL, first.output
    assert not lines(effects)
    with Holdfast(store_url, config=CONFIG) as app:
        app.schedules.pause("mine")
        [started] = app.list_workflows(WorkflowFilter(id_prefix="mine@"))[-1:]
        app.retrieve(started.workflow_id).result(timeout=20)
        assert app.retrieve(started.workflow_id).status() is Status.SUCCEEDED
    assert lines(effects)[started.workflow_id[-9:-1]] == 1
