"""Queues as a program uses them: what is started in one runs when the limits let it, on any worker, and once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from holdfast import (
    Config,
    Holdfast,
    Queue,
    Rate,
    Status,
    astart_many,
    options,
    recv,
    retrieve,
    send,
    start_many,
    workflow,
)
from holdfast.errors import BlockingCallOnEventLoop, ConfigurationError, UsageError
from holdfast.store.writes import Create, Unit
from tests.engine.conftest import QUICK
from tests.helpers import eventually

QUEUES = [
    Queue("free"),
    Queue("single", concurrency=1),
    Queue("held", concurrency=1, hold_while_suspended=True),
    Queue("rated", rate=Rate(2, 0.6)),
]
NEVER_POLLS = replace(QUICK, poll=60.0)
"""What is woken is woken by notification or timer, or not within a test's patience."""
ran: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@pytest.fixture
def app(store_url: str) -> Iterator[Holdfast]:
    with Holdfast(store_url, config=NEVER_POLLS, queues=QUEUES) as launched:
        yield launched


@workflow
def notes_in_line(what: object) -> object:
    ran.append(what)
    return what


@workflow
async def anotes_in_line(what: object) -> object:
    ran.append(what)
    return what


@workflow
def waits_in_line(name: str) -> str:
    ran.append(name)
    return str(recv("go"))


@pytest.mark.parametrize("function", [notes_in_line, anotes_in_line])
def test_what_is_started_in_a_queue_runs(app: Holdfast, function: Callable[[object], Any]) -> None:
    handle = options(queue="free").start(function, 1)
    assert handle.result(timeout=10) == 1
    assert app.get_workflow(handle.id).queue == "free"
    assert app.get_workflow(handle.id).epoch == 1


def test_a_call_waits_in_the_queue_and_gives_the_result(app: Holdfast) -> None:
    assert options(queue="single").call(notes_in_line, 7) == 7


def test_a_place_that_becomes_free_is_given_to_the_next_at_once(app: Holdfast) -> None:
    handles = [options(queue="single").start(notes_in_line, number) for number in range(10)]
    assert [handle.result(timeout=10) for handle in handles] == list(range(10))
    assert ran == list(range(10))


def test_a_workflow_that_leaves_memory_gives_up_its_place_and_comes_back(app: Holdfast) -> None:
    first, second = (options(queue="single").start(waits_in_line, name) for name in ("one", "two"))
    eventually(lambda: ran == ["one", "two"])
    eventually(lambda: second.status() is Status.SUSPENDED)
    send(first.id, "a", topic="go")
    send(second.id, "b", topic="go")
    assert (first.result(timeout=10), second.result(timeout=10)) == ("a", "b")


def test_a_workflow_that_keeps_its_place_lets_nobody_in_while_it_waits(app: Holdfast) -> None:
    first = options(queue="held").start(waits_in_line, "one")
    second = options(queue="held").start(notes_in_line, "two")
    eventually(lambda: first.status() is Status.SUSPENDED)
    assert second.status() is Status.ENQUEUED
    send(first.id, "a", topic="go")
    assert second.result(timeout=10) == "two"


def test_a_rates_window_opens_by_a_timer(app: Holdfast) -> None:
    began = app.store.now()
    handles = [options(queue="rated").start(notes_in_line, number) for number in range(5)]
    for handle in handles:
        handle.result(timeout=20)
    assert app.store.now() - began >= 1.2


def test_a_delayed_start_in_a_queue_runs_at_its_time(app: Holdfast) -> None:
    began = app.store.now()
    assert options(queue="single", delay=0.3).start(notes_in_line, 1).result(timeout=10) == 1
    assert app.store.now() - began >= 0.3


def test_smaller_priorities_run_first(app: Holdfast) -> None:
    app.pause_queue("single")
    handles = [options(queue="single", priority=priority).start(notes_in_line, priority) for priority in (5, -1, 0)]
    assert [handle.status() for handle in handles] == [Status.ENQUEUED] * 3
    app.resume_queue("single")
    for handle in handles:
        handle.result(timeout=10)
    assert ran == [-1, 0, 5]


def test_partitions_take_turns(app: Holdfast) -> None:
    app.pause_queue("single")
    handles = [options(queue="single", partition="a").start(notes_in_line, f"a{number}") for number in range(3)]
    handles += [options(queue="single", partition="b").start(notes_in_line, "b0")]
    app.resume_queue("single")
    for handle in handles:
        handle.result(timeout=10)
    assert ran == ["a0", "b0", "a1", "a2"]


def test_a_second_start_with_a_live_key_gives_the_first_ones_handle(app: Holdfast) -> None:
    first = options(queue="free", dedup="k").start(waits_in_line, "one")
    second = options(queue="free", dedup="k").start(waits_in_line, "two")
    assert second.id == first.id
    send(first.id, "x", topic="go")
    assert second.result(timeout=10) == "x"
    third = options(queue="free", dedup="k").start(notes_in_line, "three")
    assert third.id != first.id
    assert third.result(timeout=10) == "three"
    assert ran == ["one", "three"]


def test_debounced_starts_run_once_with_the_last_input(app: Holdfast) -> None:
    handles = [options(queue="free", dedup="k", debounce=0.3).start(notes_in_line, number) for number in range(5)]
    assert len({handle.id for handle in handles}) == 1
    assert handles[0].result(timeout=10) == 4
    assert ran == [4]


def test_debouncing_ends_after_its_longest_wait(app: Holdfast) -> None:
    debounced = options(queue="free", dedup="k", debounce=60, debounce_max=1.0)
    first = debounced.start(notes_in_line, 1)
    # Also where the worker has looked in between, and knows of a time that is far away.
    options(queue="free").start(notes_in_line, 0).result(timeout=10)
    debounced.start(notes_in_line, 2)
    assert first.result(timeout=10) == 2


class Creations:
    """Counts what each commit creates."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def begins(self) -> None:
        pass

    def committed(self, units: Sequence[Unit]) -> None:
        created = sum(type(write) is Create for unit in units for write in unit.writes)
        self.counts += [created] if created else []


def test_many_are_started_in_one_commit_and_run_in_their_order(app: Holdfast) -> None:
    creations = app.engine.committer.observer = Creations()
    app.pause_queue("single")
    handles = options(queue="single").start_many(notes_in_line, [(number,) for number in range(5)] + [{"what": 5}])
    assert creations.counts == [6]
    app.resume_queue("single")
    assert [handle.result(timeout=10) for handle in handles] == list(range(6))
    assert ran == list(range(6))
    assert start_many(notes_in_line, []) == []
    assert [handle.result(timeout=10) for handle in start_many(notes_in_line, [(1,), (2,)])] == [1, 2]


def test_many_started_by_a_workflow_are_started_once(app: Holdfast) -> None:
    @workflow
    def fans_out() -> list[str]:
        handles = options(queue="free").start_many(notes_in_line, [(number,) for number in range(3)])
        recv("go")
        return [handle.id for handle in handles]

    parent = app.start(fans_out)
    eventually(lambda: parent.status() is Status.SUSPENDED)
    send(parent.id, 1, topic="go")
    ids = parent.result(timeout=10)
    assert [retrieve(each).result(timeout=10) for each in ids] == [0, 1, 2]
    assert sorted(ran) == [0, 1, 2]


def test_a_workflow_starts_and_calls_children_in_queues(app: Holdfast) -> None:
    @workflow
    def parent() -> list[object]:
        started = options(queue="single", dedup="k").start(notes_in_line, 1)
        again = options(queue="single", dedup="k").start(notes_in_line, 1)
        return [started.id == again.id or started.result(), options(queue="single").call(notes_in_line, 2)]

    assert app.start(parent).result(timeout=10) in ([True, 2], [1, 2])


def test_a_cancelled_one_in_line_never_runs(app: Holdfast) -> None:
    app.pause_queue("free")
    handle = options(queue="free").start(notes_in_line, 1)
    handle.cancel()
    assert handle.status() is Status.CANCELLED
    app.resume_queue("free")
    options(queue="free").start(notes_in_line, 2).result(timeout=10)
    assert ran == [2]


def test_limits_are_changed_while_it_runs(app: Holdfast) -> None:
    gate = threading.Event()

    @workflow
    def blocks(number: int) -> int:
        ran.append(number)
        gate.wait(10)
        return number

    handles = [options(queue="single").start(blocks, number) for number in range(3)]
    eventually(lambda: len(ran) == 1)
    app.change_queue(Queue("single", concurrency=2))
    eventually(lambda: len(ran) == 2)
    [single] = [each for each in app.queues() if each.queue.name == "single"]
    assert (single.running, single.depth, single.queue.concurrency) == (2, 1, 2)
    gate.set()
    for handle in handles:
        handle.result(timeout=10)


def test_a_worker_serves_the_queues_it_is_told_to(store_url: str) -> None:
    with Holdfast(store_url, config=replace(QUICK, serves=("free",)), queues=QUEUES) as app:
        other = options(queue="single").start(notes_in_line, 1)
        assert options(queue="free").start(notes_in_line, 2).result(timeout=10) == 2
        assert app.start(notes_in_line, 3).result(timeout=10) == 3
        assert other.status() is Status.ENQUEUED
    with Holdfast(store_url, config=QUICK) as app:
        assert app.retrieve(other.id).result(timeout=10) == 1


def test_what_waits_in_a_queue_survives_a_restart(store_url: str) -> None:
    with Holdfast(store_url, config=replace(QUICK, serves=()), queues=QUEUES):
        handles = [options(queue="single").start(notes_in_line, number) for number in range(3)]
    assert ran == []
    with Holdfast(store_url, config=QUICK) as app:
        assert [app.retrieve(handle.id).result(timeout=10) for handle in handles] == [0, 1, 2]


def test_a_worker_with_one_place_serves_both_kinds(store_url: str) -> None:
    with Holdfast(store_url, config=replace(NEVER_POLLS, max_running=1), queues=QUEUES) as app:
        handles = [options(queue="free").start(notes_in_line, number) for number in range(4)]
        handles += [app.options(delay=0).start(notes_in_line, number) for number in range(4)]
        for handle in handles:
            handle.result(timeout=20)


def test_an_unknown_queue_is_an_error_that_names_those_declared(app: Holdfast) -> None:
    with pytest.raises(ConfigurationError, match=r"'fre'.*'free', 'held', 'rated', 'single'"):
        options(queue="fre").start(notes_in_line, 1)
    with pytest.raises(ConfigurationError, match="'fre'"):
        app.pause_queue("fre")
    with pytest.raises(ConfigurationError, match="'fre'"):
        app.change_queue(Queue("fre"))

    @workflow
    def starts_wrongly() -> str:
        try:
            options(queue="fre").start(notes_in_line, 1)
        except ConfigurationError:
            return "told"
        return "started"

    assert starts_wrongly() == "told"


def test_two_queues_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'a'"):
        Holdfast("sqlite://", queues=[Queue("a"), Queue("a", concurrency=1)])


@pytest.mark.parametrize(
    "given",
    [
        {"partition": "a"},
        {"priority": 1},
        {"dedup": "k"},
        {"queue": "free", "debounce": 1},
        {"queue": "free", "dedup": "k", "debounce": 1, "delay": 1},
        {"queue": "free", "debounce_max": 1},
        {"queue": "free", "priority": 2**40},
    ],
)
def test_options_that_do_not_go_together_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        options(**given)


def test_starting_many_takes_neither_id_nor_key_nor_bare_values(app: Holdfast) -> None:
    with pytest.raises(UsageError, match="id="):
        options(id="one").start_many(notes_in_line, [(1,)])
    with pytest.raises(UsageError, match="dedup="):
        options(queue="free", dedup="k").start_many(notes_in_line, [(1,)])
    with pytest.raises(UsageError, match=r"\(1,\)"):
        start_many(notes_in_line, [1])


def test_serves_is_no_text() -> None:
    with pytest.raises(ConfigurationError, match="serves"):
        Config(serves="mail")  # type: ignore[arg-type]  # wrong on purpose


async def test_the_async_twins_do_the_same(store_url: str) -> None:
    async with Holdfast(store_url, config=QUICK, queues=QUEUES) as app:
        await app.apause_queue("free")
        with pytest.raises(BlockingCallOnEventLoop):
            app.pause_queue("free")
        with pytest.raises(BlockingCallOnEventLoop):
            start_many(anotes_in_line, [(1,)])
        handles = await options(queue="free").astart_many(anotes_in_line, [(1,), (2,)])
        one = await options(queue="free", dedup="k").astart(anotes_in_line, 3)
        assert [await handle.astatus() for handle in handles] == [Status.ENQUEUED] * 2
        await app.aresume_queue("free")
        await app.achange_queue(Queue("free", concurrency=1))
        assert [await handle for handle in [*handles, one]] == [1, 2, 3]
        assert [await handle for handle in await astart_many(anotes_in_line, [(4,)])] == [4]
