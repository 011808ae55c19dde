"""Processes that die at a chosen pass of a failpoint, and leave a log of all passes before."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from holdfast.runtime.context import StepInfo

Pass = tuple[str, int]
"""A label, and which time it is passed, from 1."""

RARELY = frozenset(
    {"Heartbeat", "Register", "TakeOver", "DeclareQueue", "TakeDuty", "heartbeat.before", "heartbeat.after"}
)
"""What every process passes again and again, or at its launch: it is killed at the first pass only."""


class Reaper:
    """A hook for `failpoints`: logs each pass, and kills this process with SIGKILL at one of them."""

    def __init__(self, log: Path, kill_at: Pass | None) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._kill_at = kill_at
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, point: str, about: Any) -> None:
        key = about.idempotency_key if isinstance(about, StepInfo) else ""
        with self._lock:
            for label in labels(point, about):
                self._counts[label] += 1
                os.write(self._log, f"{label}\t{key}\n".encode())
                if (label, self._counts[label]) == self._kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)


def labels(point: str, about: Any) -> Sequence[str]:
    """Name a pass: commits by each kind of write that is in them, all else by the point alone."""
    if not point.startswith("commit.") or about is None:
        return [point]
    return sorted({f"{point} {type(write).__name__}" for unit in about for write in unit.writes})


def read_log(log: Path) -> list[tuple[str, str]]:
    """Return the passes in order: label and idempotency key."""
    return [(label, key) for label, _, key in (line.partition("\t") for line in log.read_text().splitlines())]


def choose_passes(counts: Counter[str], *, most: int) -> list[Pass]:
    """Return at which passes to kill, given how often each label is passed: of one label at most `most`."""
    chosen: list[Pass] = []
    for label, count in sorted(counts.items()):
        limit = 1 if label.rpartition(" ")[2] in RARELY else most
        numbers = range(1, count + 1) if count <= limit else [*range(1, limit), count if limit > 1 else 1]
        chosen += [(label, number) for number in numbers]
    return chosen


def in_child(work: Callable[[], object], *, may_die: bool = False, patience: float = 90.0) -> bool:
    """Do something in a forked process; tell whether it lived to its end, or was killed, which it must be allowed to.

    This process must have no threads. Raises `AssertionError` for a process that failed, or that had not ended after
    `patience` seconds.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - it ends here, whatever it was
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    deadline = time.monotonic() + patience
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"it had not ended after {patience:g} s")
        time.sleep(0.005)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and may_die:
        return False
    if os.waitstatus_to_exitcode(status) != 0:
        raise AssertionError("a process failed; its error is above")
    return True
