"""`python -m benchmarks`: measure Holdfast beside its peers and the floor, and write the table and the plot."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.databases import Databases
from benchmarks.environments import Environments
from benchmarks.plan import CONTENDERS, STORES, Choice
from benchmarks.results import Results
from benchmarks.runner import ROOT, Runner

FOLDER = ROOT / ".bench"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", type=int, metavar="N", help="these workloads only, by number")
    parser.add_argument("--store", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--contender", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual counts")
    parser.add_argument("--quick", action="store_true", help="tiny counts and one round, to see that all of it runs")
    parser.add_argument("--full", action="store_true", help="also what takes hours: ten million finished workflows")
    parser.add_argument("--into", type=Path, default=FOLDER / "results.json", help="where the runs are kept")
    return parser.parse_args()


def main() -> None:
    """Run what the command line chooses."""
    given = _arguments()
    choice = Choice(
        numbers=frozenset(given.only) if given.only else None,
        stores=tuple(given.store),
        contenders=frozenset(given.contender),
        full=given.full,
        quick=given.quick,
        scale=given.scale,
    )
    FOLDER.mkdir(exist_ok=True)
    environments = Environments(FOLDER)
    for name in sorted({CONTENDERS[each].environment or "" for each in given.contender} - {""}):
        environments.build(name)
    databases = Databases(FOLDER / "run")
    results = Results.load(given.into) if given.into.exists() else Results()
    try:
        runner = Runner(
            choice, databases=databases, environments=environments, rounds=1 if given.quick else given.rounds
        )
        runner.run(results, given.into)
    finally:
        databases.close()


if __name__ == "__main__":
    main()
