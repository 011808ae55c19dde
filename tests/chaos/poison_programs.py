"""A worker for many workflows that are well and one that takes its process down each time it runs.

`python -m tests.chaos.poison_programs URL` works until it is killed, by itself or from outside.
"""

from __future__ import annotations

import os
import signal
import sys

from holdfast import Config, Holdfast, sleep, step, workflow

CONFIG = Config(suspend_after=0.1, heartbeat=0.2, lease=2.0, poll=1.0, shutdown_timeout=2.0)


@step
def chaos_well_step(number: int) -> int:
    """Do something that ends."""
    return number


@step
def chaos_poisonous() -> None:
    """End the process without another word."""
    os._exit(9)


@workflow
def chaos_well(number: int) -> int:
    """Pass a step, be away for a moment, pass another."""
    first = chaos_well_step(number)
    sleep(0.3)
    return first + chaos_well_step(0)


@workflow
def chaos_poison() -> None:
    """Take the process down, after all others have begun or before."""
    chaos_poisonous()


def main() -> None:
    """Launch and work."""
    with Holdfast(sys.argv[1], config=CONFIG):
        signal.pause()


if __name__ == "__main__":
    main()
