"""Real processes, killed in the middle of undoing what they did, and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast import Holdfast, Status
from tests.crash.programs import CONFIG
from tests.helpers import ROOT

pytestmark = pytest.mark.crash

UNDONE = ["undo-three", "undo-two", "told-them", "undo-one"]


def run(url: str, name: str, effects: Path, crash: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, or to its death."""
    return subprocess.run(
        [sys.executable, "-m", "tests.crash.undo_programs", url, name],
        cwd=ROOT,
        env={**os.environ, "EFFECTS": str(effects), "CRASH": crash},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def killed_and_restarted(url: str, name: str, effects: Path, crash: str) -> str:
    """Run a program that dies at a point, run it again, and return what it says of the end."""
    first = run(url, name, effects, crash)
    assert first.returncode == -9, f"it was to die at {crash!r}: {first.stdout}{first.stderr}"
    second = run(url, name, effects, crash)
    assert second.returncode == 0, second.stdout + second.stderr
    return second.stdout


@pytest.mark.parametrize(
    ("crash", "expected"),
    [
        ("end", UNDONE),
        ("before-undo-three", UNDONE),
        ("after-undo-three", ["undo-three", *UNDONE]),
        ("before-undo-two", UNDONE),
        ("after-undo-two", ["undo-three", "undo-two", "undo-two", "told-them", "undo-one"]),
        ("after-undo-one", [*UNDONE, "undo-one"]),
    ],
)
def test_promise_an_undo_step_runs_again_only_if_no_outcome_was_recorded(
    store_url: str, tmp_path: Path, crash: str, expected: list[str]
) -> None:
    effects = tmp_path / "effects"
    said = killed_and_restarted(store_url, "fails", effects, crash)
    assert "ended Full no room undone, newest first: do#3, do#2, on_undo:tell_about_it#1, do#1" in said
    lines = [line for line in effects.read_text().splitlines() if line.startswith(("undo", "told"))]
    assert lines == expected


@pytest.mark.parametrize("crash", ["before-undo-three", "after-undo-one"])
def test_promise_async_code_too(store_url: str, tmp_path: Path, crash: str) -> None:
    effects = tmp_path / "effects"
    said = killed_and_restarted(store_url, "afails", effects, crash)
    assert "ended Full no room undone, newest first: ado#1, on_undo:tell_about_it#1, gather#" in said
    lines = [line for line in effects.read_text().splitlines() if line.startswith(("undo", "told"))]
    again = ["undo-one"] if crash == "after-undo-one" else []
    assert lines[:2] == ["undo-three", "told-them"]
    assert sorted(lines[2:]) == sorted(["undo-one", "undo-two", *again])


@pytest.mark.parametrize("crash", ["before-unbook", "after-unbook", "after-undo-one"])
def test_promise_a_transaction_is_undone_exactly_once(store_url: str, tmp_path: Path, crash: str) -> None:
    assert "balance [-1, 1]" in killed_and_restarted(store_url, "unbooks", tmp_path / "effects", crash)


@pytest.mark.parametrize("crash", ["before-clean-1", "after-clean-1", "between", "before-clean-2", "before-undo-one"])
def test_cleaning_up_after_a_cancellation_goes_on_after_a_crash(store_url: str, tmp_path: Path, crash: str) -> None:
    effects = tmp_path / "effects"
    assert "ended WorkflowWasCancelled" in killed_and_restarted(store_url, "cleans_up", effects, crash)
    lines = [line.split()[0] for line in effects.read_text().splitlines()]
    assert list(dict.fromkeys(lines)) == ["one", "clean-1", "clean-2", "undo-one"]
    # What was recorded is not done again: only `clean-1`, in whose middle or just after which the process died.
    assert len(lines) <= 5
    assert [lines.count(each) for each in ("one", "clean-2", "undo-one")] == [1, 1, 1]
    with Holdfast(store_url, config=CONFIG) as app:
        assert app.retrieve("main").status() is Status.CANCELLED
