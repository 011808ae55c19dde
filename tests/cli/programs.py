"""The application that the command line's tests run, in this process and in others."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from holdfast import Config, Holdfast, asleep, gather, recv, set_attributes, sleep, step, workflow
from holdfast.approvals import Approvals, LogDelivery, request_approval


@dataclass
class Decision:
    approved: bool
    by: str


@step
def pay(order_id: int) -> str:
    return f"payment for {order_id}"


@workflow
def add(left: int, right: int = 1) -> int:
    return left + right


@workflow
def refund(order_id: int) -> str:
    decision = recv("decision", timeout=86_400, type=Decision)
    if decision is None or not decision.approved:
        return "not refunded"
    gather(lambda: pay(order_id), lambda: pay(order_id + 1))
    add(1)
    return pay(order_id)


@step
def refuse(what: str) -> str:
    raise ValueError(what)


@workflow
def fails(what: str) -> str:
    return refuse(what)


@workflow
def waits(topic: str) -> str:
    return str(recv(topic))


@workflow
def sleeps(seconds: float) -> str:
    sleep(seconds)
    return "slept"


@workflow
async def asleeps(seconds: float) -> str:
    await asleep(seconds)
    return "slept"


@workflow
def asks(subject: str) -> str:
    return request_approval(subject, {"what": subject}, to="boss@example.org", timeout=3600).status


@step
def write_slowly(path: str, seconds: float) -> str:
    """Say that it has begun, take its time, say that it has ended."""
    with Path(path).open("a", encoding="utf-8") as file:
        print("begun", file=file, flush=True)
        time.sleep(seconds)
        print("ended", file=file, flush=True)
    return "written"


@workflow
def writes(path: str, seconds: float) -> str:
    return write_slowly(path, seconds)


@step
def look_up(name: str) -> int:
    return len(name)


@workflow
def labels(name: str, factor: int = 1) -> int:
    """Set attributes, and multiply what a step found."""
    set_attributes(customer=name, vip=True)
    return look_up(name) * factor


@step
def check_stamp(path: str) -> str:
    if not Path(path).exists():
        raise ValueError("there is no stamp")
    return "stamped"


@workflow
def needs_stamp(path: str) -> str:
    look_up(path)
    return check_stamp(path)


@step
def die(path: str) -> str:
    """Kill this process, once."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@workflow
def kills(path: str) -> str:
    return die(path)


CONFIG = Config(suspend_after=0.05, poll=1.0, heartbeat=0.2, lease=2.0, shutdown_timeout=10.0)

app = Holdfast(os.environ.get("HOLDFAST_URL", "sqlite://"), config=CONFIG)
Approvals(app, delivery=LogDelivery(), base_url="https://example.org/approvals")


def make_app() -> Holdfast:
    return Holdfast(os.environ["HOLDFAST_URL"], config=CONFIG)


not_an_app = 42
