"""Messages, events, streams, sleep: what workflows wait for, in memory and out of it."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from holdfast import (
    Config,
    Holdfast,
    Status,
    agather,
    aget_event,
    aread_stream,
    arecv,
    asend,
    aset_event,
    asleep,
    astart,
    awrite_stream,
    branch,
    close_stream,
    failpoints,
    gather,
    get_event,
    options,
    read_stream,
    recv,
    retrieve,
    send,
    set_event,
    sleep,
    start,
    step,
    workflow,
    write_stream,
)
from holdfast.core.model import MailboxMessage
from holdfast.errors import OutsideWorkflow, UsageError, WorkflowNotFound
from holdfast.runtime.execution import Execution
from holdfast.runtime.mailbox import MOST_TAKEN
from tests.engine.conftest import QUICK
from tests.helpers import aeventually, eventually

ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@dataclass
class Answer:
    approved: bool
    by: str


@step
async def anote(what: str) -> None:
    ran.append(what)


@step
def note(what: str) -> None:
    ran.append(what)


@workflow
def collects(count: int) -> list[str]:
    note("began")
    return [recv("names") for _ in range(count)]


@workflow
async def acollects(count: int) -> list[str]:
    note("began")
    return [await arecv("names") for _ in range(count)]


def suspended(app: Holdfast, workflow_id: str) -> bool:
    return app.get_workflow(workflow_id).status is Status.SUSPENDED


def test_messages_come_in_order_and_once(app: Holdfast) -> None:
    handle = start(collects, 3)
    for name in ("ada", "bob", "cyd"):
        send(handle.id, name, topic="names")
    assert handle.result(timeout=10) == ["ada", "bob", "cyd"]


@workflow
def receives_what_is_there(count: int) -> list[str]:
    note("begins")
    commits = app_of_the_test[0].engine.committer.commits
    heard = [str(recv()) for _ in range(count)]
    ran.append(str(app_of_the_test[0].engine.committer.commits - commits))
    return heard


app_of_the_test: list[Holdfast] = []


def test_receiving_what_is_there_makes_no_commit_of_its_own(store_url: str) -> None:
    with Holdfast(store_url, config=Config(heartbeat=60.0, lease=600.0)) as app:
        app_of_the_test[:] = [app]
        handle = options(id="one", delay=0.5).start(receives_what_is_there, 20)
        for number in range(20):
            send("one", str(number))
        assert handle.result(timeout=20) == [str(number) for number in range(20)]
    assert ran == ["begins", "0"]


@workflow
def receives_more_than_may_wait_for_its_commit() -> list[str]:
    return [str(recv(timeout=0)) for _ in range(MOST_TAKEN * 2 + 2)]


def test_many_messages_are_received_in_order_and_once(app: Holdfast) -> None:
    handle = options(id="one", delay=0.5).start(receives_more_than_may_wait_for_its_commit)
    for number in range(MOST_TAKEN * 2 + 1):
        send("one", str(number))
    assert handle.result(timeout=20) == [*(str(number) for number in range(MOST_TAKEN * 2 + 1)), "None"]


@workflow
def receives_in_branches(count: int) -> list[str]:
    return gather(*[lambda: str(recv("go")) for _ in range(count)])


def test_branches_that_receive_at_once_receive_each_message_once(app: Holdfast) -> None:
    handle = options(id="one").start(receives_in_branches, 8)
    for number in range(8):
        send("one", str(number), topic="go")
    assert sorted(handle.result(timeout=20)) == [str(number) for number in range(8)]


@workflow
def receives_twice_without_waiting() -> list[object]:
    return [recv("go", timeout=0), recv("go", timeout=0)]


LAST_LOOK = 2
"""A receive looks before it waits, and when its time is up."""


def test_a_message_that_comes_just_after_the_time_was_up_is_the_next_receives(
    app: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, looks = app.store.mailbox, itertools.count(1)

    def loses_the_race(workflow_id: str, topic: str, limit: int) -> Sequence[MailboxMessage]:
        found = look(workflow_id, topic, limit)
        if next(looks) == LAST_LOOK:
            send(workflow_id, "late", topic="go")
        return found

    monkeypatch.setattr(app.store, "mailbox", loses_the_race)
    handle = options(id="one").start(receives_twice_without_waiting)
    assert handle.result(timeout=20) == [None, "late"]


def test_a_message_with_a_key_is_delivered_once(app: Holdfast) -> None:
    handle = start(collects, 2)
    send(handle.id, "ada", topic="names", key="k1")
    send(handle.id, "ada", topic="names", key="k1")
    send(handle.id, "bob", topic="names", key="k2")
    assert handle.result(timeout=10) == ["ada", "bob"]


@pytest.mark.parametrize("collector", [collects, acollects])
def test_a_waiting_workflow_leaves_memory_and_comes_back_without_repeating_steps(
    app: Holdfast, collector: Callable[[int], object]
) -> None:
    handle = start(collector, 1)
    eventually(lambda: suspended(app, handle.id))
    eventually(lambda: not app.engine.running)
    send(handle.id, "ada", topic="names")
    assert handle.result(timeout=10) == ["ada"]
    assert ran == ["began"]


def test_a_waiting_workflow_holds_no_thread(store_url: str) -> None:
    with Holdfast(store_url, config=Config(suspend_after=0.01, max_threads=2, heartbeat=0.2, lease=2)) as app:
        handles = [start(collects, 1) for _ in range(20)]
        eventually(lambda: all(suspended(app, handle.id) for handle in handles), timeout=20)
        for handle in handles:
            send(handle.id, handle.id, topic="names")
        assert [handle.result(timeout=20) for handle in handles] == [[handle.id] for handle in handles]


def test_a_waiting_workflow_leaves_no_object_in_memory(app: Holdfast) -> None:
    ids = [start(collects, 1).id for _ in range(20)]
    eventually(lambda: all(suspended(app, each) for each in ids), timeout=20)

    def left() -> list[Execution]:
        gc.collect()
        return [each for each in gc.get_objects() if isinstance(each, Execution) and each.workflow_id in ids]

    eventually(lambda: not left())


def test_a_receive_times_out_with_none_in_memory_and_out_of_it(app: Holdfast) -> None:
    @workflow
    def impatient(seconds: float) -> str:
        return "nothing" if recv("x", timeout=seconds) is None else "something"

    assert start(impatient, 0.0).result(timeout=10) == "nothing"
    assert start(impatient, 0.02).result(timeout=10) == "nothing"
    assert start(impatient, 0.5).result(timeout=10) == "nothing"


def test_messages_are_decoded_as_the_receiver_says(app: Holdfast) -> None:
    @workflow
    def decided() -> str:
        answer = recv("decision", type=Answer)
        return f"{answer.by}: {answer.approved}"

    handle = start(decided)
    send(handle.id, Answer(approved=True, by="ada"), topic="decision")
    assert handle.result(timeout=10) == "ada: True"


def test_a_workflow_sends_to_another_once_although_it_is_replayed(app: Holdfast) -> None:
    @workflow
    def tells(whom: str) -> str:
        send(whom, "from a workflow", topic="names")
        return str(recv("go"))

    collector = start(collects, 2)
    teller = start(tells, collector.id)
    eventually(lambda: suspended(app, teller.id))
    send(teller.id, "gone", topic="go")
    assert teller.result(timeout=10) == "gone"
    send(collector.id, "last", topic="names")
    assert collector.result(timeout=10) == ["from a workflow", "last"]


def test_sending_to_nobody_is_an_error(app: Holdfast) -> None:
    with pytest.raises(WorkflowNotFound, match="nobody"):
        send("nobody", 1)

    @workflow
    def sends_to_nobody() -> str:
        try:
            send("nobody", 1)
        except WorkflowNotFound:
            return "told"
        return "sent"

    assert sends_to_nobody() == "told"


def test_recv_belongs_into_workflow_code(app: Holdfast) -> None:
    with pytest.raises(OutsideWorkflow, match="recv"):
        recv()

    @step
    def receives() -> None:
        recv()

    @workflow
    def wrong() -> None:
        receives()

    with pytest.raises(UsageError, match="receives"):
        wrong()


@workflow
def announces(value: int) -> str:
    set_event("progress", value)
    return str(recv("stop"))


def test_an_event_is_read_by_others_and_waited_for(app: Holdfast) -> None:
    handle = start(announces, 7)
    assert get_event(handle.id, "progress", timeout=10) == 7
    assert get_event(handle.id, "other", timeout=0.05) is None
    send(handle.id, "now", topic="stop")
    handle.result(timeout=10)
    assert get_event(handle.id, "progress") == 7


def test_a_workflow_waits_out_of_memory_for_anothers_event_and_result(app: Holdfast) -> None:
    @workflow
    def late(value: int) -> int:
        recv("go")
        set_event("value", value)
        recv("end")
        return value + 1

    @workflow
    def watches(whom: str) -> list[int]:
        return [get_event(whom, "value"), retrieve(whom).result()]

    other = start(late, 5)
    watcher = start(watches, other.id)
    eventually(lambda: suspended(app, watcher.id))
    send(other.id, 1, topic="go")
    eventually(lambda: len(app.get_journal(watcher.id)) == 1)
    eventually(lambda: suspended(app, watcher.id))
    send(other.id, 1, topic="end")
    assert watcher.result(timeout=10) == [5, 6]


def test_a_parent_waits_out_of_memory_for_its_child(app: Holdfast) -> None:
    @workflow
    def calls_a_child() -> list[str]:
        return collects(1)

    handle = start(calls_a_child)
    eventually(lambda: suspended(app, handle.id))
    send(f"{handle.id}/collects#1", "ada", topic="names")
    assert handle.result(timeout=10) == ["ada"]
    assert ran == ["began"]


@workflow
def child_with_a_step() -> str:
    note("child")
    return str(recv("go"))


@workflow
def calls_a_child_with_a_step() -> str:
    return child_with_a_step()


def test_a_child_that_ended_while_its_parent_left_memory_runs_no_step_again(app: Holdfast) -> None:
    child = "parent/child_with_a_step#1"

    def let_the_child_end(point: str, about: object) -> None:
        if point == "suspend.before" and about == "parent":
            send(child, "now", topic="go")
            assert retrieve(child).result(timeout=20) == "now"

    with failpoints.installed(let_the_child_end):
        assert options(id="parent").start(calls_a_child_with_a_step).result(timeout=20) == "now"
    assert ran == ["child"]


def test_sleep_survives_leaving_memory_and_never_ends_early(app: Holdfast) -> None:
    @workflow
    def sleeps(seconds: float) -> None:
        sleep(seconds)

    began = app.store.now()
    handle = start(sleeps, 0.4)
    eventually(lambda: suspended(app, handle.id))
    handle.result(timeout=10)
    assert app.store.now() - began >= 0.4


def test_branches_that_all_wait_leave_memory_together(app: Holdfast) -> None:
    @workflow
    def both() -> list[str]:
        return gather(lambda: recv("a"), lambda: recv("b"))

    handle = start(both)
    eventually(lambda: suspended(app, handle.id))
    send(handle.id, "second", topic="b")
    send(handle.id, "first", topic="a")
    assert handle.result(timeout=10) == ["first", "second"]


def test_a_workflow_may_ask_to_wait_in_memory(app: Holdfast) -> None:
    @workflow(suspend=False)
    def stays() -> str:
        ran.append("entered")
        return str(recv("x"))

    handle = start(stays)
    eventually(lambda: ran == ["entered"])
    threading.Event().wait(0.3)  # longer than it would be kept in memory otherwise
    assert app.get_workflow(handle.id).status is Status.RUNNING
    send(handle.id, "y", topic="x")
    assert handle.result(timeout=10) == "y"
    assert ran == ["entered"]


@workflow
def counts(upto: int) -> None:
    for number in range(upto):
        write_stream("numbers", number)
    close_stream("numbers")
    recv("end", timeout=0.2)


def test_a_stream_is_read_in_order_and_from_any_offset(app: Holdfast) -> None:
    handle = start(counts, 5)
    assert list(read_stream(handle.id, "numbers")) == [(n, n) for n in range(5)]
    assert list(read_stream(handle.id, "numbers", offset=3)) == [(3, 3), (4, 4)]
    handle.result(timeout=10)
    assert list(read_stream(handle.id, "numbers")) == [(n, n) for n in range(5)]


def test_a_stream_ends_with_its_workflow(app: Holdfast) -> None:
    @workflow
    def forgets_to_close() -> None:
        write_stream("s", "only")

    handle = start(forgets_to_close)
    assert [value for _, value in read_stream(handle.id, "s")] == ["only"]


def test_steps_write_to_streams_and_set_events(app: Holdfast) -> None:
    @step
    def talks() -> None:
        write_stream("s", "from a step")
        set_event("e", "from a step")

    @workflow
    def lets_talk() -> None:
        talks()

    options(id="w").call(lets_talk)
    assert [value for _, value in read_stream("w", "s")] == ["from a step"]
    assert get_event("w", "e") == "from a step"


async def test_every_verb_has_its_twin(store_url: str) -> None:
    @workflow
    async def uses_all(other: str) -> list[object]:
        await asleep(0.01)
        await awrite_stream("s", 1)
        await aset_event("e", 2)
        await asend(other, "hi", topic="names")
        return [await arecv("x"), await aget_event(other, "none", timeout=0.01)]

    async with Holdfast(store_url, config=QUICK):
        other = await astart(acollects, 1)
        handle = await astart(uses_all, other.id)
        assert await aget_event(handle.id, "e", timeout=10) == 2
        await asend(handle.id, 3, topic="x")
        assert await handle.aresult(timeout=10) == [3, None]
        assert await other == ["hi"]
        assert [item async for item in aread_stream(handle.id, "s")] == [(0, 1)]


async def test_many_coroutines_wait_out_of_memory(store_url: str) -> None:
    async with Holdfast(store_url, config=QUICK) as app:
        handles = [await astart(acollects, 1) for _ in range(50)]

        async def all_suspended() -> bool:
            states = await asyncio.gather(*(handle.astatus() for handle in handles))
            return all(state is Status.SUSPENDED for state in states)

        await aeventually(all_suspended)
        await aeventually(lambda: not app.engine.running)
        for handle in handles:
            await asend(handle.id, handle.id, topic="names")
        assert [await handle for handle in handles] == [[handle.id] for handle in handles]


@workflow
def cleans_up() -> str:
    try:
        return str(recv("go"))
    finally:
        note("cleaned")


@workflow
async def acleans_up() -> str:
    try:
        return str(await arecv("go"))
    finally:
        await anote("cleaned")


@workflow
def cleans_up_after_a_child() -> str:
    try:
        return cleans_up()
    finally:
        note("cleaned by the parent")


@workflow
async def acleans_up_after_a_child() -> str:
    try:
        return await acleans_up()
    finally:
        await anote("cleaned by the parent")


@workflow
def cleans_up_after_branches() -> str:
    def inner(topic: str) -> str:
        try:
            with branch(f"in {topic}"):
                return str(recv(topic))
        finally:
            note(f"cleaned {topic}")

    try:
        return "".join(gather(lambda: inner("go"), lambda: inner("and go")))
    finally:
        note("cleaned by the workflow")


@workflow
async def acleans_up_after_branches() -> str:
    async def inner(topic: str) -> str:
        try:
            with branch(f"in {topic}"):
                return str(await arecv(topic))
        finally:
            await anote(f"cleaned {topic}")

    try:
        return "".join(await agather(inner("go"), inner("and go")))
    finally:
        await anote("cleaned by the workflow")


@workflow
def swallows_what_unwinds_it() -> str:
    try:
        return str(recv("go"))
    except BaseException:  # noqa: BLE001 - what is tested
        note("swallowed")
        return "nothing"


CLEANED = {
    "cleans_up": ["cleaned"],
    "cleans_up_after_a_child": ["cleaned", "cleaned by the parent"],
    "cleans_up_after_branches": ["cleaned and go", "cleaned by the workflow", "cleaned go"],
}


@pytest.mark.parametrize(
    "function",
    [
        cleans_up,
        acleans_up,
        cleans_up_after_a_child,
        acleans_up_after_a_child,
        cleans_up_after_branches,
        acleans_up_after_branches,
    ],
)
def test_a_step_in_finally_does_not_run_when_the_workflow_leaves_memory(
    app: Holdfast, function: Callable[[], str]
) -> None:
    handle = app.start(function)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    assert ran == []
    name = function.__name__.removeprefix("a")
    receiver = f"{handle.id}/{function.__name__.removesuffix('_after_a_child')}#1" if "child" in name else handle.id
    send(receiver, "now", topic="go")
    if "branches" in name:
        eventually(lambda: ran)
        eventually(lambda: handle.status() is Status.SUSPENDED)
        assert ran == ["cleaned go"]
        send(receiver, "", topic="and go")
    assert handle.result(timeout=20) == "now"
    assert sorted(ran) == CLEANED[name]


def test_code_that_swallows_what_unwinds_it_goes_on_waiting(app: Holdfast) -> None:
    handle = app.start(swallows_what_unwinds_it)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    send(handle.id, "now", topic="go")
    assert handle.result(timeout=20) == "now"
    assert ran == []
