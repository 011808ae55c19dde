"""Planting bugs: each in a copy of the source, simulated in a process of its own until a rule is broken.

`python -m tests.simulation.planting` plants all, with names only those, and writes the table in docs/simulation.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import ROOT
from tests.simulation.bugs import BUGS, Bug, Patch

SEEDS = int(os.environ.get("SEEDS", "1000"))
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


def row(verdict: Verdict) -> str:
    """Write a verdict as a line of the table in docs/simulation.md."""
    rule = re.match(r"I\d+", verdict.rule)
    by = "a rule beside these" if rule is None else rule[0].removeprefix("I")
    return f"| {verdict.bug.name} | {verdict.bug.breaks} | {verdict.seed} | {by} |"


def rows_of_table() -> dict[str, tuple[str, int]]:
    """Read the table in docs/simulation.md: what each bug breaks, and the first seed that notices."""
    written = PAGE.read_text().split(_BEGIN)[1].split(_END)[0]
    cells = [[cell.strip() for cell in line.split("|")] for line in written.splitlines() if line.startswith("| ")]
    return {name: (breaks, int(seed)) for _, name, breaks, seed, *_ in cells[1:]}


def write_table(verdicts: list[Verdict]) -> None:
    """Put the verdicts into the page, in the place of those that it has of the same bugs."""
    before, rest = PAGE.read_text().split(_BEGIN)
    written, after = rest.split(_END)
    rows = {line.split("|")[1].strip(): line for line in written.splitlines() if line.startswith("| ")}
    rows |= {verdict.bug.name: row(verdict) for verdict in verdicts if verdict.seed is not None}
    lines = ["| planted bug | what it breaks | first seed that notices | by rule |", "|---|---|---|---|"]
    lines += [rows[bug.name] for bug in BUGS if bug.name in rows]
    PAGE.write_text("\n".join([before + _BEGIN, *lines, _END + after]))


def main(names: list[str]) -> int:
    """Plant the named bugs, or all."""
    wanted = [bug for bug in BUGS if not names or bug.name in names]
    verdicts = []
    with ThreadPoolExecutor(int(os.environ.get("PROCESSES", "2"))) as pool:
        for planted in as_completed([pool.submit(plant, bug) for bug in wanted]):
            verdict = planted.result()
            verdicts.append(verdict)
            found = "NOT CAUGHT" if verdict.seed is None else f"seed {verdict.seed}"
            print(f"{verdict.bug.name:42} {found:12} {verdict.rule[:140]}", flush=True)
            write_table([verdict])
    caught = sum(verdict.seed is not None for verdict in verdicts)
    print(f"{caught} of {len(verdicts)} planted bugs were caught within {SEEDS} seeds")
    return 0 if caught == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
