"""Run workflow code twice, the second time against its journal, as after a crash."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from typing import Any

from holdfast import Config, Holdfast, Status, arecv, asend, astart, recv, send, start, workflow
from tests.helpers import aeventually, eventually

QUICK = Config(suspend_after=0.05)
"""Leaves memory almost at once."""

_numbers = itertools.count(1)


def twice(app: Holdfast, body: Callable[[], Any]) -> tuple[Any, Any]:
    """Return what `body` gives as workflow code in a first run, and in a replay of it."""
    seen: list[Any] = []

    @workflow(name=f"twice-{next(_numbers)}")
    def replayed() -> None:
        seen.append(body())
        recv("again")

    handle = start(replayed)
    eventually(lambda: _is_out_of_memory(app, handle.id))
    send(handle.id, "now", topic="again")
    handle.result(timeout=20)
    first, second = seen
    return first, second


async def atwice(app: Holdfast, body: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, Any]:
    """Do what `twice` does with a coroutine function."""
    seen: list[Any] = []

    @workflow(name=f"twice-{next(_numbers)}")
    async def replayed() -> None:
        seen.append(await body())
        await arecv("again")

    handle = await astart(replayed)
    await aeventually(lambda: _is_out_of_memory(app, handle.id))
    await asend(handle.id, "now", topic="again")
    await handle.aresult(timeout=20)
    first, second = seen
    return first, second


def _is_out_of_memory(app: Holdfast, workflow_id: str) -> bool:
    record = app.get_workflow(workflow_id)
    assert not record.status.is_terminal, record
    return record.status is Status.SUSPENDED


def steps(app: Holdfast) -> list[str]:
    """Return the names of all steps and transactions that the newest workflow has recorded."""
    newest = app.list_workflows()[0]
    return [entry.name for entry in app.get_journal(newest.workflow_id) if entry.kind.value in {"step", "transaction"}]
