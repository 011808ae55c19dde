"""A workflow that is accused of having killed its worker, in a process where there is other work to do."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast import Client, Config, Holdfast, Status, step, workflow
from holdfast.store.writes import Claim, Register, TakeOver, Unit
from tests.conformance.kit import worker
from tests.helpers import aeventually, eventually

_order: list[str] = []
_begun = threading.Event()
_may_go_on = threading.Event()
_numbers = itertools.count()


@step
def last_a_while() -> None:
    _begun.set()
    _may_go_on.wait()
    _order.append("accused")


@workflow
def was_there_each_time() -> str:
    last_a_while()
    return "innocent"


@workflow
def something_else() -> str:
    _order.append("other")
    return "done"


@workflow
async def on_the_loop() -> str:
    return "done"


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    _order.clear()
    _begun.clear()
    _may_go_on.clear()
    yield
    _may_go_on.set()


def accused_in(url: str, *, crashes: int) -> None:
    """Start a workflow, and let workers die that run it."""
    with Holdfast(url):
        pass
    with Client(url) as client:
        client.options(id="accused").start(was_there_each_time.__name__)
        store = client.engine.store
        for _ in range(crashes):
            name = f"dead-{next(_numbers)}"
            claim = Claim(claim_id=name, worker_id=name, names=(was_there_each_time.__name__,), limit=1, isolate_from=9)
            takes_over = TakeOver(worker_id=name, crash_limit=9)
            for write in (Register(worker=worker(name), lease_seconds=30), claim, takes_over):
                store.commit([Unit(writes=(write,))])


def test_nothing_else_begins_until_it_has_got_further(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    accused_in(store_url, crashes=3)
    with Holdfast(store_url, config=Config(crash_limit=3)) as app:
        assert _begun.wait(20)
        other = app.start(something_else)
        looks = _count_looks(app, monkeypatch)
        eventually(lambda: len(looks) > 2)
        assert other.status() is Status.ENQUEUED
        _may_go_on.set()
        assert app.retrieve("accused").result(20) == "innocent"
        assert other.result(20) == "done"
    assert _order == ["accused", "other"]


def test_what_is_on_its_way_to_the_event_loop_counts_as_running(store_url: str) -> None:
    async def main() -> None:
        async with Holdfast(store_url) as app:
            # Started in another thread while this one holds the loop, where it will run.
            starting = threading.Thread(target=lambda: app.start(on_the_loop))
            starting.start()
            starting.join()
            assert (len(app.engine.running), app.engine.in_memory) == (0, 1)
            await aeventually(lambda: not app.engine.in_memory)

    asyncio.run(main())


def test_others_go_on_when_it_is_only_slow(store_url: str) -> None:
    accused_in(store_url, crashes=3)
    with Holdfast(store_url, config=Config(crash_limit=3, heartbeat=0.2, lease=1.0)) as app:
        assert _begun.wait(20)
        assert app.start(something_else).result(20) == "done"
        _may_go_on.set()
        assert app.retrieve("accused").result(20) == "innocent"
    assert _order == ["other", "accused"]


def test_one_that_is_only_suspected_runs_beside_others(store_url: str) -> None:
    accused_in(store_url, crashes=2)
    with Holdfast(store_url, config=Config(crash_limit=3)) as app:
        assert _begun.wait(20)
        assert app.start(something_else).result(20) == "done"
        _may_go_on.set()
        assert app.retrieve("accused").result(20) == "innocent"


def _count_looks(app: Holdfast, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    looks: list[None] = []
    ask = app.store.accused_wait

    def counted(*arguments: Any) -> bool:
        looks.append(None)
        return ask(*arguments)

    monkeypatch.setattr(app.store, "accused_wait", counted)
    return looks
