"""Who a process is, so that another one can tell whether it is gone: its host, its pid and when it was started.

Linux tells both exactly. Elsewhere the start time is unknown (the empty string), and what can't be told is None.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

_START_TIME = 19
"""Place of the start time in /proc/<pid>/stat, counted from the state that follows the command's name (field 3)."""
_ENDED = frozenset("ZXx")
"""States of a process that has ended and was not collected by its parent yet."""
_STOPPED = frozenset("Tt")


def host_identity() -> str:
    """Name this machine, this boot of it and this pid namespace: where equal, a pid means the same process table."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(_read("/proc/sys/kernel/random/boot_id").strip())
    with suppress(OSError):
        # Two containers on one machine may share the name and the boot, not the pids.
        parts.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - see `_read`
    return "/".join(parts)


def process_started(pid: int) -> str:
    """Read when the kernel started a process (clock ticks since boot); empty if it is gone or nobody can tell."""
    stat = _stat(pid)
    return stat[_START_TIME] if stat is not None else ""


def is_running(pid: int, started: str) -> bool | None:
    """Tell whether the process that had `pid` and start time `started` on this host still runs.

    None if nobody can tell: also of a stopped one (SIGSTOP), which may go on or not.
    """
    if _knows_processes():
        stat = _stat(pid)
        if stat is None or stat[0] in _ENDED:
            return False
        if not started:
            return None  # the pid may have been given to another process since
        if stat[_START_TIME] != started:
            return False
        return None if stat[0] in _STOPPED else True
    return None if _pid_exists(pid) else False


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib takes 5 ms to import
        return file.read()


def _stat(pid: int) -> list[str] | None:
    try:
        text = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    # The command's name stands in parentheses and may contain spaces and parentheses itself.
    return text.rpartition(")")[2].split()


def _knows_processes() -> bool:
    return _stat(os.getpid()) is not None


def _pid_exists(pid: int) -> bool:
    if os.name == "nt":
        return True  # os.kill would end the process there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
