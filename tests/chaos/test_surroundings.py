"""What goes wrong around a worker: clocks, disks, readers, code that blocks its event loop."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from holdfast import Config, Holdfast, Status, options, sleep, start, step, workflow
from tests.chaos.oracle import audit, check_integrity, create_ledger
from tests.chaos.programs import CONFIG, environment
from tests.helpers import ScriptProcess, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.crash]

WRONG_CLOCK = """
import time
right = time.time
time.time = lambda: right() + {hours} * 3600
from tests.chaos.programs import main
main()
"""


@step
def chaos_note(number: int) -> str:
    """Record something of some size."""
    return str(number) * 2000


@workflow
def chaos_notes(count: int) -> int:
    """Record many things."""
    return sum(len(chaos_note(number)) for number in range(count))


@workflow
def chaos_nap(seconds: float) -> float:
    """Sleep, and say how long it took."""
    sleep(seconds)
    return seconds


@step
async def chaos_block(seconds: float) -> str:
    """Block the event loop, as no coroutine should."""
    time.sleep(seconds)  # noqa: ASYNC251 - that is the fault
    return "blocked"


@workflow
async def chaos_blocked(seconds: float) -> str:
    return await chaos_block(seconds)


@pytest.mark.parametrize("hours", [-1, 1, 8760])
def test_a_worker_whose_clock_is_wrong_takes_nobodys_work_and_wakes_nobody_early(
    postgres_url: str, tmp_path: Path, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite, all workers have one clock: that of the machine."""
    effects = tmp_path / "effects"
    effects.touch()
    create_ledger(postgres_url)
    env = environment(postgres_url, effects)
    for name, value in env.items():
        monkeypatch.setenv(name, value)  # this process takes over what the other leaves
    with Holdfast(postgres_url, config=CONFIG) as app:
        nap = start(chaos_nap, 3.0)
        program = WRONG_CLOCK.format(hours=hours)
        with ScriptProcess(program, arguments=[postgres_url, "r", "5"], env=env) as process:
            process.finish()
        assert nap.result(timeout=30) == 3.0
        slept = app.get_workflow(nap.id)
        assert (slept.finished_at or 0) - slept.created_at >= 3.0
        assert app.engine.lease_losses == 0
        app.admin.delete(nap.id)
    assert audit(postgres_url, {f"r-{number}" for number in range(5)}, effects) == 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a small file system can't be mounted here: that takes root and the right to mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_on_a_full_disk_workflows_wait_and_go_on_once_there_is_room(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'holdfast.db'}"
    with Holdfast(url, config=Config(poll=1.0)) as app:
        ballast = small_disk / "ballast"
        handles = [start(chaos_notes, 20) for _ in range(3)]
        fill(ballast)
        eventually(lambda: app.engine.committer.waits_for_database, timeout=30)
        assert not {Status.FAILED, Status.BLOCKED} & {each.status for each in app.list_workflows()}
        ballast.unlink()
        assert [handle.result(timeout=60) for handle in handles] == [chaos_notes_length(20)] * 3
        assert options(id="late").call(chaos_notes, 1) == chaos_notes_length(1)
    check_integrity(url)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def chaos_notes_length(count: int) -> int:
    """Say what `chaos_notes` returns."""
    return sum(2000 * len(str(number)) for number in range(count))


def test_a_reader_that_keeps_its_snapshot_stops_nobody_and_the_log_shrinks_after_it(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    log = path.with_name(f"{path.name}-wal")
    with Holdfast(sqlite_url) as app:
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM holdfast_workflows").fetchall()
            assert [start(chaos_notes, 60).result(timeout=60) for _ in range(40)]
            grown = log.stat().st_size
        assert app.engine.committer.commits > 2000
    assert grown > 4 << 20
    assert not log.exists() or log.stat().st_size == 0
    check_integrity(sqlite_url)


async def test_a_blocked_event_loop_does_not_cost_the_lease(store_url: str) -> None:
    config = Config(heartbeat=0.2, lease=1.0, poll=1.0)
    other = Holdfast(store_url, config=config)
    await asyncio.to_thread(other.launch)
    async with Holdfast(store_url, config=config) as app:
        handle = app.options(id="blocked")
        assert await (await handle.astart(chaos_blocked, 3.0)).aresult() == "blocked"
        assert app.get_workflow("blocked").epoch == 1
        assert app.engine.lease_losses == 0
    await asyncio.to_thread(other.close)
