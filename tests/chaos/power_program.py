"""The process whose power fails: `python -m tests.chaos.power_program URL COUNT` pays COUNT refunds, one by one.

It prints `ack ID` once the start of one is acknowledged, and `done ID` once it has its result.
"""

from __future__ import annotations

import sys

from holdfast import Holdfast, options
from holdfast.store.sqlite import writer
from tests.chaos.programs import CONFIG, chaos_refund


def main() -> None:
    """Launch, pay, close."""
    # So that the log is copied back and begun anew in the middle of it, several times.
    writer.CHECKPOINT_PAGES = 40
    with Holdfast(sys.argv[1], config=CONFIG):
        for number in range(int(sys.argv[2])):
            refund = f"r-{number}"
            handle = options(id=refund).start(chaos_refund, refund)
            print(f"ack {refund}", flush=True)
            handle.result(30)
            print(f"done {refund}", flush=True)


if __name__ == "__main__":
    main()
