"""The matrix as a page."""

from __future__ import annotations

import platform
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from holdfast.failpoints import POINTS
from tests.crash.matrix.runner import Kill

_HEAD = """# The kill matrix

Written by `make crash`. Each story is told once undisturbed, while every pass of every failpoint is counted: before and
after each commit, by the kinds of writes in it, and around each effect. Then it is told once for each of these passes,
on a fresh database, in a process that is killed there with SIGKILL; a second process recovers, tells the story again as
a client would, and everything is compared: what can be seen from outside, the application's rows, the unread messages,
how each workflow ended, the journal that the dead process left with the one at the end, and which steps ran again.

**Lost** counts effects, messages and outcomes that are missing or different; **duplicated** those that are there more
often, and steps that ran again although their outcome was recorded. In each story, processes that recover are killed as
well. What every process writes at its launch or each second is killed at its first pass.
"""


def page(kills: Sequence[Kill], passed: Counter[str], *, often: int, asked: Sequence[tuple[str, str]]) -> str:
    """Write the page. `often`: kills at passes of one label in a story; `asked`: the stories and stores."""
    parts = [
        _HEAD,
        *_summary(kills, often),
        "",
        *_stories(kills),
        *_left_out(kills, asked),
        "",
        *_points(kills, passed),
    ]
    return "\n".join([*parts, ""])


def _summary(kills: Sequence[Kill], often: int) -> Iterator[str]:
    happened = sum(kill.happened for kill in kills)
    yield f"**{happened:,} kills, {sum(map(_lost, kills))} lost, {sum(map(_doubled, kills))} duplicated.**"
    yield f"Of the passes of one label in a story, no more than {often} met a kill in this run."
    yield f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, psycopg {version('psycopg')}."


def _left_out(kills: Sequence[Kill], asked: Sequence[tuple[str, str]]) -> Iterator[str]:
    done = {(kill.story, kill.store) for kill in kills}
    if left := [f"{story} ({store})" for story, store in asked if (story, store) not in done]:
        yield ""
        yield f"Time was up before these were killed in this run: {', '.join(left)}."


def _lost(kill: Kill) -> bool:
    return any(not fault.startswith(("duplicated", "run again")) for fault in kill.faults)


def _doubled(kill: Kill) -> bool:
    return any(fault.startswith(("duplicated", "run again")) for fault in kill.faults)


def _stories(kills: Sequence[Kill]) -> Iterator[str]:
    yield "| story | store | kills | lost | duplicated |"
    yield "| --- | --- | --- | --- | --- |"
    for story, store in dict.fromkeys((kill.story, kill.store) for kill in kills):
        own = [kill for kill in kills if (kill.story, kill.store) == (story, store)]
        happened = sum(kill.happened for kill in own)
        yield f"| {story} | {store} | {happened} | {sum(map(_lost, own))} | {sum(map(_doubled, own))} |"


def _points(kills: Sequence[Kill], passed: Counter[str]) -> Iterator[str]:
    yield "## Points"
    yield ""
    yield "| point | what it stands for | passes undisturbed | kills |"
    yield "| --- | --- | --- | --- |"
    hits = Counter(kill.at[0] for kill in kills if kill.happened)
    for point, meaning in POINTS.items():
        own = sorted(label for label in passed if label.partition(" ")[0] == point)
        for label in own:
            yield f"| {label} | {meaning} | {passed[label]} | {hits[label]} |"
        if not own:
            yield f"| {point} | {meaning} | 0 | 0 |"
