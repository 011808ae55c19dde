"""A sample of the kill matrix, and that its checks can fail. `make crash` goes through all of it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast import failpoints
from holdfast.failpoints import POINTS
from tests.crash.matrix.checks import faults
from tests.helpers import ROOT

FACTS: dict[str, Any] = {
    "seen": ["did one"],
    "statuses": ["steps: succeeded"],
    "unread": [0],
    "effects": ["booked"],
    "elsewhere": [],
    "before": {"main": [["/act#1", "step", "d", '"did one"', None, 1]]},
    "journals": {
        "main": [["/act#1", "step", "d", '"did one"', None, 1], ["/act#2", "step", "d", '"did two"', None, 2]]
    },
}


def test_a_recovery_that_kept_every_promise_has_no_faults() -> None:
    assert faults(FACTS, FACTS, [("step.before", "main:/act#2"), ("step.after", "main:/act#2")]) == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"seen": ["did two"]}, "seen"),
        ({"statuses": []}, "statuses"),
        ({"unread": [1]}, "unread"),
        ({"effects": []}, "lost"),
        ({"effects": ["booked", "booked"]}, "duplicated"),
        ({"elsewhere": ["booked"]}, "duplicated"),
        ({"journals": {}}, "history"),
        ({"journals": {"main": [["/act#1", "step", "d", '"did another"', None, 1]]}}, "history"),
    ],
)
def test_a_broken_promise_is_a_fault(changed: dict[str, Any], fault: str) -> None:
    [found] = faults(FACTS, {**FACTS, **changed}, [])
    assert found.startswith(fault)


def test_a_step_that_runs_again_although_it_was_recorded_is_a_fault() -> None:
    [found] = faults(FACTS, FACTS, [("step.before", "main:/act#1")])
    assert found.startswith("run again")


def test_every_point_in_the_source_is_listed_and_every_listed_one_is_in_the_source() -> None:
    found: set[str] = set()
    for module in (ROOT / "src" / "holdfast").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoints.reached":
                assert isinstance(node.args[0], ast.Constant), f"{module}: a point is named by a literal"
                found.add(str(node.args[0].value))
    assert found == set(POINTS)


def test_a_hook_is_told_of_a_point_and_forgotten_afterwards() -> None:
    passed: list[object] = []
    with failpoints.installed(lambda point, about: passed.append((point, about))):
        failpoints.reached("claim.after", ["one"])
    failpoints.reached("claim.after", ["two"])
    assert passed == [("claim.after", ["one"])]


@pytest.mark.crash
def test_a_sample_of_the_matrix_loses_and_repeats_nothing(postgres_admin_url: str, tmp_path: Path) -> None:
    """Run in a process of its own, which has no threads and can be forked."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.crash.matrix.sample", postgres_admin_url, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["kills"] > 20
    assert report["points"] == sorted(POINTS)
