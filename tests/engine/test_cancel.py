"""Cancellation: seen at the next durable operation, by children too, cleaned up after, replayed the same."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import (
    Holdfast,
    Status,
    WorkflowCancelled,
    astart,
    options,
    recv,
    retrieve,
    sleep,
    start,
    step,
    workflow,
)
from holdfast.errors import WorkflowNotFound, WorkflowWasCancelled
from tests.engine.conftest import QUICK
from tests.helpers import eventually

cleaned: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_cleaned() -> None:
    cleaned.clear()


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


def test_a_timeout_cancels(app: Holdfast) -> None:
    @workflow
    def slow() -> None:
        sleep(3600)

    handle = options(timeout=0.2).start(slow)
    eventually(lambda: handle.status() is Status.CANCELLED)
