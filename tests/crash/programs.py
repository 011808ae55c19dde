"""Programs that the crash tests run in processes of their own, and kill.

`python -m tests.crash.programs URL WORKFLOW` launches the application, starts the workflow once under the id `main` and
prints its result. Effects are lines appended to the file named by EFFECTS, each flushed before the call returns.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from holdfast import (
    Config,
    Holdfast,
    Queue,
    agather,
    asleep,
    connection,
    gather,
    get_event,
    options,
    recv,
    send,
    set_event,
    sleep,
    start,
    step,
    step_info,
    transaction,
    workflow,
    workflow_id,
    write_stream,
)
from holdfast.errors import StepOutcomeUnknown

CONFIG = Config(suspend_after=0.2, heartbeat=0.2, lease=2.0, poll=1.0, shutdown_timeout=1.0)


def effect(line: str) -> None:
    """Do something that can't be undone: append a line to a file."""
    with Path(os.environ["EFFECTS"]).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())


def crash_once(point: str) -> None:
    """Kill this process with SIGKILL if CRASH names this point and it has not happened before."""
    if os.environ.get("CRASH") != point:
        return
    done = Path(f"{os.environ['EFFECTS']}.{point}")
    if not done.exists():
        done.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@step
def act(name: str) -> str:
    """Have an effect, then perhaps die before the outcome is recorded."""
    crash_once(f"before-{name}")
    effect(f"{name} {step_info().idempotency_key}")
    crash_once(f"after-{name}")
    return name


@step
async def aact(name: str) -> str:
    return act(name)


@transaction
def book(name: str) -> int:
    cursor = connection().cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS bookings (id INTEGER, name TEXT)")
    crash_once(f"before-{name}")
    cursor.execute("INSERT INTO bookings VALUES (1, 'x')")
    crash_once(f"after-{name}")
    cursor.execute("SELECT count(*) FROM bookings")
    return int(cursor.fetchone()[0])


@workflow
def steps() -> list[str]:
    one = act("one")
    crash_once("between")
    two = act("two")
    crash_once("end")
    return [one, two]


@workflow
async def asteps() -> list[str]:
    one = await aact("one")
    crash_once("between")
    two = await aact("two")
    crash_once("end")
    return [one, two]


@workflow
def books() -> int:
    first = book("booking")
    crash_once("between")
    return first


@workflow
def acts(name: str) -> str:
    return act(name)


@workflow
def has_children() -> list[str]:
    handle = start(acts, "background")
    crash_once("between")
    return [acts("called"), handle.result()]


@workflow
def parallel() -> list[str]:
    return gather(lambda: act("left"), lambda: act("right"))


@workflow
async def aparallel() -> list[str]:
    return await agather(aact("left"), aact("right"))


@workflow
def listener() -> list[str]:
    return [recv("t"), recv("t")]


@workflow
def talks() -> list[str]:
    handle = start(listener)
    send(handle.id, "a", topic="t")
    crash_once("between")
    send(handle.id, "b", topic="t")
    return list(handle.result())


@workflow
def naps() -> str:
    sleep(0.5)
    crash_once("between")
    act("slept")
    return "awake"


@workflow
async def anaps() -> str:
    await asleep(0.5)
    crash_once("between")
    await aact("slept")
    return "awake"


@workflow
def publishes() -> str:
    for number in range(3):
        write_stream("numbers", number)
    set_event("state", "half")
    crash_once("between")
    act("published")
    for number in range(3, 6):
        write_stream("numbers", number)
    set_event("state", "done")
    return workflow_id()


@step
def dawdle() -> str:
    effect(f"slow {step_info().idempotency_key}")
    time.sleep(1.5)  # long enough for another process to look at this one's work
    return "slept"


@workflow
def slow() -> str:
    return dawdle()


@step(at_most_once=True)
def transfer() -> str:
    return act("transfer")


@workflow
def transfers() -> str:
    try:
        return transfer()
    except StepOutcomeUnknown as error:
        return f"unknown: {error.step}"


def look_it_up() -> str:
    return "found it done"


@step(at_most_once=True, check=look_it_up)
def checked_transfer() -> str:
    return act("transfer")


@workflow
def transfers_with_a_check() -> str:
    return checked_transfer()


@workflow
def idles() -> str:
    """Pass a step, then do nothing durable for longer than a heartbeat, then die."""
    act("early")
    time.sleep(1.0)
    crash_once("idle")
    return "done"


@transaction
def create_ledger() -> None:
    connection().cursor().execute("CREATE TABLE ledger (name TEXT)")


@transaction
def pay_in(name: str) -> None:
    cursor = connection().cursor()
    cursor.execute(f"INSERT INTO ledger VALUES ({placeholder()})", (name,))


def placeholder() -> str:
    return "?" if "sqlite" in os.environ.get("STORE", "sqlite") else "%s"


@workflow
def pays(name: str) -> str:
    act(f"{name}-a")
    pay_in(name)
    return act(f"{name}-b")


@workflow
def greets() -> str:
    return f"hello {recv('name')}"


LIMITED = Queue("limited", concurrency=4, worker_concurrency=2)


@step
def be_busy(name: str) -> None:
    """Say when it begins and ends, in this process."""
    effect(f"begin {name} {os.getpid()} {time.time()}")
    time.sleep(0.05)
    effect(f"end {name} {os.getpid()} {time.time()}")


@workflow
def busy(name: str) -> None:
    be_busy(name)


@workflow
def poison() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@workflow
def converses() -> str:
    """Get one exchange further in each life, without any step."""
    for number in range(5):
        set_event(f"said-{number}", number)
        get_event(workflow_id(), f"said-{number}")
        crash_once(f"life-{number}")
    return "all said"


@workflow
def innocent() -> str:
    sleep(3)
    return "fine"


def main() -> None:
    """Launch, start what was asked for, print what it returned."""
    url, name = sys.argv[1:3]
    with Holdfast(url, config=CONFIG):
        print("launched", flush=True)
        print("result", options(id="main").start(globals()[name]).result(timeout=60), flush=True)


async def amain() -> None:
    """Do the same on an event loop."""
    url, name = sys.argv[1:3]
    async with Holdfast(url, config=CONFIG):
        print("launched", flush=True)
        handle = await options(id="main").astart(globals()[name])
        print("result", await handle.aresult(timeout=60), flush=True)


if __name__ == "__main__":
    if asyncio.iscoroutinefunction(globals()[sys.argv[2]]):
        asyncio.run(amain())
    else:
        main()
