"""`python -m tests.crash.matrix.lost_replies POSTGRES_URL FOLDER`: every story, while replies to COMMIT are lost.

Each story is told undisturbed, then through a proxy that loses the reply to about every second COMMIT, as chance has
it. Both are compared as after a kill.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from holdfast import failpoints
from holdfast.failpoints import Hook
from holdfast.testing.killing import in_child, labels
from tests.crash.matrix import process
from tests.crash.matrix.agent_stories import AGENTS
from tests.crash.matrix.checks import faults
from tests.crash.matrix.more_stories import ALL
from tests.crash.matrix.process import Place, tell
from tests.crash.matrix.runner import Stage
from tests.crash.matrix.stories import Story
from tests.postgres_proxy import PostgresProxy

LEFT_OUT = {
    "a close and a launch": "a launch whose migrations get no reply is an error, for whoever launches",
    "messages from a client": "and so is a client's opening",
    "a start by name": "and so is a client's opening",
    "a refund, from chat to payment": "so is a transaction outside of any workflow, of which nothing is recorded",
}
SEED = 20261127


class Losing:
    """A hook that lets the proxy lose replies once the application works, and notes which commits had none."""

    def __init__(self, proxy: PostgresProxy, then: Hook, story: str) -> None:
        self._proxy, self._then = proxy, then
        self._chance = random.Random(f"{SEED} {story}")
        self._under_way: set[str] = set()
        self._lost = 0
        self.kinds: set[str] = set()

    def __call__(self, point: str, about: Any) -> None:
        """Take note of a pass."""
        if point == "commit.before":
            # What was under way is sent again now if its reply was lost.
            if self._proxy.lost > self._lost:
                self.kinds |= self._under_way
            self._lost = self._proxy.lost
            self._under_way = {each.partition(" ")[2] for each in labels(point, about)}
            # Not each second one: of a batch that takes two transactions that would be the same one for ever.
            self._proxy.lose_commit_replies(every=self._chance.choice((0, 1, 2)))
        self._then(point, about)


def tell_through_proxy(story: Story, place: Place) -> None:
    """Tell a story whose commits get no reply every second time; leave how many were lost, and of what kinds."""
    proxy = PostgresProxy(place.url)
    made: list[Losing] = []
    install = failpoints.install

    def install_both(hook: Hook) -> None:
        made.append(Losing(proxy, hook, story.name))
        install(made[0])

    process.failpoints.install = install_both  # type: ignore[attr-defined]  # in a child of its own
    tell(story, replace(place, url=proxy.url), name="disturbed", kill_at=None)
    place.facts("lost").write_text(json.dumps({"lost": proxy.lost, "kinds": sorted(made[0].kinds)}))


def main() -> None:
    """Print what happened as one line of JSON; end with an error if a promise was broken."""
    stage = Stage("postgres", Path(sys.argv[2]), sys.argv[1])
    lost, kinds, wrong, told = 0, set[str](), [], 0
    for story in (*ALL, *AGENTS):
        if story.first_launch or story.name in LEFT_OUT:
            continue
        with stage.place(with_schema=True) as place:
            in_child(lambda: tell(story, place, name="undisturbed", kill_at=None))  # noqa: B023 - called at once
            undisturbed = json.loads(place.facts("undisturbed").read_text())
        with stage.place(with_schema=True) as place:
            try:
                in_child(lambda: tell_through_proxy(story, place))  # noqa: B023 - called at once
            except AssertionError as error:
                found = [f"stuck: {error}"]
            else:
                found = faults(undisturbed, json.loads(place.facts("disturbed").read_text()), [])
                report = json.loads(place.facts("lost").read_text())
                lost += report["lost"]
                kinds |= set(report["kinds"])
        told += 1
        wrong += [f"{story.name}: {each}" for each in found]
        print(story.name, "wrong" if found else "right", flush=True)
    stage.close()
    print(*wrong, sep="\n")
    print(json.dumps({"stories": told, "lost": lost, "kinds": sorted(kinds)}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
