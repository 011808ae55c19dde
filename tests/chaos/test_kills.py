"""Workers killed by SIGKILL at random moments, KILLS of them in all, and the ledger audited at the end."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.oracle import audit, create_ledger
from tests.chaos.programs import environment
from tests.helpers import ScriptProcess

pytestmark = [pytest.mark.chaos, pytest.mark.crash]

KILLS = int(os.environ.get("KILLS", "20"))
"""How many processes die in each test: few among all tests, a thousand in `make chaos`."""
_PROGRAM = "import sys; from tests.chaos.programs import main; main()"


def worker(url: str, effects: Path, prefix: str) -> ScriptProcess:
    return ScriptProcess(_PROGRAM, arguments=[url, prefix, "3"], env=environment(url, effects))


def acknowledged(process: ScriptProcess) -> set[str]:
    """Return what the process said was started: its end of the pipe is gone, ours is not."""
    return {line.removeprefix("ack ") for line in process.output.splitlines() if line.startswith("ack ")}


def kill_again_and_again(url: str, effects: Path, *, workers: int) -> set[str]:
    """Keep so many workers running, kill one after another at a random moment; return what they acknowledged."""
    chance = random.Random(KILLS)
    running = [worker(url, effects, f"first-{number}") for number in range(workers)]
    acks: set[str] = set()
    for kill in range(KILLS):
        victim = running.pop(0)
        if kill % 2:
            victim.wait_for_line("launched")
        time.sleep(chance.uniform(0.0, 0.15))  # the moment of death, on which nothing that is asserted depends
        victim.kill()
        acks |= acknowledged(victim)
        running.append(worker(url, effects, f"life-{kill}"))
    for process in running:
        process.kill()
        acks |= acknowledged(process)
    return acks


@pytest.mark.parametrize(("kind", "workers"), [("sqlite", 1), ("postgres", 4)])
@pytest.mark.timeout(3600)
def test_whoever_is_killed_nothing_is_lost_and_nothing_paid_twice(
    kind: str, workers: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue(f"{kind}_url")
    effects = tmp_path / "effects"
    effects.touch()
    create_ledger(url)
    acks = kill_again_and_again(url, effects, workers=workers)
    refunds = audit(url, acks, effects, timeout=900)
    sys.stdout.write(f"{kind}: {KILLS} kills, {len(acks)} acknowledged, {refunds} refunds\n")
