"""Steps: recorded once, tried again, limited in time, identified."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from holdfast import (
    Config,
    Holdfast,
    StepOptions,
    agather,
    amap,
    arun_step,
    branch,
    gather,
    logger,
    map,
    options,
    run_step,
    start,
    step,
    step_info,
    workflow,
    workflow_id,
)
from holdfast.errors import PayloadError, StepTimeout, UsageError
from tests.engine.conftest import QUICK

tried: list[tuple[int, str]] = []


@pytest.fixture(autouse=True)
def _nothing_tried() -> None:
    tried.clear()


class Flaky(Exception):
    """Passes with the next attempt."""


@step(retries=3, backoff=0.01)
def flaky(succeed_at: int) -> int:
    info = step_info()
    tried.append((info.attempt, info.idempotency_key))
    if info.attempt < succeed_at:
        raise Flaky(f"attempt {info.attempt}")
    return info.attempt


@workflow
def tries(succeed_at: int) -> int:
    return flaky(succeed_at)


def test_a_step_is_tried_again_with_the_same_idempotency_key(app: Holdfast) -> None:
    assert options(id="w").call(tries, 3) == 3
    assert [attempt for attempt, _ in tried] == [1, 2, 3]
    assert {key for _, key in tried} == {"w:flaky#1"}
    (checkpoint,) = app.get_journal("w")
    assert checkpoint.attempts == 3
    assert checkpoint.attempt_errors is not None
    assert "attempt 2" in checkpoint.attempt_errors


def test_a_step_gives_up_with_the_last_error(app: Holdfast) -> None:
    with pytest.raises(Flaky, match="attempt 4"):
        tries(9)
    assert len(tried) == 4


def test_errors_that_are_not_to_be_retried_are_not(app: Holdfast) -> None:
    @step(retries=5, backoff=0.01, retry_on=(Flaky, OSError), dont_retry_on=FileNotFoundError)
    def choosy(kind: str) -> None:
        tried.append((step_info().attempt, kind))
        raise {"value": ValueError, "file": FileNotFoundError}[kind](kind)

    @workflow
    def chooses(kind: str) -> str:
        try:
            choosy(kind)
        except (ValueError, FileNotFoundError) as error:
            return type(error).__name__
        return "nothing"

    assert chooses("value") == "ValueError"
    assert chooses("file") == "FileNotFoundError"
    assert len(tried) == 2


def test_an_async_step_is_stopped_at_its_timeout(app: Holdfast) -> None:
    @step(timeout=0.05)
    async def endless() -> None:
        await asyncio.Event().wait()

    @workflow
    async def stops() -> str:
        try:
            await endless()
        except StepTimeout as error:
            return str(error)
        return "never"

    assert "endless#1" in start(stops).result(timeout=10)


def test_functions_that_cannot_be_decorated_are_run_as_steps(app: Holdfast) -> None:
    @workflow
    def adds() -> tuple[int, str]:
        return run_step("sum", sum, [1, 2, 3]), run_step(StepOptions(name="say", key="once"), str, 5)

    assert options(id="w").call(adds) == (6, "5")
    assert [c.step_id for c in app.get_journal("w")] == ["sum#1", "say[once]"]


async def test_async_functions_are_run_as_steps(store_url: str) -> None:
    async def fetch(number: int) -> int:
        return number + 1

    @workflow
    async def fetches() -> int:
        return await arun_step("fetch", fetch, 1)

    async with Holdfast(store_url, config=QUICK):
        assert await fetches() == 2


def test_a_step_inside_a_step_is_a_plain_call(app: Holdfast) -> None:
    @step
    def inner() -> str:
        return step_info().name

    @step
    def outer() -> str:
        return inner()

    @workflow
    def nests() -> str:
        return outer()

    assert nests().endswith("outer")


def test_a_result_that_cannot_come_back_is_the_steps_recorded_error(app: Holdfast) -> None:
    @step
    def makes_a_lock() -> object:
        tried.append((1, ""))
        return threading.Lock()

    @workflow
    def locks() -> str:
        try:
            makes_a_lock()
        except PayloadError as error:
            return str(error)
        return "recorded"

    message = options(id="w").call(locks)
    assert "'w'" in message
    assert "makes_a_lock#1" in message
    assert len(tried) == 1


def test_step_info_belongs_into_a_step() -> None:
    with pytest.raises(UsageError, match="step"):
        step_info()


@step
def square(number: int) -> int:
    return number * number


@step
async def asquare(number: int) -> int:
    await asyncio.sleep(0)
    return number * number


@workflow
def squares(numbers: list[int]) -> list[int]:
    return map(square, numbers)


@workflow
async def asquares(numbers: list[int]) -> list[int]:
    return await amap(asquare, numbers)


def test_map_gives_each_item_a_branch_of_its_own(app: Holdfast) -> None:
    assert options(id="w").call(squares, [3, 1, 2]) == [9, 1, 4]
    recorded = {c.step_id: c.output for c in app.get_journal("w")}
    assert recorded == {"gather#1/square#1": "9", "gather#2/square#1": "1", "gather#3/square#1": "4"}


async def test_amap_and_agather_run_side_by_side(store_url: str) -> None:
    @workflow
    async def both() -> list[int]:
        return await agather(asquare(2), asquare(3))

    async with Holdfast(store_url, config=QUICK) as app:
        assert await options(id="w").call(asquares, [3, 1]) == [9, 1]
        assert await both() == [4, 9]
        assert {c.step_id for c in app.get_journal("w")} == {"gather#1/asquare#1", "gather#2/asquare#1"}


def test_gather_raises_the_first_error_after_all_have_ended(app: Holdfast) -> None:
    ended: list[int] = []

    def fails() -> None:
        raise Flaky("first")

    def ends() -> None:
        ended.append(square(2))

    @workflow
    def gathers() -> None:
        gather(fails, ends)

    with pytest.raises(Flaky, match="first"):
        gathers()
    assert ended == [4]


async def test_plain_asyncio_tasks_do_not_renumber_one_another(store_url: str) -> None:
    @workflow
    async def tasks() -> list[int]:
        return list(await asyncio.gather(asquare(5), asquare(6)))

    async with Holdfast(store_url, config=QUICK) as app:
        assert await options(id="w").call(tasks) == [25, 36]
        identities = {c.step_id for c in app.get_journal("w")}
        assert len(identities) == 2
        assert all(identity.endswith("/asquare#1") for identity in identities)


def test_a_named_branch_prefixes_identities(app: Holdfast) -> None:
    @workflow
    def branches() -> int:
        with branch("tool:1.0"):
            return square(3)

    assert options(id="w").call(branches) == 9
    assert [c.step_id for c in app.get_journal("w")] == ["tool:1.0#1/square#1"]


def test_log_lines_carry_the_workflow_and_the_step(app: Holdfast, caplog: pytest.LogCaptureFixture) -> None:
    @step
    def speaks() -> None:
        logger.info("hello")

    @workflow
    def speaking() -> str:
        speaks()
        return workflow_id()

    with caplog.at_level(logging.INFO, logger="holdfast.user"):
        workflow_id_there = speaking()
    (line,) = [record for record in caplog.records if record.name == "holdfast.user"]
    assert workflow_id_there in line.getMessage()
    assert "speaks" in line.getMessage()


def test_impossible_options_are_refused_when_they_are_written() -> None:
    with pytest.raises(Exception, match="lease"):
        Config(lease=1, heartbeat=1)
    with pytest.raises(Exception, match="retries"):
        step(retries=-1)
