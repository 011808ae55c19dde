"""Real processes, killed by SIGKILL at every kind of moment, and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast import Holdfast, Status, read_stream
from tests.crash.programs import CONFIG, innocent
from tests.helpers import ROOT, ScriptProcess, eventually

pytestmark = pytest.mark.crash


def run(url: str, name: str, effects: Path, crash: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end, or to its death."""
    return subprocess.run(
        [sys.executable, "-m", "tests.crash.programs", url, name],
        cwd=ROOT,
        env={**os.environ, "EFFECTS": str(effects), "CRASH": crash},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def killed_and_restarted(url: str, name: str, effects: Path, crash: str) -> str:
    """Run a program that dies at a point, run it again, and return its result."""
    first = run(url, name, effects, crash)
    assert first.returncode == -9, f"it was to die at {crash!r}: {first.stdout}{first.stderr}"
    second = run(url, name, effects, crash)
    assert second.returncode == 0, second.stdout + second.stderr
    return second.stdout.rpartition("result ")[2].strip()


def effects_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


STEP_CASES = [
    ("before-one", ["one", "two"]),
    ("after-one", ["one", "one", "two"]),
    ("between", ["one", "two"]),
    ("after-two", ["one", "two", "two"]),
]


@pytest.mark.parametrize(("crash", "expected"), STEP_CASES)
@pytest.mark.parametrize("name", ["steps", "asteps"])
def test_promise_step_runs_again_only_if_no_outcome_was_recorded(
    store_url: str, tmp_path: Path, name: str, crash: str, expected: list[str]
) -> None:
    effects = tmp_path / "effects"
    assert killed_and_restarted(store_url, name, effects, crash) == "['one', 'two']"
    lines = effects_of(effects)
    if crash == "between":
        # The outcome of `one` may still have been riding along: then it runs again, with the same key.
        assert [line.split()[0] for line in lines] in (["one", "two"], ["one", "one", "two"])
    else:
        assert [line.split()[0] for line in lines] == expected
    assert len({line for line in lines if line.startswith("one")}) == 1


@pytest.mark.parametrize("crash", ["before-booking", "after-booking", "between"])
def test_promise_transaction_takes_effect_exactly_once(store_url: str, tmp_path: Path, crash: str) -> None:
    assert killed_and_restarted(store_url, "books", tmp_path / "effects", crash) == "1"


def test_promise_at_most_once_step_is_not_run_again_but_its_outcome_is_unknown(store_url: str, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    result = killed_and_restarted(store_url, "transfers", effects, "after-transfer")
    assert result == "unknown: transfer#1"
    assert len(effects_of(effects)) == 1


def test_an_interrupted_at_most_once_step_is_settled_by_its_check(store_url: str, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    result = killed_and_restarted(store_url, "transfers_with_a_check", effects, "after-transfer")
    assert result == "found it done"
    assert len(effects_of(effects)) == 1


def test_promise_children_are_started_once(store_url: str, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    assert killed_and_restarted(store_url, "has_children", effects, "between") == "['called', 'background']"
    names = [line.split()[0] for line in effects_of(effects)]
    assert names.count("called") == 1
    assert 1 <= names.count("background") <= 2


@pytest.mark.parametrize("name", ["parallel", "aparallel"])
@pytest.mark.parametrize("crash", ["after-left", "before-right"])
def test_parallel_branches_resume_by_name(store_url: str, tmp_path: Path, name: str, crash: str) -> None:
    effects = tmp_path / "effects"
    assert killed_and_restarted(store_url, name, effects, crash) == "['left', 'right']"
    keys = set(effects_of(effects))
    assert len(keys) == 2


def test_promise_messages_are_delivered_once_and_in_order(store_url: str, tmp_path: Path) -> None:
    assert killed_and_restarted(store_url, "talks", tmp_path / "effects", "between") == "['a', 'b']"


@pytest.mark.parametrize("name", ["naps", "anaps"])
def test_promise_sleep_survives_a_restart(store_url: str, tmp_path: Path, name: str) -> None:
    assert killed_and_restarted(store_url, name, tmp_path / "effects", "after-slept") == "awake"


def test_promise_stream_has_no_gap_and_no_repeat_and_event_its_last_value(store_url: str, tmp_path: Path) -> None:
    killed_and_restarted(store_url, "publishes", tmp_path / "effects", "after-published")
    with Holdfast(store_url, config=CONFIG) as app:
        assert list(read_stream("main", "numbers")) == [(n, n) for n in range(6)]
        assert app.store.event("main", "state") == '"done"'


def test_an_outcome_is_written_soon_although_nothing_waits_for_it(store_url: str, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    assert killed_and_restarted(store_url, "idles", effects, "idle") == "done"
    assert len(effects_of(effects)) == 1


def test_promise_work_of_a_dead_process_is_taken_over_by_a_live_one(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = tmp_path / "effects"
    monkeypatch.setenv("EFFECTS", str(effects))
    with Holdfast(store_url, config=CONFIG) as app:
        died = run(store_url, "steps", effects, "after-one")
        assert died.returncode == -9, died.stdout + died.stderr
        assert app.retrieve("main").result(timeout=30) == ["one", "two"]
    assert [line.split()[0] for line in effects_of(effects)] == ["one", "one", "two"]


def test_promise_a_live_process_s_work_is_never_taken_over(store_url: str, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    with ScriptProcess(
        "from tests.crash.programs import main; main()",
        arguments=[store_url, "slow"],
        env={"EFFECTS": str(effects), "CRASH": ""},
    ) as process:
        eventually(lambda: "slow" in " ".join(effects_of(effects)))
        with Holdfast(store_url, config=CONFIG) as app:
            owner = app.get_workflow("main").owner
            assert "result slept" in process.finish().splitlines()
            assert app.get_workflow("main").epoch == 1
            assert owner != app.engine.worker_id
    assert [line.split()[0] for line in effects_of(effects)] == ["slow"]


def test_promise_a_paused_process_can_not_write_after_its_lease(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = tmp_path / "effects"
    monkeypatch.setenv("EFFECTS", str(effects))
    with ScriptProcess(
        "from tests.crash.programs import main; main()",
        arguments=[store_url, "slow"],
        env={"EFFECTS": str(effects), "CRASH": ""},
    ) as process:
        eventually(lambda: "slow" in " ".join(effects_of(effects)))
        process.pause()
        with Holdfast(store_url, config=CONFIG) as app:
            eventually(lambda: app.get_workflow("main").owner == app.engine.worker_id, timeout=20)
            process.unpause()
            assert app.retrieve("main").result(timeout=30) == "slept"
            assert app.get_workflow("main").epoch > 1
            assert "result slept" in process.finish().splitlines()
            assert len([c for c in app.get_journal("main") if c.name == "dawdle"]) == 1


def test_promise_a_workflow_that_gets_on_is_never_set_aside_however_often_its_worker_dies(
    store_url: str, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    for life in range(5):
        assert run(store_url, "converses", effects, crash=f"life-{life}").returncode == -9
    last = run(store_url, "converses", effects)
    assert last.stdout.rpartition("result ")[2].strip() == "all said", last.stdout + last.stderr


def test_promise_a_workflow_that_kills_its_worker_is_set_aside_and_bystanders_are_not(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = tmp_path / "effects"
    monkeypatch.setenv("EFFECTS", str(effects))
    with Holdfast(store_url, config=CONFIG) as app:
        bystander = app.options(id="bystander").start(innocent)
        eventually(lambda: bystander.status() is Status.SUSPENDED)
    for _ in range(CONFIG.crash_limit):
        assert run(store_url, "poison", effects).returncode == -9
    with Holdfast(store_url, config=CONFIG) as app:
        eventually(lambda: app.get_workflow("main").status is Status.DEAD)
        assert app.retrieve("bystander").result(timeout=20) == "fine"
        assert app.get_workflow("bystander").crashes == 0
