"""`python -m tests.crash.matrix.sample POSTGRES_URL FOLDER`: a few stories, killed once at each point they pass."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from holdfast.testing.killing import Pass
from tests.crash.matrix.more_stories import stories
from tests.crash.matrix.runner import Matrix, Stage

CHOSEN = {
    "sqlite": (
        "the schema, and steps",
        "messages to one that sleeps",
        "a schedule that ticks",
        "retries",
        "a wait that times out",
        "undo",
    ),
    "postgres": ("transactions, async", "messages both ways", "a cancellation of one that sleeps"),
}
SEED = 20260105


class OneOfEach:
    """Chooses one pass of each point, whatever the kinds of writes in it, unless a story before had one."""

    def __init__(self) -> None:
        self._chance = random.Random(SEED)
        self._seen: set[str] = set()

    def __call__(self, passes: Sequence[Pass]) -> list[Pass]:
        points = sorted({point_of(each) for each in passes} - self._seen)
        self._seen.update(points)
        return [self._chance.choice([each for each in passes if point_of(each) == point]) for point in points]


def point_of(each: Pass) -> str:
    return each[0].partition(" ")[0]


def main() -> None:
    """Print what happened as one line of JSON; end with an error if a promise was broken."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    kills = []
    for store, names in CHOSEN.items():
        stage = Stage(store, folder / store, url)
        matrix = Matrix(stage, choose=OneOfEach())
        kills += [kill for story in stories(*names) for kill in matrix.kills(story)]
        stage.close()
    wrong = [kill for kill in kills if kill.faults]
    for kill in wrong:
        print(kill)
    points = sorted({point_of(kill.at) for kill in kills if kill.happened})
    print(json.dumps({"kills": sum(kill.happened for kill in kills), "points": points}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
