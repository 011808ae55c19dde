"""`python -m tests.crash.matrix`: kill each story at each of its points on both stores, and write the table.

`--only WORD` takes the stories with this word in their names, `--store` one kind of store, `--table FILE` writes the
table, `--often N` limits the kills at passes of one label in one story, `--minutes N` the time, after which no further
story is begun. Some processes share the work.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tests.crash.matrix.agent_stories import AGENTS
from tests.crash.matrix.more_stories import ALL
from tests.crash.matrix.runner import OFTEN, Kill, Matrix, Stage
from tests.crash.matrix.stories import Story
from tests.crash.matrix.table import page
from tests.postgres_server import PostgresServer


def main() -> None:
    """Go through the matrix; end with an error if a promise was broken."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="holdfast-matrix-") as name:
        folder = Path(name)
        # In a folder of its own: the server's user may not enter this one.
        server = PostgresServer(Path(tempfile.mkdtemp(prefix="holdfast-postgres-")))
        if "postgres" in given.store:
            server.ensure_running()
        try:
            kills, passed = _all(given, folder, server)
        finally:
            server.destroy()
    if given.table is not None:
        asked = [(story.name, store) for story in _asked(given) for store in given.store]
        given.table.write_text(page(kills, passed, often=given.often, asked=asked), encoding="utf-8")
    wrong = [kill for kill in kills if kill.faults]
    for kill in wrong:
        print(f"{kill.store}, {kill.story}, {kill.at[0]} no. {kill.at[1]}:", *kill.faults, sep="\n  ")
    print(f"{sum(kill.happened for kill in kills)} kills, {len(wrong)} of them with faults")
    sys.exit(bool(wrong))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix", description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--store", nargs="+", choices=("sqlite", "postgres"), default=["sqlite", "postgres"])
    parser.add_argument("--often", type=int, default=OFTEN, metavar="N", help="kills at passes of one label in a story")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--minutes", type=float, default=float("inf"), metavar="N")
    parser.add_argument("--table", type=Path, metavar="FILE")
    return parser.parse_args()


def _asked(given: argparse.Namespace) -> list[Story]:
    return [story for story in (*ALL, *AGENTS) if given.only in story.name]


def _all(given: argparse.Namespace, folder: Path, server: PostgresServer) -> tuple[list[Kill], Counter[str]]:
    work = [(store, story) for story in _asked(given) for store in given.store]
    reports = [folder / f"report-{number}.json" for number in range(given.processes)]
    children = []
    for number, report in enumerate(reports):
        child = os.fork()
        if child == 0:
            _share(work[number :: given.processes], folder / f"share-{number}", server, report, given)
            os._exit(0)
        children.append(child)
    for child in children:
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit("one of the processes that go through the matrix failed; its error is above")
    kills: list[Kill] = []
    passed: Counter[str] = Counter()
    for report in reports:
        document = json.loads(report.read_text())
        kills += [Kill(**{**each, "at": tuple(each["at"])}) for each in document["kills"]]
        passed += Counter(document["passed"])
    return kills, passed


def _share(
    work: list[tuple[str, Story]], folder: Path, server: PostgresServer, report: Path, given: argparse.Namespace
) -> None:
    """Do a part of the work in this process."""
    kills: list[Kill] = []
    passed: Counter[str] = Counter()
    ends = time.monotonic() + given.minutes * 60
    try:
        for store in dict.fromkeys(store for store, _ in work):
            stage = Stage(store, folder / store, server.url if store == "postgres" else "")
            matrix = Matrix(stage, often=given.often)
            for story in [story for other, story in work if other == store]:
                if time.monotonic() > ends:
                    break
                done = _kills(matrix, store, story)
                kills += done
                broken = sum(bool(kill.faults) for kill in done)
                print(
                    f"{store:8} {story.name:40} {sum(kill.happened for kill in done):4} kills {broken:3} faults",
                    flush=True,
                )
            passed += matrix.passed
            stage.close()
    except BaseException:  # noqa: BLE001 - it ends here, whatever it was
        traceback.print_exc()
        os._exit(1)
    report.write_text(json.dumps({"kills": [asdict(kill) for kill in kills], "passed": passed}))


def _kills(matrix: Matrix, store: str, story: Story) -> list[Kill]:
    try:
        return list(matrix.kills(story))
    except AssertionError as error:
        traceback.print_exc()
        return [Kill(story=story.name, store=store, at=("undisturbed", 1), happened=False, faults=[f"stuck: {error}"])]


if __name__ == "__main__":
    main()
