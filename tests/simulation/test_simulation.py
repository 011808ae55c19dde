"""A sample of what `make simulate` and `make mutants` run at length."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.simulation.bugs import BUGS, Bug
from tests.simulation.planting import apply, plant, rows_of_table

SEEDS = 120
QUICK = (
    "batch-stops-at-a-refused-unit",
    "body-before-barrier",
    "dead-in-company",
    "deadline-not-inherited",
    "delay-ignored",
    "failed-transaction-commits",
    "finally-runs-when-suspended",
    "journal-not-loaded",
    "lease-ends-at-once",
    "limit-per-partition-not-counted",
    "lost-wake-up-by-message",
    "message-popped-without-record",
    "missed-ticks-not-counted",
    "no-epoch-bump-on-take-over",
    "no-intent",
    "old-event-comes-back",
    "outcome-wakes-nobody",
    "overlap-not-looked-at",
    "received-in-two-commits",
    "second-decision-counts",
    "sleep-begins-anew",
    "stream-offset-from-the-count-of-all",
    "suspend-does-not-look-again",
    "timer-forgotten",
    "transaction-recorded-in-another-commit",
    "undo-forgotten",
)
"""Noticed within a few seeds: something of each primitive."""


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Processes of their own: what a seed gives must not depend on which tests ran before.
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_no_rule_is_broken_under_any_of_some_hundred_seeds() -> None:
    ran = simulate("--seeds", str(SEEDS))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{SEEDS} seeds, 0 failed" in ran.stdout


@pytest.mark.parametrize("seed", [1081, 1328, 2130, 4971, 7500])
def test_a_seed_that_found_a_defect_breaks_no_rule_any_more(seed: int) -> None:
    ran = simulate("--seed", str(seed))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "VIOLATED" not in ran.stdout


def test_a_seed_gives_the_same_trace_in_another_process() -> None:
    first, second = simulate("--seed", "23"), simulate("--seed", "23")
    assert "; faults: " in first.stdout, first.stdout
    assert first.stdout == second.stdout


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_planted_bug_applies_to_the_source_as_it_is(bug: Bug, tmp_path: Path) -> None:
    for patch in bug.patches:
        target = tmp_path / patch.file
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / "src" / "holdfast" / patch.file).read_bytes())
        apply(patch, tmp_path)


def test_at_least_forty_bugs_are_planted_in_the_runtime_and_in_sql() -> None:
    names = [bug.name for bug in BUGS]
    assert len(names) == len(set(names)) >= 40
    assert {".py", ".sql"} == {Path(patch.file).suffix for bug in BUGS for patch in bug.patches}


def test_the_table_names_each_planted_bug_and_a_seed_of_the_first_thousand_that_notices_it() -> None:
    rows = rows_of_table()
    assert {name: breaks for name, (breaks, _) in rows.items()} == {bug.name: bug.breaks for bug in BUGS}
    assert max(seed for _, seed in rows.values()) < 1000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", QUICK)
def test_planted_bugs_are_noticed(name: str) -> None:
    [bug] = [bug for bug in BUGS if bug.name == name]
    verdict = plant(bug, seeds=40)
    assert verdict.seed is not None, verdict.rule
