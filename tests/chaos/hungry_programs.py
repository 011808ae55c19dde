"""A worker in a control group that limits its memory, for a workflow that twice asks for more than there is.

`python -m tests.chaos.hungry_programs URL GROUP` joins the group, then works until it is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from holdfast import Holdfast, step, workflow
from tests.chaos.poison_programs import CONFIG, chaos_well  # noqa: F401 - the worker is to know it

TRIES = 3
MEAL = 1 << 30
"""Bytes."""


@step
def chaos_hungry(notes: str) -> int:
    """Note that it runs; until the last try, take too much memory."""
    with Path(notes).open("a") as file:
        file.write("runs\n")
    tries = len(Path(notes).read_text().splitlines())
    if tries < TRIES:
        b"\1" * MEAL
    return tries


@workflow
def chaos_meal(notes: str) -> int:
    """Take one step that may cost the process."""
    return chaos_hungry(notes)


def main() -> None:
    """Join the group, launch and work."""
    (Path(sys.argv[2]) / "cgroup.procs").write_text(str(os.getpid()))
    with Holdfast(sys.argv[1], config=CONFIG):
        signal.pause()


if __name__ == "__main__":
    main()
