"""What a deploy would do to recorded workflows is told before it happens, and nothing happens meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdfast import (
    CheckReport,
    Finding,
    Holdfast,
    Status,
    Verdict,
    WorkflowCancelled,
    WorkflowFilter,
    agather,
    arecv,
    asleep,
    astart,
    gather,
    get_event,
    options,
    patched,
    recv,
    retrieve,
    set_event,
    sleep,
    start,
    step,
    transaction,
    workflow,
    write_stream,
)
from holdfast.errors import BlockingCallOnEventLoop, ConfigurationError
from tests.engine.changing import bodies, deploy, do_async, forget, named, suspended
from tests.engine.conftest import QUICK
from tests.helpers import eventually


@pytest.fixture(autouse=True)
def _no_bodies() -> Iterator[None]:
    bodies.clear()
    yield
    forget("changing")


def check(app: Holdfast, *workflow_ids: str, **options: Any) -> CheckReport:
    """Check, and see that nothing was done."""
    before = bodies.copy(), [(app.get_workflow(each), app.get_journal(each)) for each in workflow_ids]
    report = app.check(**options)
    assert (bodies.copy(), [(app.get_workflow(each), app.get_journal(each)) for each in workflow_ids]) == before
    return report


def only(report: CheckReport) -> Finding:
    [finding] = report.findings
    return finding


def recorded() -> list[str]:
    done = [named("a"), named("b")]
    recv("go")
    return done


def test_unchanged_code_is_ok(app: Holdfast) -> None:
    workflow_id = suspended(app, deploy(recorded))
    report = check(app, workflow_id)
    assert report.counts == {Verdict.OK: 1}
    assert report.ok
    assert report.findings == ()


def test_another_step_under_the_same_version_would_block(app: Holdfast) -> None:
    def other() -> list[str]:
        done = [named("a"), named("c")]
        recv("go")
        return done

    workflow_id = suspended(app, deploy(recorded, version="1"))
    deploy(other, version="1")
    report = check(app, workflow_id)
    assert not report.ok
    finding = only(report)
    assert finding.verdict is Verdict.BLOCKED
    assert finding.workflow_id == workflow_id
    assert finding.step_id == "c#1"
    assert "'b#1'" in (finding.expected or "")
    assert "'c#1'" in (finding.found or "")
    assert ".py:" in (finding.where or "")
    assert "blocked" in str(report)
    assert "changing.py:" in str(report)


def test_another_version_may_run_new_steps(app: Holdfast) -> None:
    def other() -> list[str]:
        done = [named("a"), named("new"), named("b")]
        recv("go")
        return done

    workflow_id = suspended(app, deploy(recorded))
    deploy(other)
    finding = only(check(app, workflow_id))
    assert finding.verdict is Verdict.NEW_STEPS
    assert finding.step_id == "new#1"
    assert finding.unasked == ("b#1",)
    assert ".py:" in (finding.where or "")
    assert only(check(app, workflow_id, strict=True)).verdict is Verdict.BLOCKED


def test_another_version_may_leave_recorded_steps_out(app: Holdfast) -> None:
    def other() -> list[str]:
        return [named("b")]

    workflow_id = suspended(app, deploy(recorded))
    deploy(other)
    finding = only(check(app, workflow_id))
    assert finding.verdict is Verdict.UNASKED
    assert finding.unasked == ("a#1",)


def test_steps_that_have_moved_are_ok_in_another_version(app: Holdfast) -> None:
    def other() -> list[str]:
        done = [named("b"), named("a")]
        recv("go")
        return done

    workflow_id = suspended(app, deploy(recorded))
    deploy(other)
    assert check(app, workflow_id).counts == {Verdict.OK: 1}


def test_a_guarded_change_is_ok(app: Holdfast) -> None:
    def other() -> list[str]:
        done = [named("a"), named("b2") if patched("second b") else named("b")]
        recv("go")
        return done

    workflow_id = suspended(app, deploy(recorded, version="1"))
    deploy(other, version="1")
    assert check(app, workflow_id).counts == {Verdict.OK: 1}


def test_a_function_that_is_gone_is_unknown(app: Holdfast) -> None:
    workflow_id = suspended(app, deploy(recorded))
    forget("changing")
    report = check(app, workflow_id)
    assert only(report).verdict is Verdict.UNKNOWN
    assert not report.ok


def test_an_input_that_does_not_fit_any_more_is_unreadable(app: Holdfast) -> None:
    def with_amount(amount: str) -> list[str]:
        recv("go")
        return []

    def with_price(price: int) -> list[str]:
        recv("go")
        return []

    workflow_id = suspended(app, deploy(with_amount), "ten")
    deploy(with_price)
    report = check(app, workflow_id)
    assert only(report).verdict is Verdict.UNREADABLE
    assert not report.ok


def test_code_that_raises_where_the_journal_goes_on_would_fail(app: Holdfast) -> None:
    def other() -> list[str]:
        named("a")
        raise KeyError("order")

    workflow_id = suspended(app, deploy(recorded))
    deploy(other)
    report = check(app, workflow_id)
    finding = only(report)
    assert finding.verdict is Verdict.FAILED
    assert "KeyError" in (finding.found or "")
    assert ".py:" in (finding.where or "")
    assert not report.ok


def test_a_workflow_pinned_to_another_version_is_left_to_it(app: Holdfast) -> None:
    workflow_id = suspended(app, deploy(recorded, version="1", on_new_version="pin"))
    deploy(recorded, version="2", on_new_version="pin")
    report = check(app, workflow_id)
    assert only(report).verdict is Verdict.PINNED
    assert report.ok


def test_code_that_hangs_is_unchecked(app: Holdfast) -> None:
    hangs = threading.Event()

    def other() -> list[str]:
        hangs.wait(60)
        return []

    workflow_id = suspended(app, deploy(recorded))
    deploy(other)
    report = check(app, workflow_id, timeout=0.2)
    hangs.set()
    assert only(report).verdict is Verdict.UNCHECKED
    assert not report.ok


def swallow(what: Callable[[], object]) -> None:
    with contextlib.suppress(BaseException):
        what()


def test_code_that_swallows_everything_does_not_hide_a_mismatch(app: Holdfast) -> None:
    def other() -> list[str]:
        swallow(lambda: named("c"))
        return [named("a"), named("b")]

    workflow_id = suspended(app, deploy(recorded, version="1"))
    deploy(other, version="1")
    assert only(check(app, workflow_id)).verdict is Verdict.BLOCKED


def test_code_that_swallows_a_branchs_end_is_not_held_to_what_it_does_then(app: Holdfast) -> None:
    def other() -> list[str]:
        swallow(lambda: gather(lambda: named("new")))
        return [named("c")]

    workflow_id = suspended(app, deploy(recorded, version="1"))
    deploy(other, version="1")
    finding = only(check(app, workflow_id))
    assert finding.verdict is Verdict.NEW_STEPS
    assert finding.step_id == "gather#1/new#1"


def test_code_that_swallows_everything_does_not_go_on_after_the_journals_end(app: Holdfast) -> None:
    def swallowing() -> list[str]:
        named("a")
        recv("go")
        swallow(lambda: gather(lambda: named("x"), lambda: named("y")))
        swallow(lambda: recv("again"))
        return [named("c")]

    workflow_id = suspended(app, deploy(swallowing))
    assert check(app, workflow_id).counts == {Verdict.OK: 1}


@transaction
def insert() -> int:
    return 1


@workflow
def small_child(number: int) -> int:
    return number


def everything() -> list[str]:
    named("a")
    insert()
    sleep(0.01)
    small_child(1)
    handle = start(small_child, 2)
    handle.result()
    set_event("event", 1)
    write_stream("stream", 1)
    assert get_event(handle.id, "none", timeout=0.01) is None
    with pytest.raises(ZeroDivisionError):
        fails()
    gather(lambda: named("x"), lambda: gather(lambda: named("y"), lambda: recv("none", timeout=0.01)))
    recv("go")
    return [named("b")]


@step
def fails() -> None:
    raise ZeroDivisionError


def test_every_kind_of_operation_is_replayed(app: Holdfast) -> None:
    workflow_id = start(deploy(everything, version="1")).id
    # Not one of its earlier waits, which are for a moment.
    eventually(lambda: (found := app.get_workflow(workflow_id)).status is Status.SUSPENDED and found.wake_at is None)
    report = check(app, workflow_id, finished=10)
    assert report.counts == {Verdict.OK: 3}


def test_a_sleep_is_not_slept_and_what_follows_it_is_foretold(app: Holdfast) -> None:
    def sleeps() -> list[str]:
        sleep(3600)
        return [named("a")]

    def fails_after_it() -> list[str]:
        sleep(3600)
        raise KeyError("order")

    workflow_id = suspended(app, deploy(sleeps))
    assert check(app, workflow_id).counts == {Verdict.OK: 1}
    deploy(fails_after_it)
    assert only(check(app, workflow_id)).verdict is Verdict.FAILED


async def test_a_task_at_its_journals_end_does_not_keep_others_from_being_checked(store_url: str) -> None:
    async def with_tasks(last: str) -> list[str]:
        waiting = asyncio.create_task(arecv("never"))
        await asyncio.sleep(0)
        done = [await do_async("a"), await do_async(last)]
        await waiting
        return done

    async def changed(last: str) -> list[str]:
        waiting = asyncio.create_task(arecv("never"))
        await asyncio.sleep(0)
        done = [await do_async("a"), await arecv("another")]
        await waiting
        return done

    async with Holdfast(store_url, config=QUICK) as app:
        handle = await astart(deploy(with_tasks, version="1"), "b")
        await asyncio.to_thread(eventually, lambda: bodies == ["a", "b"])
        app.engine.write_what_rides()
        await asyncio.to_thread(eventually, lambda: len(app.get_journal(handle.id)) == 2)
        assert (await app.acheck()).counts == {Verdict.OK: 1}
        deploy(changed, version="1")
        assert only(await app.acheck()).verdict is Verdict.BLOCKED


async def test_coroutines_are_checked_too(store_url: str) -> None:
    async def old() -> list[str]:
        done = [await do_async("a"), *await agather(do_async("x"), do_async("y"))]
        await asyncio.gather(arecv("go"), asleep(3600))
        return done

    async def other() -> list[str]:
        done = [*await agather(do_async("x"), do_async("y")), await do_async("a"), await do_async("a")]
        await asyncio.gather(arecv("go"), asleep(3600))
        return done

    async with Holdfast(store_url, config=QUICK) as app:
        handle = await options().astart(deploy(old, suspend=False, version="1"))
        await asyncio.to_thread(eventually, lambda: len(app.get_journal(handle.id)) >= 4)
        assert (await app.acheck()).counts == {Verdict.OK: 1}
        deploy(other, version="2")
        assert only(await app.acheck()).verdict is Verdict.NEW_STEPS
        with pytest.raises(BlockingCallOnEventLoop):
            app.check()


def test_a_cancelled_workflow_is_replayed_to_its_cancellation(app: Holdfast) -> None:
    def cleans_up() -> list[str]:
        try:
            recv("go")
        except WorkflowCancelled:
            named("clean")
            raise
        return []

    workflow_id = suspended(app, deploy(cleans_up))
    retrieve(workflow_id).cancel()
    eventually(lambda: app.get_workflow(workflow_id).status.is_terminal)
    assert check(app, workflow_id, finished=1).counts == {Verdict.OK: 1}


def test_a_finished_workflow_that_would_end_otherwise_is_found(app: Holdfast) -> None:
    def returns(value: str) -> Callable[[], list[str]]:
        return lambda: [named("a"), value]

    assert deploy(returns("one"), version="1")() == ["a", "one"]
    assert check(app, finished=10).ok
    deploy(returns("two"), version="1")
    report = check(app, finished=10)
    assert only(report).verdict is Verdict.OTHER_OUTCOME
    assert "two" in (only(report).found or "")
    assert not report.ok
    assert check(app).checked == 0


def test_what_is_checked_can_be_chosen(app: Holdfast) -> None:
    one, _two = suspended(app, deploy(recorded)), suspended(app, deploy(recorded))
    assert check(app, where=WorkflowFilter(id_prefix=one)).checked == 1
    assert check(app, where=WorkflowFilter(name="another")).checked == 0


def test_all_pages_are_checked(app: Holdfast) -> None:
    function = deploy(recorded)
    for _ in range(230):
        options(delay=3600).start(function)
    assert check(app).counts == {Verdict.OK: 230}


def test_an_application_that_is_not_launched_can_check(empty_store_url: str) -> None:
    app = Holdfast(empty_store_url, config=QUICK)
    with pytest.raises(ConfigurationError, match=r"no database|lacks migrations"):
        app.check()
    with app:
        suspended(app, deploy(recorded))
    assert Holdfast(empty_store_url).check().counts == {Verdict.OK: 1}
