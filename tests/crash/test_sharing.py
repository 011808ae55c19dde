"""Several processes on one database: they share the work, wake one another, and survive being killed at random."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from holdfast import Handle, Holdfast, Status, WorkflowFilter, connection, options, send, transaction
from tests.crash.programs import CONFIG, create_ledger, greets, pays
from tests.crash.test_recovery import effects_of
from tests.helpers import ScriptProcess, eventually

pytestmark = pytest.mark.crash

WORKER = """
import sys, threading
from holdfast import Holdfast
from tests.crash import programs
with Holdfast(sys.argv[1], config=programs.CONFIG):
    print("launched", flush=True)
    threading.Event().wait()
"""
KILLS, WORKFLOWS = 6, 30


def worker(url: str, effects: Path) -> ScriptProcess:
    environment = {"EFFECTS": str(effects), "CRASH": "", "STORE": url}
    return ScriptProcess(WORKER, arguments=[url], env=environment)


def test_a_message_from_another_process_wakes_a_workflow(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EFFECTS", str(tmp_path / "effects"))
    with worker(store_url, tmp_path / "effects") as other:
        other.wait_for_line("launched")
        with Holdfast(store_url, config=CONFIG):
            # It is created here as enqueued, so that either process may take it.
            handle = options(id="greeting", delay=0).start(greets)
            eventually(lambda: handle.status() is Status.SUSPENDED)
            send(handle.id, "ada", topic="name")
            assert handle.result(timeout=20) == "hello ada"


def test_promise_queued_work_is_shared_and_done_once(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = tmp_path / "effects"
    monkeypatch.setenv("EFFECTS", str(effects))
    monkeypatch.setenv("STORE", store_url)
    with worker(store_url, effects) as one, worker(store_url, effects) as two:
        one.wait_for_line("launched")
        two.wait_for_line("launched")
        with Holdfast(store_url, config=CONFIG) as app:
            create_ledger()
            handles = [options(id=f"w{n}", delay=0).start(pays, f"w{n}") for n in range(WORKFLOWS)]
            for handle in handles:
                handle.result(timeout=30)
            assert {app.get_workflow(handle.id).epoch for handle in handles} == {1}
    counts = Counter(line.split()[0] for line in effects_of(effects))
    assert set(counts.values()) == {1}
    assert len(counts) == 2 * WORKFLOWS


@transaction
def ledger_counts() -> dict[str, int]:
    cursor = connection().cursor()
    cursor.execute("SELECT name, count(*) FROM ledger GROUP BY name")
    return dict(cursor.fetchall())


def have_ended(handles: Sequence[Handle[str]], count: int) -> bool:
    return sum(handle.status().is_terminal for handle in handles) >= count


def test_promise_workers_killed_at_random_lose_nothing_and_pay_nothing_twice(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = tmp_path / "effects"
    monkeypatch.setenv("EFFECTS", str(effects))
    monkeypatch.setenv("STORE", store_url)
    moments = random.Random(7)
    with Holdfast(store_url, config=CONFIG) as app:
        create_ledger()
        for round_number in range(KILLS):
            with worker(store_url, effects) as victim:
                victim.wait_for_line("launched")
                handles = [
                    options(id=f"r{round_number}w{n}", delay=0).start(pays, f"r{round_number}w{n}")
                    for n in range(WORKFLOWS)
                ]
                done = moments.randrange(WORKFLOWS)
                eventually(partial(have_ended, handles, done), timeout=30)
                victim.kill()
        unfinished = (Status.ENQUEUED, Status.RUNNING, Status.SUSPENDED)
        eventually(lambda: not app.list_workflows(WorkflowFilter(status=unfinished)), timeout=30)
        succeeded = app.list_workflows(WorkflowFilter(status=(Status.SUCCEEDED,), limit=1000))
        paid = ledger_counts()
    assert len(succeeded) == KILLS * WORKFLOWS
    assert paid == {f"r{r}w{n}": 1 for r in range(KILLS) for n in range(WORKFLOWS)}
    # A step may run again after a crash, always under the same key.
    keys = {tuple(line.split()) for line in effects_of(effects)}
    assert len(keys) == 2 * KILLS * WORKFLOWS
