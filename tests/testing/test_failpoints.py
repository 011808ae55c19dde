"""Failpoints told by a text: which pass of which point, and what happens there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast import Holdfast, failpoints, step, workflow
from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.testing.failpoints import from_environment, hook, rules
from tests.helpers import ROOT

PROGRAM = """
import sys
from holdfast import failpoints
from holdfast.testing.failpoints import from_environment
from_environment()
for number in range(5):
    print(number, flush=True)
    failpoints.reached("step.after")
"""


def run(text: str, *, allowed: str = "1") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HOLDFAST_FAILPOINTS": text, "HOLDFAST_TESTING": allowed}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.crash
def test_a_process_is_killed_at_the_pass_that_the_environment_names() -> None:
    died = run("step.after=kill@3")
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "0\n1\n2\n")


@pytest.mark.crash
def test_a_process_leaves_with_the_code_that_the_environment_names() -> None:
    died = run("step.after=exit@2:7")
    assert (died.returncode, died.stdout) == (7, "0\n1\n")


@pytest.mark.crash
def test_a_stopped_process_goes_on_after_the_time() -> None:
    went_on = run("step.after=stop@2:50ms")
    assert (went_on.returncode, went_on.stdout) == (0, "0\n1\n2\n3\n4\n")


def test_failpoints_in_the_environment_of_a_program_that_is_no_test_are_refused() -> None:
    refused = run("step.after=kill", allowed="")
    assert refused.returncode == 1
    assert "need HOLDFAST_TESTING=1" in refused.stderr


def test_an_environment_without_failpoints_installs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLDFAST_FAILPOINTS", raising=False)
    assert from_environment() == []


@dataclass(frozen=True)
class Units:
    writes: tuple[object, ...]


def units(*kinds: str) -> Units:
    """Make a unit of writes of which only the kinds' names matter."""
    return Units(tuple(type(kind, (), {})() for kind in kinds))


@pytest.mark.parametrize(
    ("text", "points", "at"),
    [
        ("step.after=error", ["step.after"] * 3, [1]),
        ("step.after=error@2", ["step.before", "step.after", "step.after", "step.after"], [3]),
        ("step.after=error@*", ["step.after"] * 3, [1, 2, 3]),
        ("step.after=error@*%2", ["step.after"] * 5, [2, 4]),
        ("commit.before:Finish=error", ["commit.before Create", "commit.before Finish Record"], [2]),
        ("commit.before=error@2", ["commit.before Create", "commit.before Finish Record"], [2]),
        ("step.after=error; step.before=error", ["step.before", "step.after"], [1, 2]),
    ],
)
def test_it_happens_at_the_passes_named(text: str, points: list[str], at: list[int]) -> None:
    reached, failed = hook(rules(text)), []
    for number, point in enumerate(points, 1):
        try:
            name, *kinds = point.split()
            reached(name, [units(*kinds)])
        except StoreUnavailable:
            failed.append(number)
    assert failed == at


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "is not point=action"),
        ("step.middle=kill", "no point 'step.middle'"),
        ("step.after=burn", "no action 'burn'"),
        ("step.after=kill@0", "counted from 1"),
        ("step.after=error@*%0", "counted from 1"),
        ("step.after=delay:soon", "not a time"),
        ("step.after=error:odd", "no error 'odd'"),
        ("step.after=kill:1", "takes no argument"),
        ("step.after=exit:x", "a number"),
    ],
)
def test_a_text_that_means_nothing_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        rules(text)


@step
def counts_its_runs(file: str) -> int:
    with Path(file).open("a") as lines:
        lines.write("ran\n")
    return len(Path(file).read_text().splitlines())


@workflow
def survives_lost_replies(file: str) -> int:
    return counts_its_runs(file)


@pytest.mark.parametrize("text", ["commit.after=error@*%2", "commit.before=cut@*%2"])
def test_lost_connections_around_commits_repeat_no_step(store_url: str, tmp_path: Path, text: str) -> None:
    with failpoints.installed(hook(rules(text))), Holdfast(store_url) as app:
        assert [app.start(survives_lost_replies, str(tmp_path / name)).result(timeout=30) for name in "abc"] == [1] * 3
