"""Workers that stand still, or are cut off, for longer than their lease: what they do then does not count."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import Client, Holdfast
from holdfast.api.decorators import definition_of
from tests.chaos.oracle import audit, create_ledger, finish_all, paid
from tests.chaos.programs import CONFIG, chaos_refund, environment
from tests.helpers import ScriptProcess, eventually
from tests.postgres_proxy import PostgresProxy

pytestmark = pytest.mark.crash

PROGRAM = "import sys; from tests.chaos.programs import main; main()"
POINTS = [
    "claim.loaded",
    "claim.after",
    "commit.before",
    "commit.after",
    "step.before",
    "step.after",
    "transaction.before",
    "transaction.ran",
    "transaction.after",
    "workflow.before",
    "workflow.after",
    "heartbeat.before",
]


def is_stopped(pid: int) -> bool:
    """Tell whether a process stands still."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def zombie(url: str, effects: Path, failpoints: str) -> ScriptProcess:
    """Start a worker that stops itself, and works until it is killed."""
    env = {**environment(url, effects), "HOLDFAST_TESTING": "1", "HOLDFAST_FAILPOINTS": failpoints}
    return ScriptProcess(PROGRAM, arguments=[url, "r", "0"], env=env)


@pytest.mark.parametrize(
    "point", [pytest.param(each, marks=() if each == POINTS[0] else pytest.mark.chaos) for each in POINTS]
)
def test_a_worker_that_stands_still_is_taken_over_and_writes_nothing_when_it_goes_on(
    postgres_url: str, tmp_path: Path, point: str
) -> None:
    place = 1 if point.startswith("claim") else 2
    stand_still(postgres_url, tmp_path / "effects", f"{point}=stop@{place}:ever", count=6)


@pytest.mark.chaos
@pytest.mark.parametrize("point", ["claim.loaded", "workflow.before", "step.before", "step.after", "workflow.after"])
def test_a_worker_that_stands_still_outside_of_a_transaction_is_taken_over_on_sqlite(
    sqlite_url: str, tmp_path: Path, point: str
) -> None:
    """In one it would keep everybody from writing until it goes on or dies: so there is one workflow only."""
    stand_still(sqlite_url, tmp_path / "effects", f"{point}=stop@1:ever", count=1)


def stand_still(url: str, effects: Path, failpoints: str, *, count: int) -> None:
    """Let a worker stop at a point, another one end all, and the first go on; then audit."""
    effects.touch()
    create_ledger(url)
    started_by_name(url, "before", count)
    with zombie(url, effects, failpoints) as process:
        eventually(lambda: is_stopped(process.pid), timeout=30)
        finish_all(url, effects)
        process.unpause()
        with Client(url) as client:
            store = client.engine.store
            eventually(lambda: any(each.pid == process.pid for each in store.workers()), timeout=30)
        # Whatever it still tried under its old name was tried by the time it has done this.
        started_by_name(url, "after", 1)
        eventually(lambda: paid(url)["after-0"], timeout=30)
    everybody = {*(f"before-{number}" for number in range(count)), "after-0"}
    assert audit(url, everybody, effects) == count + 1


def started_by_name(url: str, prefix: str, count: int) -> None:
    """Start refunds that any worker may take."""
    with Client(url) as client:
        for number in range(count):
            client.options(id=f"{prefix}-{number}").start(definition_of(chaos_refund).name, f"{prefix}-{number}")


@pytest.mark.chaos
def test_a_worker_that_is_cut_off_for_longer_than_its_lease_goes_on_as_a_new_one(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    create_ledger(postgres_url)
    env = environment(postgres_url, effects)
    for name, value in env.items():
        monkeypatch.setenv(name, value)  # this process takes over what the other leaves
    proxy = PostgresProxy(postgres_url)
    try:
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
