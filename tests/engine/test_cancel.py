"""Cancellation: seen at the next durable operation, by children too, cleaned up after, replayed the same."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from holdfast import (
    Holdfast,
    Status,
    WorkflowCancelled,
    agather,
    aget_event,
    arecv,
    asend,
    astart,
    branch,
    gather,
    options,
    recv,
    retrieve,
    send,
    sleep,
    start,
    step,
    workflow,
)
from holdfast.errors import WorkflowNotFound, WorkflowWasCancelled
from holdfast.runtime.execution import Execution
from holdfast.runtime.interruption import Interruption
from tests.engine.conftest import QUICK
from tests.helpers import aeventually, eventually

cleaned: list[str] = []
branches_begun: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_cleaned() -> None:
    cleaned.clear()
    branches_begun.clear()


@step
def clean(what: str) -> None:
    cleaned.append(what)


@workflow
def bides() -> None:
    try:
        recv("never")
    except WorkflowCancelled:
        clean("waits")
        raise


@workflow
def has_a_child() -> None:
    try:
        bides()
    finally:
        cleaned.append("parent")


def test_a_waiting_workflow_cleans_up_and_ends_as_cancelled(app: Holdfast) -> None:
    handle = start(bides)
    handle.cancel()
    with pytest.raises(WorkflowWasCancelled, match=handle.id):
        handle.result(timeout=10)
    assert handle.status() is Status.CANCELLED
    assert cleaned == ["waits"]


def test_a_workflow_out_of_memory_is_woken_to_be_cancelled(app: Holdfast) -> None:
    handle = start(bides)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    handle.cancel()
    eventually(lambda: handle.status() is Status.CANCELLED)
    assert cleaned == ["waits"]


@workflow
def sleeps_and_cleans_up() -> None:
    try:
        sleep(600)
    finally:
        clean("first")
        sleep(0.5)  # out of memory, and back by a replay
        clean("second")


def test_one_that_was_cancelled_asleep_is_replayed_to_where_it_heard_of_it(app: Holdfast) -> None:
    handle = start(sleeps_and_cleans_up)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    handle.cancel()
    eventually(lambda: handle.status() in {Status.CANCELLED, Status.BLOCKED})
    assert handle.status() is Status.CANCELLED
    assert cleaned == ["first", "second"]


def test_children_follow(app: Holdfast) -> None:
    handle = start(has_a_child)
    child = retrieve(f"{handle.id}/bides#1")
    eventually(lambda: app.store.get_workflow(child.id) is not None)
    handle.cancel()
    eventually(lambda: handle.status() is Status.CANCELLED)
    eventually(lambda: child.status() is Status.CANCELLED)


def test_one_that_never_started_is_cancelled_at_once(app: Holdfast) -> None:
    handle = options(delay=3600).start(bides)
    handle.cancel()
    assert handle.status() is Status.CANCELLED
    assert cleaned == []


def test_one_that_has_ended_stays_as_it_is(app: Holdfast) -> None:
    @workflow
    def quick() -> int:
        return 1

    handle = start(quick)
    assert handle.result(timeout=10) == 1
    handle.cancel()
    assert handle.status() is Status.SUCCEEDED


def test_an_unknown_one_is_an_error(app: Holdfast) -> None:
    with pytest.raises(WorkflowNotFound):
        retrieve("nobody").cancel()


async def test_an_awaiting_coroutine_is_cancelled_at_once(store_url: str) -> None:
    began = asyncio.Event()

    @step
    async def hangs() -> None:
        began.set()
        await asyncio.Event().wait()

    @workflow
    async def hanging() -> None:
        await hangs()

    async with Holdfast(store_url, config=QUICK):
        handle = await astart(hanging)
        await began.wait()
        await handle.acancel()
        with pytest.raises(WorkflowWasCancelled):
            await handle.aresult(timeout=10)


@workflow
async def reads_an_event() -> None:
    try:
        await aget_event("nobody", "nothing")
    finally:
        await aclean("reader")


def test_one_that_comes_while_the_database_is_read_is_heard_like_any_other(
    app: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, may_answer = threading.Event(), threading.Event()

    def event(_workflow_id: str, _name: str) -> None:
        reads.set()
        may_answer.wait()

    monkeypatch.setattr(app.store, "event", event)
    handle = app.start(reads_an_event)
    reads.wait()
    handle.cancel()
    may_answer.set()
    eventually(lambda: handle.status() is Status.CANCELLED)
    assert cleaned == ["reader"]


@step(retries=5, backoff=60.0)
async def afails() -> None:
    tried.set()
    raise ConnectionError("not yet")


tried = threading.Event()


@workflow
async def pauses_between_attempts() -> None:
    try:
        await afails()
    except WorkflowCancelled:
        await aclean("after the pause")
        raise


def test_one_that_comes_in_the_pause_between_two_attempts_is_heard_like_any_other(app: Holdfast) -> None:
    tried.clear()
    handle = app.start(pauses_between_attempts)
    tried.wait()
    eventually(lambda: any(each.pauses for each in app.engine.running))
    handle.cancel()
    eventually(lambda: handle.status() is Status.CANCELLED)
    assert cleaned == ["after the pause"]


@workflow
async def abides() -> None:
    try:
        await arecv("never")
    finally:
        await aclean("child")


@workflow
async def awaits_a_child() -> None:
    try:
        await abides()
    finally:
        await aclean("parent")


@pytest.mark.parametrize("asleep", [False, True], ids=["in memory", "out of memory"])
def test_a_coroutine_that_awaits_a_child_cleans_up_after_it(app: Holdfast, *, asleep: bool) -> None:
    handle = app.start(awaits_a_child)
    child = f"{handle.id}/abides#1"
    if asleep:
        eventually(lambda: handle.status() is Status.SUSPENDED)
    else:
        eventually(lambda: app.store.journal(child) or app.store.get_workflow(child))
    handle.cancel()
    eventually(lambda: handle.status() is Status.CANCELLED)
    eventually(lambda: app.retrieve(child).status() is Status.CANCELLED)
    assert sorted(cleaned) == ["child", "parent"]


def test_a_timeout_cancels(app: Holdfast) -> None:
    @workflow
    def slow() -> None:
        sleep(3600)

    handle = options(timeout=0.2).start(slow)
    eventually(lambda: handle.status() is Status.CANCELLED)


@workflow
def waits_twice() -> None:
    try:
        gather(lambda: in_a_branch("left"), lambda: in_a_branch("right"))
    except WorkflowCancelled:
        gather(lambda: clean("both"), lambda: clean("both"))
        recv("cleaned")
        clean("after")
        raise


def in_a_branch(side: str) -> None:
    branches_begun.append(side)
    try:
        with branch("inner"):
            recv("never")
    finally:
        clean(side)


@workflow
async def awaits_twice() -> None:
    try:
        await agather(ain_a_branch("left"), ain_a_branch("right"))
    except WorkflowCancelled:
        await agather(aclean("both"), aclean("both"))
        await arecv("cleaned")
        await aclean("after")
        raise


async def ain_a_branch(side: str) -> None:
    branches_begun.append(side)
    try:
        with branch("inner"):
            await arecv("never")
    finally:
        await aclean(side)


@step
async def aclean(what: str) -> None:
    cleaned.append(what)


@pytest.mark.parametrize("asleep", [False, True], ids=["in memory", "out of memory"])
@pytest.mark.parametrize("parallel", [waits_twice, awaits_twice], ids=["def", "async def"])
def test_every_parallel_branch_hears_of_it_and_what_cleans_up_does_not(
    app: Holdfast, parallel: Any, *, asleep: bool
) -> None:
    handle = app.start(parallel)
    eventually(lambda: len(branches_begun) == 2)
    if asleep:
        eventually(lambda: handle.status() is Status.SUSPENDED)
    handle.cancel()
    eventually(lambda: cleaned.count("both") == 2)
    # It may leave memory while it cleans up, and is replayed to the same place.
    eventually(lambda: handle.status() is Status.SUSPENDED)
    send(handle.id, "yes", topic="cleaned")
    eventually(lambda: handle.status() is Status.CANCELLED)
    assert sorted(cleaned) == ["after", "both", "both", "left", "right"]
    assert cleaned[-1] == "after"


def test_a_branch_that_fails_does_not_hide_it(app: Holdfast) -> None:
    def fails() -> None:
        try:
            recv("never")
        except WorkflowCancelled:
            raise ValueError("while cleaning up") from None

    @workflow
    def parallel() -> None:
        gather(fails, lambda: recv("never"))

    handle = start(parallel)
    handle.cancel()
    with pytest.raises(WorkflowWasCancelled):
        handle.result(timeout=10)


class Gate:
    """What workflow code awaits without recording it: open at first, shut in the replay."""

    def __init__(self) -> None:
        self.passed = 0
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self) -> None:
        self.passed += 1
        if self.passed > 1:
            self.reached.set()
            await self.opened.wait()


def hands_back(result: None, name: str) -> None:
    del result
    cleaned.append(name)


@step(undo=hands_back)
async def books(name: str) -> None:
    del name


@pytest.mark.parametrize("in_branches", [False, True])
async def test_one_that_comes_in_a_replay_cuts_nothing_off_that_is_to_be_undone(
    store_url: str, *, in_branches: bool
) -> None:
    gate = Gate()

    async def books_and_waits(name: str) -> None:
        await books(name)
        await arecv()

    @workflow
    async def replayed_slowly() -> None:
        await gate()
        if in_branches:
            await agather(books_and_waits("flight"), books_and_waits("hotel"))
        else:
            await books_and_waits("flight")

    async with Holdfast(store_url, config=QUICK):
        handle = await astart(replayed_slowly)

        async def is_suspended() -> bool:
            return await handle.astatus() is Status.SUSPENDED

        await aeventually(is_suspended)
        await asend(handle.id, "come back")
        await gate.reached.wait()
        await handle.acancel()
        gate.opened.set()
        with pytest.raises(WorkflowWasCancelled):
            await handle.aresult(timeout=10)
    assert sorted(cleaned) == (["flight", "hotel"] if in_branches else ["flight"])


async def test_after_the_replay_it_interrupts_what_the_code_awaits(store_url: str) -> None:
    gate, booked = Gate(), asyncio.Event()

    @workflow
    async def awaits_for_ever() -> None:
        await gate()
        await books("flight")
        booked.set()
        await asyncio.Event().wait()

    async with Holdfast(store_url, config=replace(QUICK, shutdown_timeout=0.1)):
        handle = await astart(awaits_for_ever)
        await booked.wait()
    async with Holdfast(store_url, config=QUICK) as app:
        handle = app.retrieve(handle.id)
        await gate.reached.wait()
        await handle.acancel()
        gate.opened.set()
        with pytest.raises(WorkflowWasCancelled):
            await handle.aresult(timeout=10)
    assert cleaned == ["flight"]


async def test_branches_that_are_cut_off_before_they_begin_are_not_waited_for(store_url: str) -> None:
    busy: list[int] = []
    async with Holdfast(store_url, config=QUICK) as app:

        @workflow
        async def has_no_time() -> None:
            [execution] = app.engine.running
            with suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await agather(arecv("one"), arecv("two"))
            busy.append(execution.busy)

        await has_no_time()
    assert busy == [1]


async def test_one_that_the_code_has_heard_of_does_not_interrupt_what_cleans_up(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaning, go_on = threading.Event(), asyncio.Event()
    interrupt = Interruption.interrupt

    def interrupts_late(self: Interruption, execution: Execution) -> None:
        assert cleaning.wait(10)
        interrupt(self, execution)

    @step
    async def cleans_up_for_a_while() -> None:
        cleaning.set()
        await go_on.wait()
        cleaned.append("up")

    @workflow
    async def receives_for_ever() -> None:
        try:
            await arecv()
        finally:
            await cleans_up_for_a_while()

    async with Holdfast(store_url, config=replace(QUICK, suspend_after=60)) as app:
        await astart(receives_for_ever)
        await aeventually(lambda: [each.busy for each in app.engine.running] == [0])
        monkeypatch.setattr(Interruption, "interrupt", interrupts_late)
        [execution] = app.engine.running
        await asyncio.to_thread(execution.request_cancel)
        go_on.set()
        await aeventually(lambda: not app.engine.running)
    assert cleaned == ["up"]
