"""Retention: what ended long enough ago goes by itself, while workflows run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast import Holdfast, Retention, Status, WorkflowFilter, options, recv, send, start, step, workflow
from holdfast.errors import ConfigurationError
from holdfast.runtime.cleaner import DUTY, Cleaner
from holdfast.store.management_writes import TakeDuty
from holdfast.store.writes import Unit
from tests.engine.conftest import QUICK
from tests.helpers import eventually

AT_ONCE = Retention(succeeded=0, interval=0.05, pause=0, batch=3)


@step
def double(number: int) -> int:
    return number * 2


@workflow(name="retention.quick")
def quick(number: int) -> int:
    if number < 0:
        raise ValueError(number)
    return double(number)


@workflow(name="retention.parent")
def parent() -> int:
    started = start(quick, 5)
    recv()
    return started.result() + quick(6)


def test_what_ended_goes_while_others_run(store_url: str) -> None:
    with Holdfast(store_url, config=QUICK, retention=AT_ONCE) as app:
        handles = [options(id=f"w{number}").start(quick, number) for number in range(10)]
        failed = options(id="failed").start(quick, -1)
        waiting = options(id="parent").start(parent)
        for handle in handles:
            eventually(lambda handle=handle: app.store.get_workflow(handle.id) is None)  # type: ignore[misc]  # bound at once
        eventually(lambda: failed.status() is Status.FAILED)
        # Its parent has not ended: it is there still.
        [child] = eventually(lambda: app.admin.list(WorkflowFilter(parent_id="parent", status=(Status.SUCCEEDED,))))
        send("parent", "go on")
        eventually(lambda: app.store.get_workflow("parent") is None)
        eventually(lambda: app.store.get_workflow(child.workflow_id) is None)
        eventually(lambda: [each.workflow_id for each in app.admin.list()] == ["failed"])
    assert waiting.id == "parent"


def test_a_parents_child_stays_until_it_has_been_asked_for(store_url: str) -> None:
    with Holdfast(store_url, config=QUICK) as app:
        handle = options(id="parent").start(parent)
        eventually(lambda: handle.status() is Status.SUSPENDED)
        cleaner = Cleaner(app.engine, AT_ONCE)
        assert cleaner.look() == 0
        send("parent", "go on")
        assert handle.result(timeout=10) == 22
        assert cleaner.look() == 3


def test_each_status_has_its_own_age(store_url: str) -> None:
    with Holdfast(store_url, config=QUICK) as app:
        for number in (1, -1):
            handle = start(quick, number)
            eventually(lambda handle=handle: handle.status().is_terminal)  # type: ignore[misc]  # bound at once
        assert Cleaner(app.engine, Retention(succeeded=timedelta(days=1), cancelled=0)).look() == 0
        assert Cleaner(app.engine, Retention(failed=0)).look() == 1
        assert [each.status for each in app.admin.list()] == [Status.SUCCEEDED]


def test_one_worker_at_a_time_cleans(store_url: str) -> None:
    with Holdfast(store_url, config=QUICK) as app:
        start(quick, 1).result(timeout=10)
        other = TakeDuty(name=DUTY, holder="another worker", seconds=60)
        app.engine.committer.submit(Unit(writes=(other,))).wait()
        cleaner = Cleaner(app.engine, AT_ONCE)
        assert cleaner.look() == 0
        given_up = TakeDuty(name=DUTY, holder="another worker", seconds=0)
        app.engine.committer.submit(Unit(writes=(given_up,))).wait()
        assert cleaner.look() == 1


@pytest.mark.parametrize(
    "fields",
    [{}, {"succeeded": -1}, {"failed": 1, "batch": 0}, {"failed": 1, "interval": 0}, {"failed": 1, "pause": -1}],
)
def test_a_policy_that_can_not_be_meant_is_an_error(fields: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Retention(**fields)
