"""A worker on a machine that is put to sleep: its database's clock runs with the file named by AHEAD, in hours.

`python -m tests.chaos.suspended_programs URL COUNT` starts COUNT workflows of each kind, and works until it is killed.
Effects are lines in the file named by EFFECTS.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from holdfast import Config, Holdfast, options, recv, sleep, step, step_info, workflow
from tests.chaos.programs import effect

CONFIG = Config(suspend_after=0.1, heartbeat=0.2, lease=2.0, poll=1.0, shutdown_timeout=2.0)
HOUR = 3600.0


def late_clock() -> float:
    """Tell the time, the hours that were slept included."""
    return time.time() + float(Path(os.environ["AHEAD"]).read_text(encoding="utf-8")) * HOUR


@step
def suspended_note(what: str) -> str:
    """Have an effect outside."""
    effect(f"{what} {step_info().idempotency_key}")
    return what


@step
def suspended_dawdle() -> str:
    """Be in the middle of a step when the machine goes to sleep: end when the effects say that others went on."""
    effect(f"dawdle {step_info().idempotency_key}")
    while "napped" not in Path(os.environ["EFFECTS"]).read_text(encoding="utf-8"):
        time.sleep(0.01)
    return "dawdled"


@workflow
def suspended_nap() -> str:
    """Sleep for two hours, then do something."""
    sleep(2 * HOUR)
    return suspended_note("napped")


@workflow
def suspended_wait() -> str:
    """Wait three hours for a message that never comes, then go to sleep for longer than the machine does."""
    assert recv("never", timeout=3 * HOUR) is None
    suspended_note("waited")
    sleep(20 * HOUR)
    return suspended_note("too early")


@workflow
def suspended_work() -> str:
    """Be at work."""
    return suspended_dawdle()


def main() -> None:
    """Launch, start, work."""
    app = Holdfast(sys.argv[1], config=CONFIG)
    app.store.use_clock(late_clock)
    with app:
        for number in range(int(sys.argv[2])):
            options(id=f"nap-{number}").start(suspended_nap)
            options(id=f"wait-{number}").start(suspended_wait)
            options(id=f"work-{number}").start(suspended_work)
        print("started", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
