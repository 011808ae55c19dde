"""A client: no workflow code, no lease, no worker; what it starts is run by another process."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from holdfast import Client, Holdfast, Queue, Status, WorkflowFilter, recv, set_event, step, workflow, write_stream
from holdfast.errors import (
    ConfigurationError,
    PayloadError,
    UsageError,
    WorkflowFailed,
    WorkflowIdConflict,
    WorkflowNotFound,
    WorkflowSetAside,
    WorkflowWasCancelled,
)
from tests.engine.conftest import QUICK
from tests.helpers import ScriptProcess, eventually

WORKER = Path(__file__).parent / "client_worker.py"


@pytest.fixture
def client(store_url: str) -> Iterator[Client]:
    with Client(store_url) as opened:
        yield opened


@pytest.fixture
def worker(store_url: str, client: Client) -> Iterator[ScriptProcess]:
    """Another process, which has the code."""
    with ScriptProcess(WORKER, arguments=[store_url]) as process:
        process.wait_for_line("ready")
        yield process


def test_what_it_starts_another_process_runs(worker: ScriptProcess, client: Client) -> None:
    handle = client.options(id="one").start("client_worker.order", 7, price=Decimal("2.50"))
    assert handle.id == "one"
    assert client.get_event("one", "accepted", timeout=30) == 7
    client.send("one", "go on", topic="word")
    assert handle.result(timeout=30) == {"number": 7, "total": "17.50", "word": "go on", "pid": worker.pid}
    assert list(client.read_stream("one", "log")) == [(0, "accepted"), (1, "done")]
    record = client.admin.show("one").record
    assert record.version != ""
    # Asked for again it is the same one.
    assert client.options(id="one").start("client_worker.order", 7, price=Decimal("2.50")).result() is not None
    with pytest.raises(WorkflowIdConflict):
        client.options(id="one").start("client_worker.order", 8, price=Decimal("2.50"))


def test_a_failure_comes_with_its_type_and_message(worker: ScriptProcess, client: Client) -> None:
    handle = client.start("client_worker.order", -1, Decimal(1))
    with pytest.raises(WorkflowFailed, match="client_worker:Refused: no order -1"):
        handle.result(timeout=30)
    [found] = client.admin.list(WorkflowFilter(error="no order -1"))
    assert found.workflow_id == handle.id


def test_arguments_that_the_function_does_not_take_are_told_by_who_has_it(
    worker: ScriptProcess, client: Client
) -> None:
    handle = client.start("client_worker.order", 7, prize=1)
    with pytest.raises(WorkflowSetAside, match="takes no argument 'prize'"):
        handle.result(timeout=30)


def test_it_runs_nothing_itself(client: Client, store_url: str) -> None:
    handle = client.start("client.local", 1)
    assert handle.status() is Status.ENQUEUED
    assert client.engine.running == []
    assert client.engine.store.claimed([handle.id])[0].record.owner is None
    with Holdfast(store_url, config=QUICK):
        assert handle.result(timeout=10) == 2


@workflow(name="client.local")
def local(number: int) -> int:
    return number + 1


def test_options_are_those_of_a_start(client: Client, store_url: str) -> None:
    handle = client.options(id="later", delay=3600, timeout=7200, version="v7").start("somewhere.job")
    record = client.admin.show(handle.id).record
    assert record.wake_at is not None
    assert (record.deadline_at, record.timeout) == (None, 7200)
    assert record.version == "v7"
    with pytest.raises(ConfigurationError, match="no queue 'mail'"):
        client.options(queue="mail").start("somewhere.job")
    with Holdfast(store_url, config=QUICK, queues=[Queue("mail")]):
        pass
    first = client.options(queue="mail", dedup="k", priority=3).start("somewhere.job", 1)
    assert client.options(queue="mail", dedup="k").start("somewhere.job", 2).id == first.id
    assert client.admin.list(WorkflowFilter(queue="mail"))[0].priority == 3


@workflow(name="client.limited", timeout=3600)
def limited_for_clients(first: int, second: str = "") -> None:
    recv("go")


def test_a_timeout_counts_from_the_first_execution_whoever_gives_it(client: Client, store_url: str) -> None:
    starts = {None: client.options(), 60: client.options(timeout=60), math.inf: client.options(timeout=math.inf)}
    handles = {given: start.start("client.limited", 1) for given, start in starts.items()}
    enqueued = client.admin.show(handles[None].id).record
    assert enqueued.deadline_at is None
    with Holdfast(store_url, config=QUICK):
        eventually(lambda: {handle.status() for handle in handles.values()} == {Status.SUSPENDED})
        begun = {given: client.admin.show(handle.id).record for given, handle in handles.items()}
        assert (begun[None].deadline_at or 0) >= begun[None].created_at + 3600
        assert begun[60].created_at + 60 <= (begun[60].deadline_at or 0) < begun[60].created_at + 3600
        assert begun[math.inf].deadline_at is None


def test_one_that_a_client_starts_is_cancelled_at_its_deadline_though_it_has_not_begun(
    client: Client, store_url: str
) -> None:
    when = time.time() + 0.3
    handle = client.options(delay=3600, deadline=when).start("client.limited", 1)
    with Holdfast(store_url, config=QUICK), pytest.raises(WorkflowWasCancelled):
        handle.result(timeout=10)
    assert client.admin.show(handle.id).record.deadline_at == pytest.approx(when)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1, "a"), {}), ((1,), {"second": "a"}), ((), {"second": "a", "first": 1})]
)
def test_the_same_id_and_input_are_the_same_workflow_for_a_client_and_for_the_code(
    client: Client, store_url: str, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    client.options(id="first here").start("client.limited", *args, **kwargs)
    with Holdfast(store_url, config=QUICK) as app:
        assert app.options(id="first here").start(limited_for_clients, 1, "a").id == "first here"
        with pytest.raises(WorkflowIdConflict):
            app.options(id="first here").start(limited_for_clients, 2, "a")
        app.options(id="first there").start(limited_for_clients, 1, second="a")
        assert client.options(id="first there").start("client.limited", *args, **kwargs).id == "first there"
        for other in ((2, "a"), (1, "b"), (1,), (1, "a", 3), (True, "a")):
            with pytest.raises(WorkflowIdConflict):
                client.options(id="first there").start("client.limited", *other)


def test_what_can_not_be_recorded_is_not_started(client: Client) -> None:
    with pytest.raises(PayloadError, match="an argument"):
        client.start("somewhere.job", object())
    with pytest.raises(WorkflowNotFound):
        client.send("none", "hello")
    with pytest.raises(WorkflowNotFound):
        client.retrieve("none").result(timeout=1)
    assert client.admin.list() == []


def test_it_has_a_life_of_its_own(store_url: str) -> None:
    client = Client(store_url)
    with pytest.raises(UsageError, match="not open"):
        client.start("somewhere.job")
    before = set(threading.enumerate())
    client.open()
    with pytest.raises(UsageError, match="open already"):
        client.open()
    client.start("somewhere.job")
    client.close()
    client.close()
    assert [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("holdfast")] == []
    with client:
        assert len(client.admin.list()) == 1
    with pytest.raises(ConfigurationError):
        Client("mysql://localhost/x")


def test_it_is_no_part_of_a_workflow_but_may_be_used_in_a_step(store_url: str, tmp_path: Path) -> None:
    with Client(f"sqlite:///{tmp_path}/other.db") as other:

        @step
        def in_a_step() -> str:
            return other.start("somewhere.job").id

        @workflow
        def uses() -> str:
            with pytest.raises(UsageError, match="in a step"):
                other.start("somewhere.job")
            with pytest.raises(UsageError, match="in a step"):
                other.send("x", "y")
            return in_a_step()

        with Holdfast(store_url, config=QUICK):
            started = uses()
        assert started.endswith("in_a_step#1/somewhere.job#1")
        assert other.retrieve(started).status() is Status.ENQUEUED


async def test_all_of_it_works_in_coroutines(store_url: str) -> None:
    @workflow(name="client.talks")
    def talks(word: str) -> str:
        set_event("ready", word)
        write_stream("s", word)
        return word + str(recv())

    async with Holdfast(store_url, config=QUICK), Client(store_url) as client:
        handle = await client.options(id="one").astart("client.talks", "a")
        assert await client.aget_event("one", "ready", timeout=10) == "a"
        await client.asend("one", "b")
        assert await handle.aresult(timeout=10) == "ab"
        assert [item async for item in client.aread_stream("one", "s")] == [(0, "a")]
        admin = client.admin
        assert [each.workflow_id for each in await admin.alist()] == ["one"]
        assert [each.workflow_id async for each in admin.aeach()] == ["one"]
        assert (await admin.acount())[0].count == 1
        assert (await admin.acancel("one")).kept == {"one": "it is succeeded"}
        assert (await admin.aresume("one")).kept == {"one": "it is succeeded"}
        document = await admin.aexport("one")
        assert (await admin.aimport_(document)).workflow_ids == ()
        assert (await admin.adelete("one")).workflow_ids == ("one",)
        assert await admin.adelete_older_than(0) == 0
        for blocking in (client.open, client.close, admin.list, lambda: client.start("x"), lambda: admin.show("x")):
            with pytest.raises(UsageError, match="await"):
                blocking()


def test_a_pinned_workflow_is_taken_in_the_version_of_its_first_worker(store_url: str, client: Client) -> None:
    @workflow(name="client.pinned", version="v1", on_new_version="pin")
    def pinned() -> object:
        return recv()

    handle = client.start("client.pinned")
    other = client.options(version="v2").start("client.pinned")
    with Holdfast(store_url, config=QUICK):
        eventually(lambda: handle.status() is Status.SUSPENDED)
        assert client.admin.show(handle.id).record.version == "v1"
        client.send(handle.id, 1)
        assert handle.result(timeout=10) == 1
        assert other.status() is Status.ENQUEUED
