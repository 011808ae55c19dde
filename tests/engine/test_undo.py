"""Undoing: newest first, each once, as steps of their own; halted where a person has to decide."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from holdfast import (
    Handle,
    Holdfast,
    Status,
    WorkflowCancelled,
    agather,
    astart,
    connection,
    gather,
    on_undo,
    options,
    recv,
    sleep,
    start,
    step,
    step_info,
    transaction,
    workflow,
)
from holdfast.core.model import Checkpoint
from holdfast.errors import ConfigurationError, OutsideWorkflow, UsageError, WorkflowSetAside, WorkflowWasCancelled
from holdfast.runtime.control import Released
from tests.engine.conftest import QUICK
from tests.helpers import aeventually, eventually

did: list[str] = []
broken: set[str] = set()


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    did.clear()
    broken.clear()


class Full(Exception):
    """There is no room."""


def unbook(booking: str, what: str) -> None:
    did.append(f"unbook {booking} {what}")
    if what in broken:
        raise ValueError(f"{what} can't be given back")


@step(undo=unbook)
def book(what: str) -> str:
    did.append(f"book {what}")
    if what == "full":
        raise Full("no room")
    return f"b-{what}"


@step(irreversible=True)
def tell(whom: str) -> None:
    did.append(f"tell {whom}")


@workflow
def trip(*what: str) -> list[str]:
    return [book(each) for each in what]


def journal(app: Holdfast, handle: Handle[Any]) -> list[Checkpoint]:
    return app.store.journal(handle.id)


def report(app: Holdfast, handle: Handle[Any]) -> dict[str, str]:
    record = app.store.get_workflow(handle.id)
    assert record is not None
    found: dict[str, str] = json.loads(record.report or "{}")
    return found


def test_a_failure_undoes_what_succeeded_newest_first(app: Holdfast) -> None:
    handle = start(trip, "flight", "hotel", "full")
    with pytest.raises(Full) as caught:
        handle.result(timeout=10)
    assert str(caught.value) == "no room"
    assert handle.status() is Status.FAILED
    assert did == ["book flight", "book hotel", "book full", "unbook b-hotel hotel", "unbook b-flight flight"]
    undone = [each for each in journal(app, handle) if each.branch == "$undo"]
    assert [each.step_id for each in undone] == ["$undo", "undo:book[book#2]", "undo:book[book#1]"]
    assert json.loads(undone[0].output or "") == ["book#2", "book#1"]


def test_the_outcome_says_what_was_undone(app: Holdfast) -> None:
    with pytest.raises(Full) as caught:
        trip("flight", "full")
    assert caught.value.__notes__ == ["undone, newest first: book#1"]
    handle = start(trip, "flight", "full")
    with pytest.raises(Full) as caught:
        handle.result(timeout=10)
    assert "undone, newest first: book#1" in caught.value.__notes__


def test_a_success_undoes_nothing_and_costs_nothing(app: Holdfast) -> None:
    handle = start(trip, "flight", "hotel")
    assert handle.result(timeout=10) == ["b-flight", "b-hotel"]
    assert did == ["book flight", "book hotel"]
    assert [each.step_id for each in journal(app, handle)] == ["book#1", "book#2"]


def test_a_failure_without_anything_to_undo_is_as_before(app: Holdfast) -> None:
    handle = start(trip, "full")
    with pytest.raises(Full):
        handle.result(timeout=10)
    assert [each.step_id for each in journal(app, handle)] == ["book#1"]


def test_a_result_that_can_not_be_recorded_is_a_failure_and_undone(app: Holdfast) -> None:
    @workflow
    def returns_nonsense() -> object:
        book("flight")
        return object()

    with pytest.raises(Exception, match="can't be recorded"):
        returns_nonsense()
    assert did == ["book flight", "unbook b-flight flight"]


def test_a_cancellation_undoes(app: Holdfast) -> None:
    @workflow
    def books_and_waits() -> None:
        book("flight")
        recv("never")

    handle = start(books_and_waits)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    handle.cancel()
    with pytest.raises(WorkflowWasCancelled):
        handle.result(timeout=10)
    assert did == ["book flight", "unbook b-flight flight"]


def test_cleaning_up_comes_before_undoing(app: Holdfast) -> None:
    @workflow
    def cleans_up() -> None:
        book("flight")
        try:
            recv("never")
        except WorkflowCancelled:
            book("cleaner")
            raise

    handle = start(cleans_up)
    handle.cancel()
    eventually(lambda: handle.status() is Status.CANCELLED)
    assert did == ["book flight", "book cleaner", "unbook b-cleaner cleaner", "unbook b-flight flight"]


def test_a_deadline_undoes_and_does_not_stop_the_undoing(app: Holdfast) -> None:
    tries: list[int] = []

    def tidy_up(_result: None) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("again")
        did.append("tidied up")

    @step(undo=tidy_up, retries=3, backoff=0.1)
    def prepare() -> None:
        did.append("prepare")

    @workflow
    def slow() -> None:
        prepare()
        sleep(3600)

    handle = options(timeout=0.3).start(slow)
    eventually(lambda: handle.status() is Status.CANCELLED)
    assert did == ["prepare", "tidied up"]


def test_an_undo_step_is_retried_as_its_step_is(app: Holdfast) -> None:
    attempts: list[int] = []

    def undo_flaky(_result: None) -> None:
        attempts.append(step_info().attempt)
        if len(attempts) < 3:
            raise ConnectionError("again")

    @step(retries=3, backoff=0.01, undo=undo_flaky)
    def flaky() -> None: ...

    @workflow
    def fails() -> None:
        flaky()
        raise Full("later")

    handle = start(fails)
    with pytest.raises(Full):
        handle.result(timeout=10)
    assert attempts == [1, 2, 3]
    assert next(each.attempts for each in journal(app, handle) if each.step_id.startswith("undo:")) == 3


def test_a_decorated_undo_has_its_own_options(app: Holdfast) -> None:
    attempts: list[int] = []

    @step(retries=1, backoff=0.01)
    def take_back(_result: None) -> None:
        attempts.append(step_info().attempt)
        if len(attempts) < 2:
            raise ConnectionError("again")

    @step(undo=take_back)
    def give() -> None: ...

    @workflow
    def fails() -> None:
        give()
        raise Full("later")

    with pytest.raises(Full):
        fails()
    assert attempts == [1, 2]


def test_an_undo_gets_the_result_as_it_was_recorded_and_all_arguments(app: Holdfast) -> None:
    given: list[object] = []

    def undo_all(result: dict[str, int], one: int, two: int = 2, *, three: int = 3) -> None:
        given.append((result, one, two, three))

    @step(undo=undo_all)
    def do_all(one: int, two: int = 2, *, three: int = 3) -> dict[str, int]:
        return {"sum": one + two + three}

    @workflow
    def fails() -> None:
        do_all(one=5)["sum"] = 0
        raise Full("later")

    with pytest.raises(Full):
        fails()
    assert given == [({"sum": 10}, 5, 2, 3)]


def test_a_transaction_is_undone_in_a_transaction(app: Holdfast) -> None:
    def count() -> int:
        cursor = connection().cursor()
        cursor.execute("SELECT count(*) FROM seats")
        return int(cursor.fetchone()[0])

    def free(row: int) -> None:
        connection().cursor().execute(f"DELETE FROM seats WHERE id = {row}")

    @transaction(undo=free)
    def take() -> int:
        cursor = connection().cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS seats (id INTEGER)")
        cursor.execute("INSERT INTO seats VALUES (7)")
        return 7

    @transaction
    def seats() -> int:
        return count()

    @workflow
    def fails() -> None:
        take()
        did.append(f"{seats()} taken")
        raise Full("later")

    handle = start(fails)
    with pytest.raises(Full):
        handle.result(timeout=10)
    assert did == ["1 taken"]
    assert seats() == 0
    assert [each.kind.value for each in journal(app, handle)][-1] == "transaction"


def test_on_undo_has_its_turn_among_the_steps(app: Holdfast) -> None:
    @workflow
    def fails() -> None:
        book("flight")
        on_undo(note, "between")
        book("hotel")
        on_undo(note, whom="last")
        raise Full("later")

    handle = start(fails)
    with pytest.raises(Full):
        handle.result(timeout=10)
    assert did[2:] == ["last", "unbook b-hotel hotel", "between", "unbook b-flight flight"]
    assert "on_undo:note#1" in [each.step_id for each in journal(app, handle)]


def note(whom: str) -> None:
    did.append(whom)


def test_on_undo_covers_a_step_that_may_have_left_something_behind(app: Holdfast) -> None:
    @workflow
    def fails() -> None:
        on_undo(note, "look whether it is there")
        book("full")

    with pytest.raises(Full):
        fails()
    assert did == ["book full", "look whether it is there"]


def test_on_undo_is_for_workflow_code(app: Holdfast) -> None:
    with pytest.raises(OutsideWorkflow):
        on_undo(note, "x")

    @step
    def inside() -> None:
        on_undo(note, "x")

    @workflow
    def asks_in_a_step() -> None:
        inside()

    with pytest.raises(UsageError, match="one recorded unit"):
        asks_in_a_step()


def test_an_undo_that_fails_halts_and_asks(app: Holdfast) -> None:
    broken.add("hotel")
    handle = start(trip, "flight", "hotel", "car", "full")
    with pytest.raises(WorkflowSetAside, match="hotel can't be given back"):
        handle.result(timeout=10)
    said = report(app, handle)
    assert said["step"] == "book#2"
    assert said["undone"] == "book#3"
    assert said["not undone"] == "book#2, book#1"
    assert "resume" in said["way out"]
    assert "skip_undo" in said["way out"]


def test_resumed_it_tries_again_what_failed_and_nothing_else(app: Holdfast) -> None:
    broken.add("hotel")
    handle = start(trip, "flight", "hotel", "car", "full")
    eventually(lambda: handle.status() is Status.BLOCKED)
    app.resume(handle.id)
    eventually(lambda: did.count("unbook b-hotel hotel") == 2 and handle.status() is Status.BLOCKED)
    broken.clear()
    app.resume(handle.id)
    with pytest.raises(Full) as caught:
        handle.result(timeout=10)
    assert str(caught.value) == "no room"
    assert did[4:] == [
        "unbook b-car car",
        "unbook b-hotel hotel",
        "unbook b-hotel hotel",
        "unbook b-hotel hotel",
        "unbook b-flight flight",
    ]
    assert "undone, newest first: book#3, book#2, book#1" in caught.value.__notes__
    tries = [each for each in journal(app, handle) if "book#2" in each.step_id and each.branch == "$undo"]
    assert [each.error is None for each in tries if each.step_id != "$undo"] == [False, False, True]


def test_a_person_may_have_it_skipped(app: Holdfast) -> None:
    broken.add("hotel")
    handle = start(trip, "flight", "hotel", "full")
    eventually(lambda: handle.status() is Status.BLOCKED)
    assert handle.skip_undo("called them") == "book#2"
    with pytest.raises(Full) as caught:
        handle.result(timeout=10)
    assert did[-1] == "unbook b-flight flight"
    assert "undone, newest first: book#1; not undone, as a person decided: book#2" in caught.value.__notes__
    mark = next(each for each in journal(app, handle) if each.step_id.endswith(":skipped"))
    assert (mark.kind.value, mark.output) == ("skipped", '"called them"')


def test_there_is_nothing_to_skip_elsewhere(app: Holdfast) -> None:
    handle = start(trip, "flight")
    handle.result(timeout=10)
    with pytest.raises(UsageError, match="nothing to skip"):
        handle.skip_undo()


def test_what_is_irreversible_halts_and_asks(app: Holdfast) -> None:
    @workflow
    def tells() -> None:
        book("flight")
        tell("everybody")
        book("full")

    handle = start(tells)
    eventually(lambda: handle.status() is Status.BLOCKED)
    assert report(app, handle)["why"] == "it is irreversible"
    assert did == ["book flight", "tell everybody", "book full"]
    app.resume(handle.id)
    eventually(lambda: handle.status() is Status.BLOCKED)
    handle.skip_undo()
    eventually(lambda: handle.status() is Status.FAILED)
    assert did[3:] == ["unbook b-flight flight"]


def test_cancelling_gives_the_rest_up(app: Holdfast) -> None:
    broken.add("hotel")
    handle = start(trip, "flight", "hotel", "full")
    eventually(lambda: handle.status() is Status.BLOCKED)
    handle.cancel()
    assert handle.status() is Status.CANCELLED
    assert "unbook b-flight flight" not in did


def test_parallel_branches_come_to_their_end_first(app: Holdfast) -> None:
    @workflow
    def parallel() -> None:
        gather(lambda: book("left"), lambda: book("full"), lambda: book("right"))

    with pytest.raises(Full):
        parallel()
    assert sorted(did[:3]) == ["book full", "book left", "book right"]
    assert sorted(did[3:]) == ["unbook b-left left", "unbook b-right right"]


def test_a_child_has_its_own_and_may_be_undone(app: Holdfast) -> None:
    @workflow
    def fails() -> None:
        on_undo(note, "the child")
        trip("flight")
        trip("hotel", "full")

    with pytest.raises(Full):
        fails()
    assert did == ["book flight", "book hotel", "book full", "unbook b-hotel hotel", "the child"]


def test_an_undo_may_be_a_workflow(app: Holdfast) -> None:
    @workflow
    def clears(_result: str, what: str) -> None:
        note(f"cleared {what}")

    @step(undo=clears)
    def fills(what: str) -> str:
        return what

    @workflow
    def fails() -> None:
        fills("tank")
        raise Full("later")

    with pytest.raises(Full):
        fails()
    assert did == ["cleared tank"]


class Shop:
    """Undoes with a method."""

    def give_back(self, order: str, item: str) -> None:
        did.append(f"{type(self).__name__} gives back {order} {item}")

    @step(undo=give_back)
    def sell(self, item: str) -> str:
        return f"o-{item}"


def test_a_method_is_undone_by_a_method(app: Holdfast) -> None:
    @workflow
    def fails() -> None:
        shop = Shop()
        shop.sell("book")
        on_undo(shop.give_back, "o-1", "pen")
        raise Full("later")

    with pytest.raises(Full):
        fails()
    assert did == ["Shop gives back o-1 pen", "Shop gives back o-book book"]


async def test_async_code_undoes_with_both_kinds_of_functions(store_url: str) -> None:
    async def aunbook(booking: str, what: str) -> None:
        await asyncio.sleep(0)
        did.append(f"aunbook {booking} {what}")

    @step(undo=aunbook)
    async def abook(what: str) -> str:
        did.append(f"abook {what}")
        return f"b-{what}"

    @step(undo=unbook)
    async def abook_plainly(what: str) -> str:
        return f"b-{what}"

    @workflow
    async def fails() -> None:
        await abook("flight")
        await abook_plainly("hotel")
        on_undo(aunbook, "x", "y")
        on_undo(note, "plain")
        raise Full("later")

    async with Holdfast(store_url, config=QUICK):
        handle = await astart(fails)
        with pytest.raises(Full):
            await handle.aresult(timeout=10)
    assert did == ["abook flight", "plain", "aunbook x y", "unbook b-hotel hotel", "aunbook b-flight flight"]


async def test_a_cancelled_coroutine_is_undone(store_url: str) -> None:
    began = asyncio.Event()

    @step
    async def hangs() -> None:
        began.set()
        await asyncio.Event().wait()

    @step(undo=unbook)
    async def abook(what: str) -> str:
        return f"b-{what}"

    @workflow
    async def hanging() -> None:
        await abook("flight")
        await hangs()

    async with Holdfast(store_url, config=QUICK):
        handle = await astart(hanging)
        await began.wait()
        await handle.acancel()
        with pytest.raises(WorkflowWasCancelled):
            await handle.aresult(timeout=10)
    assert did == ["unbook b-flight flight"]


async def test_a_task_that_nobody_waits_for_ends_its_step_before_the_undoing(store_url: str) -> None:
    may_end, began = asyncio.Event(), asyncio.Event()

    @step(undo=unbook)
    async def books_slowly(what: str) -> str:
        began.set()
        await may_end.wait()
        return f"b-{what}"

    @workflow
    async def careless() -> None:
        tasks.append(asyncio.create_task(careless_part()))
        await began.wait()
        raise Full("meanwhile")

    async def careless_part() -> None:
        await books_slowly("flight")
        await books_slowly("never")

    tasks: list[asyncio.Task[None]] = []
    async with Holdfast(store_url, config=QUICK) as app:
        handle = await astart(careless)
        await aeventually(lambda: any(each._code_ended for each in app.engine.running))
        may_end.set()
        with pytest.raises(Full):
            await handle.aresult(timeout=10)
        await asyncio.gather(*tasks, return_exceptions=True)
    assert did == ["unbook b-flight flight"]


async def test_halted_async_code_is_resumed_and_skipped(store_url: str) -> None:
    @step(name="abook", undo=unbook)
    async def abook(what: str) -> str:
        return f"b-{what}"

    @workflow
    async def fails() -> None:
        await agather(abook("flight"), abook("hotel"))
        raise Full("later")

    broken.add("hotel")
    async with Holdfast(store_url, config=QUICK) as app:
        handle = await astart(fails)
        await aeventually(lambda: _is(handle, Status.BLOCKED))
        await app.aresume(handle.id)
        await aeventually(lambda: _is(handle, Status.BLOCKED))
        assert await handle.askip_undo() in {"gather#1/abook#1", "gather#2/abook#1"}
        with pytest.raises(Full):
            await handle.aresult(timeout=10)
    assert did.count("unbook b-flight flight") == 1


async def _is(handle: Handle[Any], status: Status) -> bool:
    return await handle.astatus() is status


def test_a_shutdown_in_the_middle_goes_on_after_the_restart(store_url: str) -> None:
    def slow_undo(_result: str, what: str) -> None:
        if what == "hotel" and what in broken:
            broken.clear()
            app.engine.closing = True
            for execution in app.engine.running:
                execution.leave(Released())
        did.append(f"undo {what}")

    @step(undo=slow_undo)
    def books(what: str) -> str:
        return what

    @workflow
    def fails() -> None:
        books("flight")
        books("hotel")
        raise Full("later")

    broken.add("hotel")
    app = Holdfast(store_url, config=QUICK)
    with app:
        handle = start(fails)
        eventually(lambda: did == ["undo hotel"])
    with Holdfast(store_url, config=QUICK) as again, pytest.raises(Full):
        again.retrieve(handle.id).result(timeout=10)
    assert did == ["undo hotel", "undo flight"]


def test_what_does_not_fit_is_refused_when_it_is_declared() -> None:
    async def never(_result: str) -> None: ...

    with pytest.raises(ConfigurationError, match="and so must be what undoes it"):

        @step(undo=never)
        def one() -> str:
            return ""

    with pytest.raises(ConfigurationError, match=r"undo\(result, what\)"):

        @step(undo=lambda result: result)
        def two(what: str) -> str:
            return what

    with pytest.raises(ConfigurationError, match="must be a function"):
        step(undo=cast(Any, "three"))(note)

    with pytest.raises(ConfigurationError, match="irreversible"):

        @step(undo=note, irreversible=True)
        def four() -> None: ...


def test_a_plain_call_undoes_nothing() -> None:
    with pytest.raises(Full):
        trip("flight", "full")
    assert did == ["book flight", "book full"]
