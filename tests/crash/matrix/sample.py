"""`python -m tests.crash.matrix.sample POSTGRES_URL FOLDER`: a few stories, killed once at each point they pass."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from holdfast.testing.killing import Pass
from tests.crash.matrix.runner import Matrix, Stage
from tests.crash.matrix.stories import STORIES

CHOSEN = {
    "sqlite": ("the schema, and steps", "transactions", "messages to one that sleeps"),
    "postgres": ("transactions, async", "messages both ways"),
}
SEED = 20260105


def one_of_each(passes: Sequence[Pass]) -> list[Pass]:
    """Choose one pass of each point, whatever the kinds of writes in it."""
    chance = random.Random(SEED)
    points = sorted({label.partition(" ")[0] for label, _ in passes})
    return [chance.choice([each for each in passes if each[0].partition(" ")[0] == point]) for point in points]


def main() -> None:
    """Print what happened as one line of JSON; end with an error if a promise was broken."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    kills = []
    for store, names in CHOSEN.items():
        stage = Stage(store, folder / store, url)
        matrix = Matrix(stage, choose=one_of_each)
        kills += [kill for story in STORIES if story.name in names for kill in matrix.kills(story)]
        stage.close()
    wrong = [kill for kill in kills if kill.faults]
    for kill in wrong:
        print(kill)
    points = sorted({kill.at[0].partition(" ")[0] for kill in kills})
    print(json.dumps({"kills": sum(kill.happened for kill in kills), "points": points}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
