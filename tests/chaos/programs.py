"""The worker that the chaos tests run in processes of its own, and break.

`python -m tests.chaos.programs URL PREFIX COUNT` launches the application, starts COUNT refunds under ids that begin
with PREFIX, prints `ack ID` once the start of each is acknowledged, and then works until it is killed, or until it is
told on its standard input to stop; with a COUNT of 0 it is not told. Effects outside of the database are lines in the
file named by EFFECTS.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from holdfast import (
    Config,
    Holdfast,
    connection,
    options,
    recv,
    send,
    set_event,
    start,
    step,
    step_info,
    transaction,
    workflow,
    workflow_id,
    write_stream,
)
from holdfast.testing.failpoints import from_environment

# Workers die by the hundred here, and no workflow is to blame for it: none is set aside.
CONFIG = Config(suspend_after=0.2, heartbeat=0.2, lease=2.0, poll=1.0, shutdown_timeout=2.0, crash_limit=100_000)


def effect(line: str) -> None:
    """Append a line to a file, and see it on the disk."""
    descriptor = os.open(os.environ["EFFECTS"], os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@transaction
def chaos_pay(refund: str) -> None:
    """Pay in the ledger; a second payment would be a second row."""
    mark = "?" if os.environ["STORE"] == "sqlite" else "%s"
    connection().cursor().execute(f"INSERT INTO ledger VALUES ({mark})", (refund,))


@step
def chaos_tell(refund: str) -> str:
    """Have an effect outside, which may come again under the same key only."""
    effect(f"{refund} {step_info().idempotency_key}")
    return refund


@workflow
def chaos_clerk() -> list[str]:
    """Take two messages, in their order."""
    return [recv("papers"), recv("papers")]


@workflow
def chaos_refund(refund: str) -> list[str]:
    """Use each kind of write once: transaction, step, child, message, event, stream."""
    clerk = start(chaos_clerk)
    send(clerk.id, "first", topic="papers")
    chaos_pay(refund)
    write_stream("log", "paid")
    chaos_tell(refund)
    send(clerk.id, "second", topic="papers")
    set_event("state", workflow_id())
    write_stream("log", "told")
    return clerk.result()


def main() -> None:
    """Launch, start what was asked for, work until the end of the standard input."""
    url, prefix, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    from_environment()
    with Holdfast(url, config=CONFIG):
        print("launched", flush=True)
        for number in range(count):
            refund = f"{prefix}-{number}"
            options(id=refund).start(chaos_refund, refund)
            # In one piece: a process that dies between two would acknowledge something else.
            print(f"ack {refund}", flush=True)
        print("started", flush=True)
        if not count:
            signal.pause()
        sys.stdin.read()


def environment(url: str, effects: Path) -> dict[str, str]:
    """Return what the worker wants to find in its environment."""
    return {"EFFECTS": str(effects), "STORE": url.partition(":")[0].removesuffix("ql")}


if __name__ == "__main__":
    main()
