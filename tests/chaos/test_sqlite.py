"""SQLite whose process is killed at a write system call, or whose writes fail, by way of strace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.oracle import audit, create_ledger
from tests.chaos.programs import environment
from tests.helpers import ROOT

pytestmark = [pytest.mark.chaos, pytest.mark.crash]

_CALLS = "pwrite64,fdatasync,ftruncate,unlink"
_ALL = int(os.environ.get("KILLS", "0")) > 20
_PLACES = range(1, 500) if _ALL else (1, 20, 60)


def run_under(strace: str, how: str, url: str, effects: Path) -> tuple[bool, set[str]]:
    """Run a worker that starts one refund; tell whether there was a call to inject the fault at, and what it said."""
    log = effects.with_suffix(".strace")
    command = [strace, "-f", "-qq", "-o", str(log), "-e", f"trace={_CALLS}", "-e", f"inject={_CALLS}:{how}"]
    done = subprocess.run(
        [*command, sys.executable, "-m", "tests.chaos.programs", url, "r", "1"],
        cwd=ROOT,
        env={**os.environ, **environment(url, effects)},
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.splitlines()
    met = done.returncode != 0 or "(INJECTED)" in log.read_text(encoding="utf-8")
    return met, {line.removeprefix("ack ") for line in lines if line.startswith("ack ")}


def sweep(strace: str, fault: str, folder: Path) -> int:
    """Inject the fault at one place after the other, audit each time; return how many there were.

    strace counts the calls of each thread by themselves: a place is that of the first thread that comes so far.
    """
    places = 0
    for place in _PLACES:
        here = folder / str(place)
        here.mkdir()
        url, effects = f"sqlite:///{here / 'holdfast.db'}", here / "effects"
        effects.touch()
        create_ledger(url)
        met, acks = run_under(strace, f"{fault}:when={place}", url, effects)
        places += met
        audit(url, acks, effects)
        if _ALL and not met:
            break
    sys.stdout.write(f"{fault}: {places} places\n")
    return places


@pytest.mark.timeout(3600)
def test_killed_at_a_write_system_call_nothing_is_lost_or_doubled(strace: str, tmp_path: Path) -> None:
    assert sweep(strace, "signal=KILL", tmp_path)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_write_that_fails_is_not_taken_for_done(error: str, strace: str, tmp_path: Path) -> None:
    assert sweep(strace, f"error={error}", tmp_path)
