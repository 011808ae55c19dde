"""`python -m benchmarks`: measure Holdfast beside its peers and the floor, and write the table and the plot."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks import machine, report
from benchmarks.databases import Databases
from benchmarks.environments import Environments
from benchmarks.panels import panels
from benchmarks.plan import CONTENDERS, STORES, Choice
from benchmarks.results import Results
from benchmarks.runner import ROOT, Runner

FOLDER = ROOT / ".bench"
URL_VARIABLE = "HOLDFAST_BENCH_POSTGRES_URL"
"""Another server to measure on than the one that is started here."""
DISK = Path("/var/tmp")  # noqa: S108 - what is made there is under a random name; unlike /tmp it is never in memory


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
    parser.add_argument("--folder", type=Path, default=DISK, help="where databases are made: a real disk")
    parser.add_argument("--page", type=Path, default=ROOT / "benchmarks" / "RESULTS.md", help="where the page goes")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "images" / "benchmarks.svg")
    return parser.parse_args()


def main() -> None:
    """Run what the command line chooses, then write the page and the plot."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the server is stopped, too
    load = os.getloadavg()[0]
    FOLDER.mkdir(exist_ok=True)
    environments = Environments(FOLDER)
    for name in sorted({CONTENDERS[each].environment or "plot" for each in given.contender}):
        environments.build(name)
    databases = Databases(given.folder, postgres_url=os.environ.get(URL_VARIABLE, ""))
    results = Results.load(given.into) if given.into.exists() else Results()
    try:
        rounds = 1 if given.quick else given.rounds
        Runner(_choice(given), databases=databases, environments=environments, rounds=rounds).run(results, given.into)
        facts = machine.facts(databases, environments, load)
    finally:
        databases.close()
    given.page.write_text(report.page(results, facts), encoding="utf-8")
    _draw(results, environments, given.plot)
    print(f"written: {given.page}, {given.plot}")


def _choice(given: argparse.Namespace) -> Choice:
    return Choice(
        numbers=frozenset(given.only) if given.only else None,
        stores=tuple(given.store),
        contenders=frozenset(given.contender),
        full=given.full,
        quick=given.quick,
        scale=given.scale,
    )


def _draw(results: Results, environments: Environments, target: Path) -> None:
    data = FOLDER / "plot.json"
    data.write_text(json.dumps(panels(results)), encoding="utf-8")
    script = Path(__file__).with_name("plot.py")
    subprocess.run([environments.python("plot"), str(script), str(data), str(target)], check=True)


if __name__ == "__main__":
    main()
