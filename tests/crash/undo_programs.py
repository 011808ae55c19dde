"""Programs that are killed while they undo what they did, or clean up after their cancellation.

`python -m tests.crash.undo_programs URL WORKFLOW` launches the application, starts the workflow once as `main`
and prints how it ended.
"""

from __future__ import annotations

import asyncio
import sys

from holdfast import (
    Holdfast,
    WorkflowCancelled,
    agather,
    connection,
    on_undo,
    options,
    recv,
    step,
    transaction,
    workflow,
)
from holdfast.errors import WorkflowWasCancelled
from tests.crash.programs import CONFIG, act, crash_once, effect


class Full(Exception):
    """There is no room."""


def take_back(what: str, _name: str) -> None:
    """Have an effect, then perhaps die before the outcome is recorded."""
    crash_once(f"before-undo-{what}")
    effect(f"undo-{what}")
    crash_once(f"after-undo-{what}")


@step(undo=take_back)
def do(name: str) -> str:
    effect(name)
    return name


async def atake_back(what: str, name: str) -> None:
    take_back(what, name)


@step(undo=atake_back)
async def ado(name: str) -> str:
    effect(name)
    return name


def unbook(_count: int) -> None:
    """Take back one of the bookings."""
    cursor = connection().cursor()
    crash_once("before-unbook")
    cursor.execute("INSERT INTO bookings VALUES (-1)")
    crash_once("after-unbook")


@transaction(undo=unbook)
def book() -> int:
    cursor = connection().cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS bookings (change INTEGER)")
    cursor.execute("INSERT INTO bookings VALUES (1)")
    return 1


def tell_about_it(whom: str) -> None:
    effect(f"told-{whom}")


@workflow
def fails() -> None:
    do("one")
    on_undo(tell_about_it, "them")
    do("two")
    do("three")
    crash_once("end")
    raise Full("no room")


@workflow
async def afails() -> None:
    await agather(ado("one"), ado("two"))
    on_undo(tell_about_it, "them")
    await ado("three")
    crash_once("end")
    raise Full("no room")


@workflow
def unbooks() -> None:
    book()
    do("one")
    raise Full("no room")


@transaction
def balance() -> list[int]:
    cursor = connection().cursor()
    cursor.execute("SELECT change FROM bookings ORDER BY change")
    return [change for (change,) in cursor.fetchall()]


@workflow
def cleans_up() -> None:
    """Be cancelled by a deadline, and clean up in two durable steps."""
    do("one")
    try:
        recv("never")
    except WorkflowCancelled:
        act("clean-1")
        crash_once("between")
        act("clean-2")
        raise


def main() -> None:
    """Launch, start what was asked for, print how it ended."""
    url, name = sys.argv[1:3]
    with Holdfast(url, config=CONFIG):
        timeout = 0.3 if name == "cleans_up" else None
        handle = options(id="main", timeout=timeout).start(globals()[name])
        try:
            handle.result(timeout=60)
        except (Full, WorkflowWasCancelled) as error:
            print("ended", type(error).__name__, str(error), getattr(error, "__notes__", [""])[0], flush=True)
        if name == "unbooks":
            print("balance", balance(), flush=True)


async def amain() -> None:
    """Do the same on an event loop."""
    url, name = sys.argv[1:3]
    async with Holdfast(url, config=CONFIG):
        handle = await options(id="main").astart(globals()[name])
        try:
            await handle.aresult(timeout=60)
        except Full as error:
            print("ended", type(error).__name__, str(error), error.__notes__[0], flush=True)


if __name__ == "__main__":
    if asyncio.iscoroutinefunction(globals()[sys.argv[2]]):
        asyncio.run(amain())
    else:
        main()
