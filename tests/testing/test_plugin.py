"""The fixtures, as a project that installed Holdfast has them."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

PROGRAM = """
import pytest
from holdfast import asleep, recv, sleep, step, workflow, Status, Queue
from holdfast.testing import TimeMachine

@step
def note(text): return text

@workflow
def remind(order):
    sleep(24 * 3600)
    return note(f"reminded {order}")

calls = []

@workflow
def changes_its_mind():
    calls.append(1)
    note("one") if len(calls) == 1 else note("another")
    return recv("go")

@pytest.fixture
def holdfast_options():
    return {"queues": [Queue("mine", concurrency=1)]}

def test_a_day_passes(holdfast_app, time_machine):
    handle = holdfast_app.start(remind, 7)
    assert time_machine.result(handle) == "reminded 7"

@workflow
async def remind_async(order):
    await asleep(24 * 3600)
    return f"reminded {order}"

@pytest.mark.asyncio
async def test_a_day_passes_in_a_coroutine(holdfast_app, time_machine):
    handle = await holdfast_app.options().astart(remind_async, 8)
    assert await time_machine.aresult(handle) == "reminded 8"

def test_the_database_is_the_tests_own(holdfast_app):
    assert holdfast_app.list_workflows() == []
    assert [state.queue.name for state in holdfast_app.queues()] == ["mine"]

def leaves_one_blocked(app):
    import time
    handle = app.start(changes_its_mind)
    while app.get_workflow(handle.id).status is not Status.SUSPENDED: time.sleep(0.01)
    from holdfast import send
    send(handle.id, "x", topic="go")
    while app.get_workflow(handle.id).status is not Status.BLOCKED: time.sleep(0.01)

def test_a_blocked_one_is_noticed(holdfast_app):
    leaves_one_blocked(holdfast_app)

@pytest.mark.holdfast_allow_blocked
def test_unless_that_is_what_is_tested(holdfast_app):
    calls.clear()
    leaves_one_blocked(holdfast_app)
"""


def test_the_fixtures_work_in_a_project(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROGRAM)
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-n", "0")
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["*workflows were left that do not go on by themselves*", "*non-determinism*"])
