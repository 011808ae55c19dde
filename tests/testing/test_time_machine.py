"""Days pass in milliseconds, for everything that has a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from holdfast import (
    Config,
    Handle,
    Holdfast,
    Status,
    WorkflowCancelled,
    options,
    recv,
    sleep,
    step,
    step_info,
    workflow,
)
from holdfast.approvals import ApprovalRequest, Approvals, request_approval
from holdfast.errors import ResultTimeout, UsageError
from holdfast.testing import TimeMachine

CONFIG = Config(suspend_after=0.02, heartbeat=0.2, lease=5.0, poll=0.5, shutdown_timeout=2.0)


@pytest.fixture
def travelling(store_url: str) -> Iterator[tuple[Holdfast, TimeMachine]]:
    app = Holdfast(store_url, config=CONFIG)

    class Nowhere:
        def deliver(self, request: ApprovalRequest) -> None:
            """Deliver to nobody."""

    Approvals(app, delivery=Nowhere(), base_url="https://example.com/approvals")
    machine = TimeMachine(app)
    with app:
        yield app, machine


@workflow
def tm_sleeps() -> str:
    sleep(timedelta(days=30))
    sleep(timedelta(hours=1))
    return "awake"


@workflow
def tm_listens() -> str | None:
    heard: str | None = recv("words", timeout=timedelta(days=7))
    return heard


@step(retries=3, backoff=3600, max_delay=7200)
def fails_at_first() -> int:
    attempt = step_info().attempt
    if attempt < 4:
        raise OSError("not yet")
    return attempt


@workflow
def tm_retries() -> int:
    return fails_at_first()


@workflow
def tm_asks() -> str:
    return request_approval("Refund", {"Amount": "1"}, to="m@example.com", timeout=timedelta(days=3)).status


@workflow
def tm_waits() -> str:
    try:
        return str(recv("never"))
    except WorkflowCancelled:
        return "too late"


@pytest.mark.parametrize(
    ("start", "result"),
    [
        (lambda: options().start(tm_sleeps), "awake"),
        (lambda: options().start(tm_listens), None),
        (lambda: options().start(tm_retries), 4),
        (lambda: options().start(tm_asks), "expired"),
        (lambda: options(timeout=timedelta(days=2)).start(tm_waits), "too late"),
        (lambda: options(delay=timedelta(days=2)).start(tm_listens), None),
    ],
    ids=["sleep", "timeout of a wait", "pauses between attempts", "expiry", "deadline", "delay"],
)
def test_the_time_is_skipped(start: object, result: object, travelling: tuple[Holdfast, TimeMachine]) -> None:
    app, machine = travelling
    assert callable(start)
    before = machine.now()
    handle: Handle[object] = start()
    assert machine.result(handle) == result
    assert machine.now() - before > timedelta(hours=1)
    assert app.get_workflow(handle.id).status is Status.SUCCEEDED


def test_nothing_is_due_too_early(travelling: tuple[Holdfast, TimeMachine]) -> None:
    _, machine = travelling
    handle = options().start(tm_sleeps)
    machine.advance(days=29)
    with pytest.raises(ResultTimeout):
        handle.result(timeout=0.2)
    machine.advance(days=2)
    assert machine.result(handle) == "awake"


def test_one_that_waits_for_a_message_is_said_to_do_so(travelling: tuple[Holdfast, TimeMachine]) -> None:
    _, machine = travelling
    handle = options(id="stuck").start(tm_waits)
    with pytest.raises(AssertionError, match="does it wait for a message"):
        machine.result(handle, patience=0.3)
    assert machine.advance_to_next() is None


def test_it_is_made_before_the_launch_and_goes_ahead_only(travelling: tuple[Holdfast, TimeMachine]) -> None:
    app, machine = travelling
    with pytest.raises(UsageError, match="before the application is launched"):
        TimeMachine(app)
    with pytest.raises(UsageError, match="not set back"):
        machine.advance(days=-1)
