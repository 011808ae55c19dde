"""The workflows that are killed. Each effect is a row of the application's, or a step whose runs the hook counts."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from typing import Any

from sqlalchemy import text

from holdfast import (
    Tick,
    WorkflowCancelled,
    agather,
    amap,
    arecv,
    arun_step,
    asend,
    aset_event,
    asleep,
    astart,
    awrite_stream,
    close_stream,
    connection,
    gather,
    get_event,
    map,
    on_undo,
    patched,
    recv,
    run_step,
    send,
    set_attributes,
    set_event,
    sleep,
    sql_session,
    start,
    step,
    step_info,
    transaction,
    workflow,
    workflow_id,
    write_stream,
)
from holdfast.approvals import arequest_approval, request_approval


class Refused(Exception):
    """The shop refuses."""


@step
def act(name: str) -> str:
    return f"did {name}"


@step
async def aact(name: str) -> str:
    await asyncio.sleep(0)
    return f"did {name}"


@step(retries=3, backoff=0.01)
def flaky(name: str) -> str:
    if step_info().attempt < 3:
        raise Refused(name)
    return f"did {name} in the end"


@step(retries=3, backoff=0.01)
async def aflaky(name: str) -> str:
    if step_info().attempt < 3:
        raise Refused(name)
    return f"did {name} in the end"


@step
def refuses(name: str) -> str:
    raise Refused(name)


@step(at_most_once=True, check=lambda _name: "transferred")
def transfer(_name: str) -> str:
    return "transferred"


INSERT = {"sqlite": "INSERT INTO effects VALUES (?)", "postgresql": "INSERT INTO effects VALUES (%s)"}


def insert(name: str) -> None:
    connection().execute(INSERT[os.environ["MATRIX_DIALECT"]], (name,))


@transaction
def book(name: str) -> str:
    insert(name)
    return f"booked {name}"


@transaction
async def abook(name: str) -> str:
    insert(name)
    return f"booked {name}"


@transaction
def books_then_fails(name: str) -> str:
    insert(name)
    raise Refused(name)


@transaction(database="other")
def book_elsewhere(name: str) -> str:
    sql_session().execute(text("INSERT INTO effects VALUES (:name)"), {"name": name})
    return f"booked {name} elsewhere"


@workflow
def mx_steps() -> list[str]:
    return [act("one"), act("two"), run_step("three", act.__wrapped__, "three")]  # type: ignore[attr-defined]  # functools.wraps sets it


@workflow
async def mx_asteps() -> list[str]:
    return [await aact("one"), await aact("two"), await arun_step("three", aact.__wrapped__, "three")]  # type: ignore[attr-defined]  # functools.wraps sets it


@workflow
def mx_retries() -> str:
    return flaky("it")


@workflow
async def mx_aretries() -> str:
    return await aflaky("it")


@workflow
def mx_fails() -> str:
    try:
        return refuses("once")
    except Refused:
        book("after a refusal")
    return refuses("twice")


@workflow
def mx_at_most_once() -> list[str]:
    return [transfer("a"), act("b"), transfer("c")]


@workflow
def mx_books() -> list[str]:
    first = book("first")
    act("between")
    try:
        books_then_fails("never")
    except Refused:
        return [first, book("second")]
    return []


@workflow
async def mx_abooks() -> list[str]:
    return [await abook("first"), await aact("between"), await abook("second")]


@workflow
def mx_books_elsewhere() -> list[str]:
    return [book_elsewhere("first"), book("here"), book_elsewhere("second")]


@workflow
def mx_child(name: str) -> str:
    return book(name) + act(name)


@workflow
async def mx_achild(name: str) -> str:
    return await abook(name) + await aact(name)


@workflow
def mx_children() -> list[str]:
    background = start(mx_child, "background")
    called = mx_child("called")
    return [called, background.result()]


@workflow
async def mx_achildren() -> list[str]:
    background = await astart(mx_achild, "background")
    called = await mx_achild("called")
    return [called, await background]


@workflow
def mx_branches() -> list[str]:
    return [*gather(lambda: act("left"), lambda: book("right")), *map(act, ["a", "b", "c"])]


@workflow
async def mx_abranches() -> list[str]:
    return [*await agather(aact("left"), abook("right")), *await amap(aact, ["a", "b", "c"])]


@workflow
def mx_echo(partner: str) -> str:
    for _ in range(3):
        send(partner, {"echo": recv("to-echo")}, topic="from-echo")
    return "echoed"


@workflow
def mx_talks() -> list[Any]:
    echo = start(mx_echo, workflow_id())
    heard = []
    for number in range(3):
        send(echo.id, number, topic="to-echo")
        heard.append(recv("from-echo"))
    return [*heard, echo.result()]


@workflow
async def mx_atalks() -> list[Any]:
    echo = await astart(mx_echo, workflow_id())
    heard = []
    for number in range(3):
        await asend(echo.id, number, topic="to-echo")
        heard.append(await arecv("from-echo"))
    return [*heard, await echo]


@workflow
def mx_listens(count: int) -> list[Any]:
    heard = []
    for _ in range(count):
        heard.append(recv("words"))
        book(f"heard {heard[-1]}")
    return heard


@workflow
def mx_waits_in_vain() -> list[Any]:
    return [recv("nothing", timeout=0.2), act("went on")]


@workflow
def mx_events() -> str:
    set_event("state", "half")
    act("half")
    set_event("state", "done")
    return str(get_event(workflow_id(), "state"))


@workflow
async def mx_streams() -> str:
    for number in range(3):
        await awrite_stream("numbers", number)
    await aset_event("half", value=True)
    await aact("between")
    return "streamed"


@workflow
def mx_ends_its_stream() -> str:
    for number in range(4):
        write_stream("numbers", number)
    close_stream("numbers")
    return "streamed"


@workflow
def mx_sleeps() -> str:
    act("asleep")
    sleep(0.3)
    return book("awake")


@workflow
async def mx_asleeps() -> str:
    await aact("asleep")
    await asleep(0.3)
    return await abook("awake")


@workflow
def mx_waits_for_ever() -> str:
    try:
        return str(recv("never"))
    except WorkflowCancelled:
        book("tidied up")
        raise


@workflow
async def mx_awaits_for_ever() -> str:
    await aact("before")
    await aset_event("is awaiting", value=True)
    try:
        await agather(_awaits_and_tidies_up(), arecv("never"), asyncio.Event().wait())
    finally:
        await abook("the rest")
    return "never"


async def _awaits_and_tidies_up() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await aact("after")
        await abook("tidied up")


def give_back(what: str, name: str) -> None:
    """Take back what was done."""
    assert what == f"took {name}"


@step(undo=give_back)
def take(name: str) -> str:
    return f"took {name}"


@workflow
def mx_undoes() -> str:
    take("flight")
    take("hotel")
    on_undo(act, "by hand")
    return refuses("car")


@workflow
def mx_queued(name: str) -> str:
    return book(name)


@workflow
def mx_ticks(tick: Tick) -> str:
    return book(f"tick {tick.at:%H:%M}")


@workflow
def mx_patched() -> list[str]:
    first = act("first")
    return [first, act("new")] if patched("2") else [first]


@workflow
def mx_marks() -> str:
    set_attributes(customer=7, stage="begun")
    act("marked")
    set_attributes(stage="done")
    return "marked"


@workflow
def mx_asks() -> str:
    decision = request_approval("Refund order 42", {"Amount": "1,299.00"}, to="manager@example.com")
    book("refund" if decision.approved else "refusal")
    return f"{decision.status} by {decision.decided_by}"


@workflow
async def mx_aasks() -> str:
    decision = await arequest_approval("Refund order 42", {"Amount": "1,299.00"}, to="manager@example.com")
    return f"{decision.status} by {decision.decided_by}"


@workflow
def mx_cleans_up() -> str:
    try:
        return str(recv("word"))
    finally:
        act("cleaned")
        book("cleaned")


@workflow
async def mx_acleans_up() -> str:
    try:
        return str(await arecv("word"))
    finally:
        await aact("cleaned")
        await abook("cleaned")


def at(minute: int) -> datetime:
    """Return a moment long past, in whose neighbourhood a schedule is backfilled."""
    return datetime.fromisoformat("2026-01-05T12:00:00+00:00").replace(minute=minute)
