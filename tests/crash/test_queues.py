"""Several processes take from one queue and are killed: its limits hold all the time, and nothing in it is lost."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast import Holdfast, options
from tests.crash.programs import CONFIG, LIMITED, busy
from tests.helpers import ScriptProcess, eventually

pytestmark = pytest.mark.crash

WORKER = """
import sys, threading
from holdfast import Holdfast
from tests.crash import programs
with Holdfast(sys.argv[1], config=programs.CONFIG, queues=[programs.LIMITED]):
    print("launched", flush=True)
    threading.Event().wait()
"""
WORKFLOWS, WORKERS, KILLS = 60, 3, 4


def lines_of(effects: Path) -> Iterator[tuple[float, str, int, str]]:
    """Read (when, what, pid, name) of each effect."""
    for line in effects.read_text().splitlines() if effects.exists() else ():
        what, name, pid, at = line.split()
        yield float(at), what, int(pid), name


def most_at_once(effects: Path, killed: dict[int, float]) -> tuple[int, int]:
    """Tell how many were busy at once: over all processes, and in one. The killed are busy until they were killed."""
    events = [*lines_of(effects), *((at, "killed", pid, "") for pid, at in killed.items())]
    running: set[tuple[int, str]] = set()
    most = most_in_one = 0
    for _, what, pid, name in sorted(events):
        if what == "begin":
            running.add((pid, name))
        elif what == "end":
            running.discard((pid, name))
        else:
            running = {each for each in running if each[0] != pid}
        most = max(most, len(running))
        most_in_one = max(most_in_one, sum(each[0] == pid for each in running))
    return most, most_in_one


def test_promise_a_queues_limits_hold_while_workers_are_killed(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = tmp_path / "effects"
    monkeypatch.setenv("EFFECTS", str(effects))
    environment = {"EFFECTS": str(effects), "STORE": store_url}
    moments, killed = random.Random(3), dict[int, float]()
    with ExitStack() as stack:

        def launch() -> ScriptProcess:
            process = stack.enter_context(ScriptProcess(WORKER, arguments=[store_url], env=environment))
            process.wait_for_line("launched")
            return process

        with Holdfast(store_url, config=replace(CONFIG, serves=()), queues=[LIMITED]) as app:
            handles = [
                options(queue=LIMITED.name, partition=f"p{number % 5}", id=f"w{number}").start(busy, f"w{number}")
                for number in range(WORKFLOWS)
            ]
            workers = [launch() for _ in range(WORKERS)]
            for number in range(KILLS):
                progress = (number + 1) * WORKFLOWS // (KILLS + 2)
                eventually(lambda goal=progress: sum(1 for _ in lines_of(effects)) >= 2 * goal, timeout=60)  # type: ignore[misc]  # mypy does not infer a lambda with a default
                victim = workers.pop(moments.randrange(WORKERS))
                killed[victim.pid] = time.time()
                victim.kill()
                workers.append(launch())
            for handle in handles:
                handle.result(timeout=60)
            [state] = app.queues()
            assert (state.depth, state.running) == (0, 0)
    most, most_in_one = most_at_once(effects, killed)
    assert most_in_one == LIMITED.worker_concurrency
    # Two workers shared the queue at times, and never more than it allows.
    assert most_in_one < most <= (LIMITED.concurrency or 0)
    assert {name for _, what, _, name in lines_of(effects) if what == "end"} == {f"w{n}" for n in range(WORKFLOWS)}
