"""A machine that sleeps for eight hours with all its workers: what is overdue happens once, soon; nobody is dead."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from holdfast import Status
from holdfast.store.base import Store
from holdfast.store.open import open_store
from tests.helpers import ScriptProcess, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.crash]

PROGRAM = "from tests.chaos.suspended_programs import main; main()"
COUNT = 5


def statuses(store: Store, kind: str) -> Counter[Status]:
    """Count the workflows of a kind by their statuses."""
    found = [store.get_workflow(f"{kind}-{number}") for number in range(COUNT)]
    return Counter(each.status for each in found if each is not None)


def done(effects: Path) -> Counter[str]:
    """Count what was done outside."""
    return Counter(line.split()[0] for line in effects.read_text().splitlines())


def test_after_eight_hours_of_sleep_overdue_timers_fire_once_and_work_goes_on(store_url: str, tmp_path: Path) -> None:
    ahead, effects = tmp_path / "ahead", tmp_path / "effects"
    ahead.write_text("0")
    effects.touch()
    env = {"AHEAD": str(ahead), "EFFECTS": str(effects)}
    with (
        ExitStack() as stack,
        ScriptProcess(PROGRAM, arguments=[store_url, str(COUNT)], env=env) as one,
        ScriptProcess(PROGRAM, arguments=[store_url, str(COUNT)], env=env) as two,
    ):
        workers = (one, two)
        for each in workers:
            each.wait_for_line("started")
        store = stack.enter_context(closing(open_store(store_url)))
        store.open()
        eventually(lambda: {statuses(store, kind)[Status.SUSPENDED] for kind in ("nap", "wait")} == {COUNT})
        eventually(lambda: done(effects)["dawdle"] == COUNT)
        before = {each.worker_id for each in store.workers()}
        for each in workers:
            each.pause()
        ahead.write_text("8")
        for each in workers:
            each.unpause()
        eventually(lambda: statuses(store, "nap")[Status.SUCCEEDED] == COUNT, timeout=5)
        eventually(lambda: statuses(store, "work")[Status.SUCCEEDED] == COUNT, timeout=5)
        eventually(lambda: done(effects)["waited"] == COUNT, timeout=5)
        eventually(lambda: statuses(store, "wait")[Status.SUSPENDED] == COUNT)
        assert {each.worker_id for each in store.workers()} == before, "nobody was taken for dead"
        assert done(effects) == {"napped": COUNT, "waited": COUNT, "dawdle": COUNT}
        assert not [each.output for each in workers if "dead" in each.output or "Traceback" in each.output]
