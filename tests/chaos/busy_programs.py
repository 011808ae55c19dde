"""A worker that is too busy for its heartbeat: one call of C code keeps the interpreter's lock until it is told to end.

`python -m tests.chaos.busy_programs URL` starts the workflow `busy` and prints its result. The fifo named by FIFO keeps
the step of this process waiting; without it the step ends at once.
"""

from __future__ import annotations

import ctypes
import os
import sys

from holdfast import Config, Holdfast, options, step, workflow

CONFIG = Config(suspend_after=0.2, heartbeat=0.2, lease=1.0, poll=1.0, shutdown_timeout=2.0)


@step
def chaos_hold_lock() -> int:
    """Keep all Python code of this process from running, and say which process it was."""
    if fifo := os.environ.get("FIFO"):
        sys.stdout.write("holding\n")
        sys.stdout.flush()
        # A PyDLL does not release the lock around its calls, and this one returns when somebody opens the other end.
        libc = ctypes.PyDLL(None)
        libc.close(libc.open(os.fsencode(fifo), os.O_RDONLY))
    return os.getpid()


@step
def chaos_after_holding() -> int:
    """Say which process comes behind it."""
    return os.getpid()


@workflow
def chaos_busy() -> list[int]:
    """Hold the lock, then do something else."""
    return [chaos_hold_lock(), chaos_after_holding()]


def main() -> None:
    """Launch, start, print."""
    with Holdfast(sys.argv[1], config=CONFIG):
        handle = options(id="busy").start(chaos_busy)
        sys.stdout.write(f"result {handle.result(timeout=60)}\n")


if __name__ == "__main__":
    main()
