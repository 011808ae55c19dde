"""Workers that stand still, or are cut off, for longer than their lease: what they do then does not count."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import Holdfast
from tests.chaos.oracle import audit, create_ledger, finish_all
from tests.chaos.programs import CONFIG, environment
from tests.chaos.proxy import ChaosProxy
from tests.helpers import ScriptProcess, eventually

pytestmark = pytest.mark.crash

PROGRAM = "import sys; from tests.chaos.programs import main; main()"
SAMPLE = {"claim.loaded"}
POINTS = [
    "commit.before",
    "commit.after",
    "step.before",
    "step.after",
    "transaction.before",
    "transaction.after",
    "claim.after",
    "claim.loaded",
    "suspend.before",
    "workflow.before",
    "workflow.after",
    "heartbeat.before",
]
"""Where nothing is locked: a process that stands still inside an SQLite transaction keeps everybody from writing."""


def is_stopped(pid: int) -> bool:
    """Tell whether a process stands still."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def zombie(url: str, effects: Path, failpoints: str) -> ScriptProcess:
    """Start a worker that stops itself."""
    env = {**environment(url, effects), "HOLDFAST_TESTING": "1", "HOLDFAST_FAILPOINTS": failpoints}
    return ScriptProcess(PROGRAM, arguments=[url, "r", "3"], env=env)


@pytest.mark.parametrize(
    "point", [pytest.param(each, marks=() if each in SAMPLE else pytest.mark.chaos) for each in POINTS]
)
def test_a_worker_that_stands_still_is_taken_over_and_writes_nothing_when_it_goes_on(
    store_url: str, tmp_path: Path, point: str
) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    create_ledger(store_url)
    with zombie(store_url, effects, f"{point}=stop@2:ever") as process:
        eventually(lambda: is_stopped(process.pid), timeout=30)
        finish_all(store_url, effects)
        process.unpause()
        process.wait_for_line("started")
        process.finish()
    assert audit(store_url, {f"r-{number}" for number in range(3)}, effects) == 3


@pytest.mark.chaos
def test_a_worker_that_stands_still_inside_a_transaction_holds_nobody_up_on_postgresql(
    postgres_url: str, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    create_ledger(postgres_url)
    with zombie(postgres_url, effects, "transaction.ran=stop@2:ever") as process:
        eventually(lambda: is_stopped(process.pid), timeout=30)
        finish_all(postgres_url, effects)
        process.unpause()
        process.wait_for_line("started")
        process.finish()
    assert audit(postgres_url, {f"r-{number}" for number in range(3)}, effects) == 3


@pytest.mark.chaos
def test_a_worker_that_is_cut_off_for_longer_than_its_lease_goes_on_as_a_new_one(
    postgres_url: str, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    create_ledger(postgres_url)
    proxy = ChaosProxy(postgres_url)
    try:
        env = environment(postgres_url, effects)
        with ScriptProcess(PROGRAM, arguments=[proxy.url, "r", "3"], env=env) as process:
            process.wait_for_line("ack r-0")
            proxy.fall_silent()
            with Holdfast(postgres_url, config=CONFIG) as app:
                mine = app.engine.worker_id
                eventually(lambda: [each.worker_id for each in app.store.workers()] == [mine], timeout=30)
            finish_all(postgres_url, effects)
            proxy.speak()
            process.wait_for_line("started")
            process.finish()
    finally:
        proxy.close()
    assert audit(postgres_url, {f"r-{number}" for number in range(3)}, effects) == 3
