"""SQLite whose process is killed at a write system call, or whose writes fail, by way of strace."""

from __future__ import annotations

import os
import shutil
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


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        pytest.skip("no strace here: apt-get install strace")
    return found


def run_under(strace: str, how: str, url: str, effects: Path) -> tuple[int, set[str]]:
    """Run a worker that starts one refund, with the fault injected; return its exit code and what it acknowledged."""
    command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={_CALLS}", "-e", f"inject={_CALLS}:{how}"]
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
    return done.returncode, {line.removeprefix("ack ") for line in lines if line.startswith("ack ")}


def sweep(strace: str, fault: str, folder: Path) -> list[int]:
    """Inject the fault at one place after the other, audit each time; return the exit codes."""
    codes: list[int] = []
    for place in _PLACES:
        here = folder / str(place)
        here.mkdir()
        url, effects = f"sqlite:///{here / 'holdfast.db'}", here / "effects"
        effects.touch()
        create_ledger(url)
        code, acks = run_under(strace, f"{fault}:when={place}", url, effects)
        codes.append(code)
        audit(url, acks, effects)
        if _ALL and code == 0:
            break
    return codes


@pytest.mark.timeout(3600)
def test_killed_at_a_write_system_call_nothing_is_lost_or_doubled(strace: str, tmp_path: Path) -> None:
    codes = sweep(strace, "signal=KILL", tmp_path)
    assert codes[0] != 0, "the first of them was to kill"
    sys.stdout.write(f"killed at {sum(code != 0 for code in codes)} places\n")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_write_that_fails_is_not_taken_for_done(error: str, strace: str, tmp_path: Path) -> None:
    sweep(strace, f"error={error}", tmp_path)
