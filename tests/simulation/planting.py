"""Planting bugs: each in a copy of the source, simulated in a process of its own until a rule is broken.

`python -m tests.simulation.planting` plants all and writes the table in docs/simulation.md; with names, only those.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import ROOT
from tests.simulation.bugs import BUGS, Bug, Patch

SEEDS = 1000
"""Within so many each bug must be caught."""
PAGE = ROOT / "docs" / "simulation.md"
_BEGIN, _END = "<!-- bugs: begin -->", "<!-- bugs: end -->"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a planted bug."""

    bug: Bug
    seed: int | None
    """The first seed that noticed; None: none did."""
    rule: str


class DoesNotApply(Exception):
    """The text that a patch replaces is not there exactly once."""


def apply(patch: Patch, source: Path) -> None:
    """Replace the patch's text in its file. Raises `DoesNotApply`."""
    path = source / patch.file
    text = path.read_text()
    if text.count(patch.old) != 1:
        raise DoesNotApply(f"{patch.file} holds this {text.count(patch.old)} times: {patch.old}")
    path.write_text(text.replace(patch.old, patch.new))


def plant(bug: Bug, *, seeds: int = SEEDS) -> Verdict:
    """Simulate a copy of the source with the bug in it until a rule is broken."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "holdfast"
        shutil.copytree(ROOT / "src" / "holdfast", source, ignore=shutil.ignore_patterns("__pycache__"))
        for patch in bug.patches:
            apply(patch, source)
        environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-m", "tests.simulation", "--seeds", str(seeds), "--stop"]
        run = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1800, check=False
        )
    seed = re.search(r"again: python -m tests.simulation --seed (\d+)   \((.*)\)", run.stdout)
    rule = re.search(r"VIOLATED \[[\d.]+\] (.*)", run.stdout)
    if seed is None or rule is None:
        return Verdict(bug, None, "" if run.returncode == 0 else (run.stderr or run.stdout)[-600:])
    if not seed[2].startswith(folder):
        raise RuntimeError(f"the unchanged source was simulated: {seed[2]}")
    return Verdict(bug, int(seed[1]), rule[1])


def table(verdicts: list[Verdict]) -> str:
    """Write the verdicts for docs/simulation.md."""
    lines = ["| planted bug | what it breaks | first seed that notices | by |", "|---|---|---|---|"]
    for verdict in verdicts:
        rule = re.match(r"I\d+", verdict.rule)
        by = "-" if verdict.seed is None else rule[0] if rule else "an error in the log"
        lines.append(f"| {verdict.bug.name} | {verdict.bug.breaks} | {verdict.seed} | {by} |")
    return "\n".join(lines)


def write_table(verdicts: list[Verdict]) -> None:
    """Put the table into the page, between its marks."""
    text = PAGE.read_text()
    before, rest = text.split(_BEGIN)
    _, after = rest.split(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n{table(verdicts)}\n{_END}{after}")


def main(names: list[str]) -> int:
    """Plant the named bugs, or all."""
    wanted = [bug for bug in BUGS if not names or bug.name in names]
    missed = 0
    with ThreadPoolExecutor(int(os.environ.get("PROCESSES", "2"))) as pool:
        verdicts = []
        for verdict in pool.map(plant, wanted):
            verdicts.append(verdict)
            missed += verdict.seed is None
            found = "NOT CAUGHT" if verdict.seed is None else f"seed {verdict.seed}"
            print(f"{verdict.bug.name:42} {found:12} {verdict.rule[:140]}", flush=True)
    print(f"{len(verdicts) - missed} of {len(verdicts)} planted bugs were caught within {SEEDS} seeds")
    if not names and not missed:
        write_table(verdicts)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
