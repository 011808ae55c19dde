"""Running the plan: each case in a process of its own, contenders and rounds alternating."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.databases import Databases
from benchmarks.drivers.job import Figures, Job
from benchmarks.environments import Environments
from benchmarks.plan import Case, Choice
from benchmarks.results import Results, Run

ROOT = Path(__file__).resolve().parent.parent
TIME_LIMIT = 900
"""Seconds for one run."""


class DriverFailed(Exception):
    """A driver did not come to its end."""


class Runner:
    """Runs what is chosen and gathers the results."""

    def __init__(self, choice: Choice, *, databases: Databases, environments: Environments, rounds: int) -> None:
        self._choice = choice
        self._databases = databases
        self._environments = environments
        self._rounds = rounds

    def run(self, results: Results, saved: Path | None = None) -> None:
        """Run all rounds of all groups; what fails is reported and left out."""
        for group in self._choice.groups():
            for case in group:
                results.forget(case.key)
            for number in range(self._rounds):
                # Each contender is now before, now after each other.
                for case in group if number % 2 == 0 else reversed(group):
                    self._attempt(case, number, results)
            if saved is not None:
                results.save(saved)

    def _attempt(self, case: Case, number: int, results: Results) -> None:
        began = time.monotonic()
        try:
            figures = self.run_case(case)
        except DriverFailed as error:
            print(f"FAILED {' '.join(case.key)}: {error}", file=sys.stderr, flush=True)
            return
        results.add(Run.of(case, number, figures))
        told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        print(f"{' '.join(filter(None, case.key)):32} {time.monotonic() - began:5.1f} s  {told}", flush=True)

    def run_case(self, case: Case) -> Figures:
        """Run a case once, on a fresh database or one that holds finished workflows. Raises `DriverFailed`."""
        finished = self._choice.finished(case.workload)
        if finished:
            return self._run(case, self._job(case, self._filled(case, finished)))
        with self._databases.fresh(case.store) as url:
            return self._run(case, self._job(case, url))

    def _filled(self, case: Case, finished: int) -> str:
        def fill(url: str) -> None:
            self._run(case, Job(workload="fill", mode="", url=url, count=1, size=finished))

        return self._databases.kept(case.store, finished, fill)

    def _job(self, case: Case, url: str) -> Job:
        name = case.workload.driver or case.workload.id
        return Job(workload=name, mode=case.mode, url=url, count=case.count, size=self._choice.size(case))

    def _run(self, case: Case, job: Job) -> Figures:
        paths = [ROOT] if case.contender.environment else [ROOT, ROOT / "src"]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
        python = self._environments.python(case.contender.environment)
        try:
            ended = subprocess.run(
                [python, "-m", case.contender.module, json.dumps(asdict(job))],
                env=environ,
                capture_output=True,
                text=True,
                timeout=TIME_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DriverFailed(f"not done after {TIME_LIMIT} s") from error
        if ended.returncode != 0:
            raise DriverFailed(f"exit code {ended.returncode}:\n{ended.stderr[-2000:]}")
        figures: Figures = json.loads(ended.stdout.splitlines()[-1])
        return figures
