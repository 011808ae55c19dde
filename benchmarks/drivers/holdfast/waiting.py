"""Workload 9: very many workflows that wait for a message, for a week if need be."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.drivers.holdfast.speed import STARTERS, aone_step, one_step
from benchmarks.drivers.job import Figures, Job, resident_mb
from holdfast import Holdfast, Status, WorkflowFilter, arecv, asend, astart, recv, send, start, workflow

WEEK = 7 * 24 * 3600
AT_ONCE = 1000
"""Calls of `astart` and `asend` side by side: the caller's own memory is not what is measured."""

IN_MEMORY = WorkflowFilter(status=(Status.ENQUEUED, Status.RUNNING), limit=1)
UNFINISHED = WorkflowFilter(status=(Status.ENQUEUED, Status.RUNNING, Status.SUSPENDED), limit=1)


class Ends:
    """How many have come to their end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def one(self) -> None:
        with self._lock:
            self.count += 1


ends = Ends()


@workflow
def wait(number: int) -> int:
    recv("go", timeout=WEEK)
    ends.one()
    return number


@workflow
async def await_message(number: int) -> int:
    await arecv("go", timeout=WEEK)
    ends.one()
    return number


class Measure:
    """The steps of the measurement, which an event loop must not run: they wait."""

    def __init__(self, app: Holdfast, job: Job) -> None:
        self._app, self._job = app, job
        self._before = resident_mb()
        self._began = time.monotonic()

    def all_wait(self) -> Figures:
        """Wait until no workflow is in memory, and weigh."""
        self._until(lambda: not self._app.list_workflows(IN_MEMORY))
        reached = time.monotonic() - self._began
        grown = 1e6 * (resident_mb() - self._before)
        self._began = time.monotonic()
        return {"seconds_to_wait": reached, "bytes_each": grown / self._job.count}

    def all_ended(self) -> Figures:
        """Wait until all are woken and done."""
        self._until(lambda: ends.count >= self._job.count and not self._app.list_workflows(UNFINISHED))
        return {"seconds_to_wake": time.monotonic() - self._began}

    def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            time.sleep(0.05)


def waiting(job: Job) -> Figures:
    """Start them all, let them leave memory, wake them all."""
    if job.is_async:
        return asyncio.run(_in_loop(job))
    with Holdfast(job.url) as app, ThreadPoolExecutor(STARTERS) as threads:
        one_step(0)
        measure = Measure(app, job)
        ids = _by_threads(threads, range(job.count), lambda number: start(wait, number).id)
        figures = measure.all_wait()
        _by_threads(threads, ids, lambda workflow_id: send(workflow_id, None, topic="go"))
        return {**figures, **measure.all_ended()}


async def _in_loop(job: Job) -> Figures:
    async with Holdfast(job.url) as app:
        await aone_step(0)
        measure = Measure(app, job)
        ids = await _in_parts(range(job.count), _start_one)
        figures = await asyncio.to_thread(measure.all_wait)
        await _in_parts(ids, lambda workflow_id: asend(workflow_id, None, topic="go"))
        return {**figures, **await asyncio.to_thread(measure.all_ended)}


def _by_threads(threads: ThreadPoolExecutor, items: Any, call: Callable[[Any], Any]) -> list[Any]:
    results: list[Any] = []
    for begin in range(0, len(items), AT_ONCE):
        results += threads.map(call, items[begin : begin + AT_ONCE])
    return results


async def _start_one(number: int) -> str:
    return (await astart(await_message, number)).id


async def _in_parts(items: Any, call: Callable[[Any], Coroutine[Any, Any, Any]]) -> list[Any]:
    results: list[Any] = []
    for begin in range(0, len(items), AT_ONCE):
        results += await asyncio.gather(*map(call, items[begin : begin + AT_ONCE]))
    return results


WORKLOADS = {"9": waiting}
