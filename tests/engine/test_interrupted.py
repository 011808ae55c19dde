"""A coroutine is cancelled while it awaits something that nobody records: it hears of it there, and cleans up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from holdfast import (
    Client,
    Config,
    Holdfast,
    Verdict,
    WorkflowCancelled,
    agather,
    arecv,
    asend,
    astart,
    failpoints,
    options,
    step,
    transaction,
    workflow,
    workflow_id,
)
from holdfast.errors import WorkflowSetAside, WorkflowWasCancelled
from holdfast.testing import replay
from tests.engine.conftest import QUICK

STOPS = replace(QUICK, shutdown_timeout=0.1)


class Happenings:
    """What happened, and what holds it up."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.awaiting = asyncio.Event()
        self.cleaning = asyncio.Event()
        self.may_clean = asyncio.Event()


@pytest.fixture
def happenings() -> Happenings:
    return Happenings()


async def _stopped_while_it_cleans_up(
    store_url: str, happenings: Happenings, definition: Any, config: Config = STOPS
) -> str:
    """Cancel a workflow while it awaits, and close its application while it cleans up, as a crash would."""
    async with Holdfast(store_url, config=config):
        handle = await astart(definition)
        await happenings.awaiting.wait()
        await handle.acancel()
        await happenings.cleaning.wait()
    happenings.may_clean.set()
    return handle.id


async def _ends_as_cancelled(store_url: str, workflow_id: str) -> None:
    async with Holdfast(store_url, config=QUICK) as app:
        with pytest.raises(WorkflowWasCancelled):
            await app.retrieve(workflow_id).aresult(timeout=10)


@pytest.mark.parametrize("in_a_branch", [False, True])
@pytest.mark.parametrize("timeout", [None, 0.2])
async def test_the_first_step_that_cleans_up_runs(
    store_url: str, happenings: Happenings, *, in_a_branch: bool, timeout: float | None
) -> None:
    @step
    async def clean(what: str) -> None:
        happenings.seen.append(what)

    @workflow
    async def awaits_for_ever() -> None:
        async def awaits() -> None:
            try:
                happenings.awaiting.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                happenings.seen.append("heard")
                raise
            finally:
                await clean("inner")

        try:
            await (agather(awaits()) if in_a_branch else awaits())
        finally:
            await clean("outer")

    async with Holdfast(store_url, config=QUICK):
        handle = await options(timeout=timeout).astart(awaits_for_ever)
        await happenings.awaiting.wait()
        if timeout is None:
            await handle.acancel()
        with pytest.raises(WorkflowWasCancelled):
            await handle.aresult(timeout=10)
    assert happenings.seen == ["heard", "inner", "outer"]


async def test_one_that_was_asked_for_before_the_replay_interrupts_it(store_url: str, happenings: Happenings) -> None:
    @step
    async def book() -> None:
        happenings.seen.append("booked")

    @workflow
    async def awaits_for_ever() -> None:
        await book()
        happenings.awaiting.set()
        await asyncio.Event().wait()

    async with Holdfast(store_url, config=STOPS):
        handle = await astart(awaits_for_ever)
        await happenings.awaiting.wait()
    async with Client(store_url) as client:
        await client.retrieve(handle.id).acancel()
    await _ends_as_cancelled(store_url, handle.id)
    assert happenings.seen == ["booked"]


@pytest.mark.parametrize("in_a_branch", [False, True])
async def test_a_crash_while_it_cleans_up_is_replayed_to_there(
    store_url: str, happenings: Happenings, *, in_a_branch: bool
) -> None:
    @step
    async def book(what: str) -> None:
        happenings.seen.append(what)

    @step
    async def clean(what: str) -> None:
        happenings.cleaning.set()
        await happenings.may_clean.wait()
        happenings.seen.append(what)

    @workflow
    async def awaits_for_ever() -> None:
        await book("before")
        await agather(book("one"), book("two"))

        async def awaits() -> None:
            try:
                happenings.awaiting.set()
                await asyncio.Event().wait()
            finally:
                await book("first to clean")
                await clean("second")

        await (agather(awaits()) if in_a_branch else awaits())

    stopped = await _stopped_while_it_cleans_up(store_url, happenings, awaits_for_ever)
    await _ends_as_cancelled(store_url, stopped)
    async with Holdfast(store_url, config=QUICK) as app:
        history = app.get_workflow(stopped), app.get_journal(stopped)
        finding = await asyncio.to_thread(replay, history, awaits_for_ever)
    assert happenings.seen == ["before", "one", "two", "first to clean", "second"]
    assert (finding.verdict, finding.unasked) == (Verdict.OK, ())


async def test_branches_that_have_nothing_to_clean_are_interrupted_again(
    store_url: str, happenings: Happenings
) -> None:
    @step
    async def clean() -> None:
        happenings.cleaning.set()
        await happenings.may_clean.wait()
        happenings.seen.append("cleaned")

    async def awaits() -> None:
        await asyncio.Event().wait()

    async def receives() -> None:
        try:
            happenings.awaiting.set()
            await arecv()
        finally:
            await clean()

    @workflow
    async def branches() -> None:
        await agather(awaits(), receives())

    config = replace(STOPS, suspend_after=60)
    stopped = await _stopped_while_it_cleans_up(store_url, happenings, branches, config)
    await _ends_as_cancelled(store_url, stopped)
    assert happenings.seen == ["cleaned"]


async def test_what_comes_before_it_can_be_interrupted_again_is_not_the_end_of_the_cancellation(
    store_url: str, happenings: Happenings
) -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @step
    async def clean() -> None:
        happenings.cleaning.set()
        await happenings.may_clean.wait()
        happenings.seen.append("cleaned")

    @step
    async def charge() -> None:
        happenings.seen.append("charged")

    @workflow
    async def asks() -> None:
        try:
            happenings.awaiting.set()
            await asyncio.shield(answer)
        finally:
            await clean()
        await charge()

    stopped = await _stopped_while_it_cleans_up(store_url, happenings, asks)
    answer.set_result(None)
    await _ends_as_cancelled(store_url, stopped)
    assert "charged" not in happenings.seen


async def test_one_that_is_interrupted_earlier_than_before_is_set_aside(store_url: str, happenings: Happenings) -> None:
    asked: list[str] = []

    async def ask(what: str) -> None:
        asked.append(what)
        if len(asked) > 1:
            happenings.awaiting.set()
            await asyncio.Event().wait()

    @step
    async def clean(what: str) -> None:
        if what == "second":
            happenings.cleaning.set()
            await asyncio.Event().wait()

    @workflow
    async def asks_twice() -> None:
        await ask("one")
        try:
            await ask("two")
        finally:
            await clean("first")
            await clean("second")

    stopped = await _stopped_while_it_cleans_up(store_url, happenings, asks_twice)
    async with Holdfast(store_url, config=QUICK) as app:
        with pytest.raises(WorkflowSetAside, match=r"asked for.*the end of the workflow"):
            await app.retrieve(stopped).aresult(timeout=10)


async def test_a_crash_while_it_is_undone_is_replayed_to_there(store_url: str, happenings: Happenings) -> None:
    async def hands_back(result: None) -> None:
        del result
        happenings.cleaning.set()
        await happenings.may_clean.wait()
        happenings.seen.append("handed back")

    @step(undo=hands_back)
    async def book() -> None:
        happenings.seen.append("booked")

    @workflow
    async def awaits_for_ever() -> None:
        await book()
        happenings.awaiting.set()
        await asyncio.Event().wait()

    stopped = await _stopped_while_it_cleans_up(store_url, happenings, awaits_for_ever)
    await _ends_as_cancelled(store_url, stopped)
    assert happenings.seen == ["booked", "handed back"]


Awaiting = Callable[[], Awaitable[object]]


async def _tells_how_it_hears(happenings: Happenings, writes: Awaiting, awaits: Awaiting) -> None:
    try:
        await writes()
        await awaits()
    except WorkflowCancelled:
        happenings.seen.append("heard")
        raise
    except asyncio.CancelledError:
        happenings.seen.append("interrupted")
        raise
    finally:
        await _cleans_up_for_a_while(happenings)


async def _cleans_up_for_a_while(happenings: Happenings) -> None:
    @step
    async def clean() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        happenings.seen.append("cleaned")

    await clean()


@pytest.mark.parametrize(
    ("awaits", "heard"),
    [(arecv, "heard"), (lambda: asyncio.Event().wait(), "interrupted")],
    ids=["in recv", "elsewhere"],
)
@pytest.mark.parametrize("during", ["commit", "transaction"])
async def test_one_that_comes_in_a_write_is_heard_after_it(
    store_url: str, happenings: Happenings, *, during: str, awaits: Awaiting, heard: str
) -> None:
    loop = asyncio.get_running_loop()
    async with Holdfast(store_url, config=replace(QUICK, suspend_after=60)) as app:

        def cancel() -> None:
            [execution] = app.engine.running
            execution.request_cancel()
            # Let the loop come to it.
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(10)

        def hook(point: str, about: Any) -> None:
            del about
            if point == "commit.before" and happenings.awaiting.is_set():
                happenings.awaiting.clear()
                cancel()

        async def commits() -> None:
            happenings.awaiting.set()
            await asend(workflow_id(), "a message", topic="another")

        @transaction
        async def book() -> None:
            cancel()

        @workflow
        async def writes() -> None:
            await _tells_how_it_hears(happenings, commits if during == "commit" else book, awaits)

        with failpoints.installed(hook):
            handle = await astart(writes)
            with pytest.raises(WorkflowWasCancelled):
                await handle.aresult(timeout=10)
    assert happenings.seen == [heard, "cleaned"]


async def test_a_group_of_tasks_is_cancelled_as_a_whole(store_url: str, happenings: Happenings) -> None:
    @step
    async def clean() -> None:
        happenings.seen.append("cleaned")

    async def receives(topic: str) -> None:
        if topic == "two":
            happenings.awaiting.set()
        await arecv(topic)

    @workflow
    async def groups() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(receives("one"))
                group.create_task(receives("two"))
        finally:
            await clean()

    async with Holdfast(store_url, config=QUICK):
        handle = await astart(groups)
        await happenings.awaiting.wait()
        await handle.acancel()
        with pytest.raises(WorkflowWasCancelled):
            await handle.aresult(timeout=10)
    assert happenings.seen == ["cleaned"]
