"""Run seeds: `python -m tests.simulation --seeds 10000`, or one again, with its trace: `--seed 4711`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context

import holdfast
from tests.simulation.report import cells_table, met
from tests.simulation.simulation import Result, Simulation, simulating

CHECKED_TWICE = 100
"""Every so many seeds one is run twice, and must give the same trace."""


@dataclass
class Tally:
    """What many seeds came to."""

    seeds: int = 0
    commits: int = 0
    virtual: float = 0.0
    fired: Counter[str] = field(default_factory=Counter)
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count one seed."""
        self.seeds += 1
        self.commits += result.commits
        self.virtual += result.seconds
        self.fired += result.fired
        self.cells += result.cells
        if result.violations:
            self.failed.append(result)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one, and print its trace")
    parser.add_argument("--seeds", type=int, default=300, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=1, help="how many processes share them")
    parser.add_argument("--stop", action="store_true", help="stop at the first that fails")
    parser.add_argument("--require-coverage", action="store_true", help="fail unless each fault met each primitive")
    parser.add_argument("--faults", help="of the faults that a seed has drawn, only these (comma between)")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets of texts is part of what a seed must give again.
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        return subprocess.call([sys.executable, "-m", "tests.simulation", *sys.argv[1:]], env=environment)
    if options.seed is not None:
        return _one(options.seed, options.faults)
    failed, cells = _many(options) if options.processes == 1 else _several(options)
    print(cells_table(cells))
    missing = options.require_coverage and not met(cells, seeds=options.seeds)
    if missing:
        print("some fault has not met some primitive: see the smallest numbers above")
    return 1 if failed or missing else 0


def _one(seed: int, faults: str | None) -> int:
    only = None if faults is None else frozenset(faults.split(",")) - {""}
    with simulating() as simulation:
        result = simulation.run(seed, faults=only)
        print(*result.trace, sep="\n")
        _tell(result)
        if result.violations and only is None:
            print("needs the faults:", ", ".join(_shrunk(simulation, result)) or "none")
    return 1 if result.violations else 0


def _shrunk(simulation: Simulation, result: Result) -> list[str]:
    """Leave out one kind of fault after the other, as long as the seed still fails."""
    needed = set(result.faults)
    for fault in sorted(result.faults):
        if simulation.run(result.seed, faults=frozenset(needed - {fault})).violations:
            needed.discard(fault)
    return sorted(needed)


def _tell(result: Result) -> None:
    fired = ", ".join(f"{fault} {count}" for fault, count in sorted(result.fired.items())) or "none"
    print(f"seed {result.seed}: {result.commits} commits, {result.seconds:.1f} s of virtual time; faults: {fired}")
    for violation in result.violations:
        print(f"  VIOLATED {violation}")


def _many(options: argparse.Namespace) -> tuple[int, Counter[tuple[str, str]]]:
    """Run seeds one after another; return how many failed, and which fault met what."""
    tally, began = Tally(), time.process_time()
    with simulating() as simulation:
        for seed in range(options.first, options.first + options.seeds):
            result = simulation.run(seed)
            tally.add(result)
            if seed % CHECKED_TWICE == 0 and (again := simulation.run(seed)).digest != result.digest:
                print(f"seed {seed} gave {result.digest} and then {again.digest}: it is not deterministic")
                tally.failed.append(result)
            if result.violations:
                print(*result.trace[-25:], sep="\n")
                _tell(result)
                print(f"again: python -m tests.simulation --seed {seed}   ({holdfast.__file__})", flush=True)
                if options.stop:
                    break
    spent = time.process_time() - began
    print(
        f"{tally.seeds} seeds, {len(tally.failed)} failed; {tally.commits} commits, {tally.fired.total()} faults, "
        f"{tally.virtual:.0f} s of virtual time in {spent:.1f} s of CPU ({tally.seeds / spent:.1f} seeds a second)",
        flush=True,
    )
    return len(tally.failed), tally.cells


def _several(options: argparse.Namespace) -> tuple[int, Counter[tuple[str, str]]]:
    """Do the same in some processes at once; what they met counts together."""
    share = -(-options.seeds // options.processes)
    shares = [
        argparse.Namespace(**{**vars(options), "seeds": share, "first": options.first + place * share})
        for place in range(options.processes)
    ]
    with get_context("fork").Pool(options.processes) as pool:
        done = pool.map(_many, shares, chunksize=1)
    return sum(failed for failed, _ in done), sum((cells for _, cells in done), Counter())


if __name__ == "__main__":
    sys.exit(main())
