"""The power fails while SQLite writes: all that was acknowledged is there, and the rest is done once.

The same log of system calls tells what a kill leaves between any two of them, which no sweep with signals reaches: they
are counted per thread.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.oracle import audit, create_ledger
from tests.chaos.power import Call, Disk, record
from tests.chaos.programs import environment

pytestmark = pytest.mark.crash

_ALL = int(os.environ.get("KILLS", "0")) > 20
REFUNDS = 3
TORN = 8 if _ALL else 2
"""How many of the ways in which writes may be kept in part are tried, of each moment."""


def recorded(strace: str, folder: Path) -> tuple[Disk, list[Call]]:
    """Return the files as they were before the process, and all that it did to them."""
    folder.mkdir()
    url, effects = f"sqlite:///{folder / 'holdfast.db'}", folder / "effects"
    create_ledger(url)
    effects.touch()
    before = {str(each): each.read_bytes() for each in folder.iterdir()}
    arguments = [url, str(REFUNDS)]
    calls = record(strace, "tests.chaos.power_program", arguments, env=environment(url, effects), folder=folder)
    return Disk(before), calls


def hold_to_it(files: dict[str, bytes], printed: list[str], folder: Path) -> None:
    """Put files in a folder, go on with them, and compare with what the process has said."""
    folder.mkdir()
    for path, content in files.items():
        (folder / Path(path).name).write_bytes(content)
    database = folder / "holdfast.db"
    done = {line.removeprefix("done ") for line in printed if line.startswith("done ")}
    assert done <= succeeded(database), "an acknowledged outcome was lost"
    acknowledged = {line.removeprefix("ack ") for line in printed if line.startswith("ack ")}
    audit(f"sqlite:///{database}", acknowledged, folder / "effects")
    shutil.rmtree(folder)


def succeeded(database: Path) -> set[str]:
    """Read which workflows have succeeded, before anybody goes on with them."""
    with closing(sqlite3.connect(database)) as file:
        if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'holdfast_workflows'").fetchall():
            return set()
        query = "SELECT id FROM holdfast_workflows WHERE status = 'succeeded'"
        return {workflow_id for (workflow_id,) in file.execute(query)}


def moments(disk: Disk, calls: list[Call]) -> Iterator[tuple[int, Call]]:
    """Carry out one call after the other, and stop behind each."""
    for place, call in enumerate(calls):
        disk.take(call)
        yield place, call


def test_when_the_power_fails_behind_an_acknowledgement_nothing_acknowledged_is_lost(
    strace: str, tmp_path: Path
) -> None:
    disk, calls = recorded(strace, tmp_path / "original")
    said = 0
    for place, call in moments(disk, calls):
        if call.name == "print" and call.data.strip():
            said += 1
            hold_to_it(disk.cut_off(), disk.printed, tmp_path / str(place))
    assert said == 2 * REFUNDS
    copied = [place for place, call in enumerate(calls) if call.name == "write" and call.path.endswith("holdfast.db")]
    assert any(calls[place].path.endswith("-wal") for place in range(copied[0], copied[-1])), "copied back in between"


@pytest.mark.chaos
def test_a_process_that_did_not_sync_would_be_found_out(strace: str, tmp_path: Path) -> None:
    disk, calls = recorded(strace, tmp_path / "original")
    folders = (tmp_path / str(place) for place in range(len(calls)))

    def look() -> None:
        for _, call in moments(disk, [call for call in calls if call.name != "sync"]):
            if call.name == "print":
                hold_to_it(disk.cut_off(), disk.printed, next(folders))

    with pytest.raises(AssertionError, match="acknowledged"):
        look()


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_when_the_power_fails_at_any_write_nothing_acknowledged_is_lost(strace: str, tmp_path: Path) -> None:
    disk, calls = recorded(strace, tmp_path / "original")
    images = 0
    for place, call in moments(disk, calls):
        if call.name not in {"write", "truncate", "unlink", "sync"} or not (_ALL or place % 25 == 0):
            continue
        chance = random.Random(place)
        for number, files in enumerate((disk.cut_off(), *(disk.torn(chance) for _ in range(TORN)))):
            hold_to_it(files, disk.printed, tmp_path / f"{place}-{number}")
            images += 1
    assert images
    sys.stdout.write(f"{images} power failures at {len(calls)} calls\n")


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_killed_between_any_two_writes_nothing_is_lost_or_doubled(strace: str, tmp_path: Path) -> None:
    disk, calls = recorded(strace, tmp_path / "original")
    places = 0
    for place, call in moments(disk, calls):
        if call.name in {"write", "truncate", "unlink"} and (_ALL or place % 25 == 0):
            hold_to_it(disk.killed(), disk.printed, tmp_path / str(place))
            places += 1
    assert places
    sys.stdout.write(f"killed at {places} places\n")
