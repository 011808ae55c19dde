"""Forks and retries: what was recorded is taken over, the rest runs anew, the original stays as it was."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from holdfast import (
    Client,
    Holdfast,
    Lineage,
    Queue,
    Status,
    WorkflowFilter,
    gather,
    options,
    recv,
    retrieve,
    run_step,
    send,
    set_attributes,
    set_event,
    step,
    step_info,
    workflow,
    write_stream,
)
from holdfast.core.archive import Contents
from holdfast.core.model import WorkflowRecord
from holdfast.errors import StepOutcomeUnknown, UsageError, WorkflowIdConflict, WorkflowNotFound
from tests.engine.conftest import QUICK
from tests.helpers import eventually

ran: list[Any] = []
broken: set[str] = set()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()
    broken.clear()


@dataclasses.dataclass(frozen=True)
class Order:
    number: int
    price: Decimal


@step
def find(number: int) -> Order:
    ran.append(("find", number))
    return Order(number, Decimal("12.50"))


@step
def charge(order: Order) -> str:
    ran.append(("charge", order.price))
    if "charge" in broken:
        raise ValueError("the bank is closed")
    return f"receipt for {order.price}"


@step
def tell(text: str) -> None:
    ran.append(("tell", text))
    if "tell" in broken:
        raise OSError("no mail")


@workflow(name="forks.order")
def order(number: int, greeting: str = "hello") -> str:
    set_attributes(number=number)
    found = find(number)
    set_event("found", found.number)
    write_stream("log", "found")
    receipt = charge(found)
    write_stream("log", "charged")
    tell(f"{greeting}: {receipt}")
    return receipt


def everything(app: Holdfast, workflow_id: str) -> tuple[WorkflowRecord, Contents]:
    return app.get_workflow(workflow_id), app.store.contents(workflow_id)


def test_a_fork_goes_on_from_a_step_with_the_outcomes_before_it(app: Holdfast) -> None:
    options(id="one").start(order, 1).result(timeout=10)
    before = everything(app, "one")
    ran.clear()
    fork = app.admin.fork("one", "charge#1", id="two")
    assert retrieve(fork).result(timeout=10) == "receipt for 12.50"
    assert ran == [("charge", Decimal("12.50")), ("tell", "hello: receipt for 12.50")]
    assert everything(app, "one") == before
    details = app.admin.show("two")
    assert details.lineage == Lineage(forked_from="one", forked_step="charge#1", forked_at=details.record.created_at)
    assert app.admin.show("one").forks == ("two",)
    assert details.record.version == before[0].version


def test_what_was_published_before_the_fork_is_there_too(app: Holdfast, store_url: str) -> None:
    options(id="one").start(order, 1).result(timeout=10)
    broken.add("charge")
    with Client(store_url) as client:
        fork = client.admin.fork("one", "charge#1")
        with pytest.raises(ValueError, match="bank"):
            client.retrieve(fork).result(timeout=10)
        assert client.get_event(fork, "found") == 1
        assert list(client.read_stream(fork, "log")) == [(0, "found")]
        assert client.admin.show(fork).attributes == {"number": 1}


def test_a_place_can_be_given_by_its_number(app: Holdfast) -> None:
    options(id="one").start(order, 1).result(timeout=10)
    numbers = {each.step_id: each.seq for each in app.get_journal("one")}
    ran.clear()
    retrieve(app.admin.fork("one", numbers["tell#1"])).result(timeout=10)
    assert ran == [("tell", "hello: receipt for 12.50")]


def test_without_a_place_all_runs_anew(app: Holdfast) -> None:
    options(id="one").start(order, 1).result(timeout=10)
    ran.clear()
    fork = app.admin.fork("one")
    retrieve(fork).result(timeout=10)
    assert [each[0] for each in ran] == ["find", "charge", "tell"]
    lineage = app.admin.show(fork).lineage
    assert lineage is not None
    assert lineage.forked_step is None


def test_an_edited_outcome_is_seen_by_what_comes_after_it(app: Holdfast) -> None:
    options(id="one").start(order, 1).result(timeout=10)
    before = everything(app, "one")
    ran.clear()
    fork = app.admin.fork("one", outcomes={"find#1": Order(1, Decimal(99))})
    assert retrieve(fork).result(timeout=10) == "receipt for 99"
    assert ran == [("charge", Decimal(99)), ("tell", "hello: receipt for 99")]
    assert everything(app, "one") == before


def test_an_edited_outcome_may_be_plain_json_or_an_error(app: Holdfast, store_url: str) -> None:
    options(id="one").start(order, 1).result(timeout=10)
    with Client(store_url) as client:
        plain = client.admin.fork("one", outcomes={"find#1": {"number": 1, "price": Decimal(7)}})
        assert client.retrieve(plain).result(timeout=10) == "receipt for 7"
        failing = client.admin.fork("one", outcomes={"charge#1": ValueError("no money")})
        with pytest.raises(ValueError, match="no money"):
            client.retrieve(failing).result(timeout=10)


def test_an_edited_input_is_seen_while_outcomes_are_kept(app: Holdfast) -> None:
    options(id="one").start(order, 1).result(timeout=10)
    ran.clear()
    fork = app.admin.fork("one", "tell#1", input={"greeting": "goodbye"})
    retrieve(fork).result(timeout=10)
    other = app.admin.fork("one", "charge#1", input={"number": 2})
    retrieve(other).result(timeout=10)
    assert ran == [
        ("tell", "goodbye: receipt for 12.50"),
        ("charge", Decimal("12.50")),
        ("tell", "hello: receipt for 12.50"),
    ]


def test_a_fork_with_an_id_is_made_once(app: Holdfast) -> None:
    options(id="one").start(order, 1).result(timeout=10)
    ran.clear()
    for _ in range(2):
        assert app.admin.fork("one", "tell#1", id="two") == "two"
        retrieve("two").result(timeout=10)
    assert len(ran) == 1
    with pytest.raises(WorkflowIdConflict, match="forked from 'one'"):
        app.admin.fork("one", "charge#1", id="two")
    with pytest.raises(WorkflowIdConflict):
        app.admin.fork("one", "tell#1", id="two", input={"number": 7})
    with pytest.raises(WorkflowIdConflict):
        app.admin.fork("two", "tell#1", id="one")


def test_a_fork_has_all_the_time_of_the_original_and_its_turn_in_the_queue(store_url: str) -> None:
    with Holdfast(store_url, config=QUICK, queues=[Queue("forks")]) as app:
        handle = options(queue="forks", partition="tenant", priority=3, timeout=3600).start(order, 1)
        handle.result(timeout=20)
        origin = app.get_workflow(handle.id)
        copy = app.get_workflow(app.admin.fork(handle.id, id="fork"))
        assert (copy.queue, copy.partition, copy.priority, copy.timeout) == ("forks", "tenant", 3, 3600)
        app.retrieve("fork").result(timeout=20)
        limited = app.get_workflow("fork")
        assert (limited.deadline_at or 0) >= limited.created_at + 3600
        assert app.get_workflow(handle.id) == origin


def test_what_can_not_be_forked_is_an_error(app: Holdfast) -> None:
    options(id="one").start(order, 1).result(timeout=10)
    with pytest.raises(WorkflowNotFound):
        app.admin.fork("none")
    with pytest.raises(UsageError, match="no step 'pay#1'; it has 'set_attributes#1'"):
        app.admin.fork("one", "pay#1")
    with pytest.raises(UsageError, match="recorded before"):
        app.admin.fork("one", "find#1", outcomes={"charge#1": "x"})
    with pytest.raises(UsageError, match="no outcome of 'set_event:found#1'"):
        app.admin.fork("one", outcomes={"set_event:found#1": 1})
    with pytest.raises(UsageError, match="takes no argument 'nummer'"):
        app.admin.fork("one", input={"nummer": 2})
    assert app.admin.show("one").forks == ()


def test_messages_and_children_are_taken_over_as_outcomes(app: Holdfast) -> None:
    @workflow
    def child(value: str) -> str:
        ran.append("child")
        return value * 2

    @workflow
    def parent() -> str:
        text = recv(timeout=60)
        doubled = child(text)
        tell(doubled)
        return doubled

    handle = options(id="parent").start(parent)
    send(handle.id, "ab")
    handle.result(timeout=10)
    ran.clear()
    fork = app.admin.fork("parent", "tell#1")
    assert retrieve(fork).result(timeout=10) == "abab"
    assert ran == [("tell", "abab")]
    assert app.admin.show(fork).children == ()


def test_a_wait_that_is_not_taken_over_begins_anew(app: Holdfast) -> None:
    @workflow
    def waits() -> object:
        return recv(timeout=3600)

    handle = options(id="waits").start(waits)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    [checkpoint] = app.get_journal("waits")
    fork = app.admin.fork("waits", checkpoint.seq + 1)  # nothing but the wait's end is recorded
    send(fork, "hello")
    assert retrieve(fork).result(timeout=10) == "hello"
    assert handle.status() is Status.SUSPENDED


def test_of_parallel_branches_what_was_recorded_later_is_cut(app: Holdfast) -> None:
    @workflow
    def parallel() -> list[str]:
        def branch(name: str) -> str:
            def note(place: str) -> str:
                ran.append(place)
                return name

            return run_step(f"{name}1", note, f"{name}1") + run_step(f"{name}2", note, f"{name}2")

        return gather(lambda: branch("a"), lambda: branch("b"))

    handle = options(id="parallel").start(parallel)
    handle.result(timeout=10)
    steps = [each for each in app.get_journal("parallel") if each.name[0] in "ab"]
    for place in steps:
        ran.clear()
        assert retrieve(app.admin.fork("parallel", place.step_id)).result(timeout=10) == ["aa", "bb"]
        assert sorted(map(str, ran)) == sorted(each.name for each in steps if each.seq >= place.seq)


# Retries


def test_a_retry_goes_on_at_the_step_that_failed(app: Holdfast) -> None:
    broken.add("charge")
    handle = options(id="one").start(order, 1)
    with pytest.raises(ValueError, match="bank"):
        handle.result(timeout=10)
    broken.clear()
    ran.clear()
    before = everything(app, "one")
    changed = app.admin.retry("one")
    assert changed.workflow_ids == ("one~retry",)
    assert retrieve("one~retry").result(timeout=10) == "receipt for 12.50"
    assert ran == [("charge", Decimal("12.50")), ("tell", "hello: receipt for 12.50")]
    assert everything(app, "one") == before
    assert app.admin.retry("one").workflow_ids == ("one~retry",)
    assert len(app.admin.show("one").forks) == 1


def test_an_error_that_was_handled_is_not_tried_again(app: Holdfast) -> None:
    @workflow
    def careful() -> str:
        try:
            tell("first")
        except OSError:
            ran.append("handled")
        charge(Order(1, Decimal(1)))
        return "done"

    broken.update({"tell", "charge"})
    with pytest.raises(ValueError, match="bank"):
        options(id="careful").start(careful).result(timeout=10)
    broken.clear()
    ran.clear()
    app.admin.retry("careful")
    assert retrieve("careful~retry").result(timeout=10) == "done"
    assert ran == ["handled", ("charge", Decimal(1))]


def test_the_step_behind_another_error_is_found(app: Holdfast) -> None:
    @workflow
    def wrapping() -> str:
        try:
            tell("x")
        except OSError as error:
            raise RuntimeError("could not tell") from error
        return "told"

    broken.add("tell")
    with pytest.raises(RuntimeError):
        options(id="wrapping").start(wrapping).result(timeout=10)
    broken.clear()
    app.admin.retry("wrapping")
    assert retrieve("wrapping~retry").result(timeout=10) == "told"


def test_where_the_code_itself_failed_all_outcomes_are_kept(app: Holdfast) -> None:
    @workflow
    def fragile() -> str:
        tell("once")
        if "code" in broken:
            raise KeyError("a defect")
        return "mended"

    broken.add("code")
    with pytest.raises(KeyError):
        options(id="fragile").start(fragile).result(timeout=10)
    broken.clear()
    app.admin.retry("fragile")
    assert retrieve("fragile~retry").result(timeout=10) == "mended"
    assert ran == [("tell", "once")]


def test_from_the_start_nothing_is_kept(app: Holdfast) -> None:
    broken.add("tell")
    with pytest.raises(OSError, match="no mail"):
        options(id="one").start(order, 1).result(timeout=10)
    broken.clear()
    ran.clear()
    app.admin.retry("one", from_start=True)
    retrieve("one~retry").result(timeout=10)
    assert [each[0] for each in ran] == ["find", "charge", "tell"]


def test_a_cancelled_one_goes_on_where_it_was_cancelled(app: Holdfast) -> None:
    @workflow
    def waits() -> object:
        tell("begun")
        return recv()

    handle = options(id="waits").start(waits)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    app.admin.cancel("waits")
    eventually(lambda: handle.status() is Status.CANCELLED)
    app.admin.retry("waits")
    send("waits~retry", "now")
    assert retrieve("waits~retry").result(timeout=10) == "now"
    assert ran == [("tell", "begun")]


def test_a_retry_does_not_run_an_at_most_once_step_whose_outcome_nobody_knows(app: Holdfast) -> None:
    @step(at_most_once=True)
    def pay() -> str:
        ran.append(step_info().workflow_id)
        raise StepOutcomeUnknown(step_info().workflow_id, "pay#1")

    @workflow
    def pays() -> str:
        return pay()

    with pytest.raises(StepOutcomeUnknown):
        options(id="pays").start(pays).result(timeout=10)
    app.admin.retry("pays")
    with pytest.raises(StepOutcomeUnknown):
        retrieve("pays~retry").result(timeout=10)
    assert ran == ["pays"]


def test_only_what_failed_is_retried_and_a_filter_finds_it(app: Holdfast) -> None:
    broken.add("charge")
    for number in range(3):
        with pytest.raises(ValueError, match="bank"):
            options(id=f"order-{number}").start(order, number).result(timeout=10)
    broken.clear()
    options(id="order-3").start(order, 3).result(timeout=10)
    where = WorkflowFilter(id_prefix="order-", attributes={"number": 1})
    assert app.admin.retry(where, dry_run=True).workflow_ids == ("order-1~retry",)
    assert app.admin.show("order-1").forks == ()
    changed = app.admin.retry(WorkflowFilter(id_prefix="order-", status=(Status.FAILED,)), limit=2)
    assert (changed.workflow_ids, changed.more) == (("order-2~retry", "order-1~retry"), True)
    assert app.admin.retry("order-3").kept == {"order-3": "it is succeeded"}


async def test_forks_and_retries_work_in_coroutines(store_url: str) -> None:
    async with Holdfast(store_url, config=QUICK) as app:
        broken.add("tell")
        handle = await options(id="one").astart(order, 1)
        with pytest.raises(OSError, match="no mail"):
            await handle
        broken.clear()
        assert (await app.admin.aretry("one")).workflow_ids == ("one~retry",)
        fork = await app.admin.afork("one", "tell#1")
        assert await retrieve(fork).aresult(timeout=10) == "receipt for 12.50"
        with pytest.raises(UsageError, match=r"await admin\.afork"):
            app.admin.fork("one")
