"""A cancellation that is written is heard before the next step begins, wherever the workflow is just then."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from holdfast import Client, Config, Holdfast, options, step, transaction, workflow
from holdfast.errors import WorkflowWasCancelled
from tests.helpers import eventually

begun: list[str] = []
go_on = threading.Event()


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    begun.clear()
    go_on.clear()
    yield
    go_on.set()


@step
def in_time_hold(name: str) -> None:
    begun.append(name)
    go_on.wait(30)


@step
def in_time_act(name: str) -> None:
    begun.append(name)


@transaction
def in_time_book(name: str) -> None:
    begun.append(name)


@workflow
def in_time_holds() -> None:
    in_time_hold("held")


@workflow
def in_time_acts() -> None:
    in_time_act("acted")


@workflow
def in_time_steps(*, book: bool) -> None:
    in_time_hold("first")
    if book:
        in_time_book("second")
    else:
        in_time_act("second")


def test_a_workflow_that_waits_for_a_thread_is_cancelled_before_it_begins(store_url: str) -> None:
    with Holdfast(store_url, config=Config(max_threads=1, heartbeat=5.0)) as app:
        holder = options(id="holder").start(in_time_holds)
        eventually(lambda: begun == ["held"])
        behind = options(id="behind").start(in_time_acts)
        eventually(lambda: app.engine.pool.backlog == 1)
        behind.cancel()
        go_on.set()
        with pytest.raises(WorkflowWasCancelled):
            behind.result(30)
        holder.result(30)
    assert begun == ["held"]


@pytest.mark.parametrize("book", [False, True])
def test_a_cancellation_of_another_process_is_heard_before_the_next_step_begins(
    store_url: str,
    book: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    # The next heartbeat, which would bring the news too, is far away.
    with Holdfast(store_url, config=Config(heartbeat=8.0)), Client(store_url) as client:
        handle = options(id="steps").start(in_time_steps, book=book)
        eventually(lambda: begun == ["first"])
        client.retrieve("steps").cancel()
        go_on.set()
        with pytest.raises(WorkflowWasCancelled):
            handle.result(30)
    assert begun == ["first"]
