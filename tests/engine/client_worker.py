"""A worker in a process of its own, whose workflows a client starts by name: `client_worker.py URL`."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from decimal import Decimal

from holdfast import Config, Holdfast, recv, set_event, workflow, write_stream


class Refused(Exception):
    """An error that the client's program does not have."""


@dataclass
class Done:
    """A type that the client's program does not have."""

    number: int
    total: Decimal
    word: str
    pid: int


@workflow(name="client_worker.order")
def order(number: int, price: Decimal) -> Done:
    """Wait for a word, so that the client can say it."""
    if number < 0:
        raise Refused(f"no order {number}")
    set_event("accepted", number)
    write_stream("log", "accepted")
    word = recv("word", timeout=60)
    write_stream("log", "done")
    return Done(number, price * number, word, os.getpid())


if __name__ == "__main__":
    sys.modules["client_worker"] = sys.modules["__main__"]
    Refused.__module__ = "client_worker"
    with Holdfast(sys.argv[1], config=Config(suspend_after=0.2, heartbeat=0.2, lease=2.0)):
        print("ready")
        threading.Event().wait()
