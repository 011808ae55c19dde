"""Workload 8: many workflows interrupted half-way by SIGKILL; and a long journal, of workload 10, recovered.

The driver starts a process that is doomed: it runs workflows up to a point and kills itself there. Then it starts one
that recovers them, and counts from that process's start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.drivers.holdfast.speed import STARTERS, aadd, add
from benchmarks.drivers.job import Figures, Job, Partner
from holdfast import Holdfast, Status, WorkflowFilter, astart, start, step, workflow

UNFINISHED = WorkflowFilter(status=(Status.ENQUEUED, Status.RUNNING, Status.SUSPENDED), limit=1)


class Doom:
    """Counts bodies in the process that is to die, and kills it at the last; harmless elsewhere."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: int | None = None
        self.released = threading.Event()

    def after(self, count: int) -> None:
        """Die in the body that comes as number `count`."""
        self._left = count

    @property
    def awaits(self) -> bool:
        return self._left is not None

    def one(self) -> None:
        """Count a body."""
        with self._lock:
            if self._left is None:
                return
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Ends:
    """Counts workflows that came to their end."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.first = threading.Event()

    def note(self, number: int) -> int:
        self.ids.append(number)
        self.first.set()
        return number


doom, ends = Doom(), Ends()


@step
def finish(number: int) -> int:
    if doom.awaits:
        doom.released.wait()
    doom.one()
    return number


@step
async def afinish(number: int) -> int:
    doom.one()
    if doom.awaits:
        await asyncio.Event().wait()
    return number


@workflow
def two_steps(number: int) -> int:
    add(number)
    return ends.note(finish(number))


@workflow
async def atwo_steps(number: int) -> int:
    await aadd(number)
    return ends.note(await afinish(number))


@workflow
def long_journal(steps: int) -> int:
    for number in range(steps):
        add(number)
    return ends.note(finish(0))


@workflow
async def along_journal(steps: int) -> int:
    for number in range(steps):
        await aadd(number)
    return ends.note(await afinish(0))


def doomed(job: Job) -> Figures:
    """Die half-way: every `async def` in its second step; half of the `def`s done, the others still to run."""
    doom.after(job.count if job.is_async else max(1, job.count // 2))

    async def coroutine() -> None:
        async with Holdfast(job.url):
            await asyncio.gather(*(astart(atwo_steps, number) for number in range(job.count)))
            await asyncio.Event().wait()

    if job.is_async:
        asyncio.run(coroutine())
    with Holdfast(job.url), ThreadPoolExecutor(STARTERS) as threads:
        list(threads.map(lambda number: start(two_steps, number), range(job.count)))
        doom.released.set()
        threading.Event().wait()
    return {}


def doomed_late(job: Job) -> Figures:
    """Die after the last but one of many steps."""
    doom.after(1)
    doom.released.set()

    async def coroutine() -> None:
        async with Holdfast(job.url):
            await along_journal(job.count)

    if job.is_async:
        asyncio.run(coroutine())
    with Holdfast(job.url):
        long_journal(job.count)
    return {}


def recovering(enough: Callable[[Job], int]) -> Callable[[Job], Figures]:
    """Resume what was interrupted, and tell when the first was done and when all were."""

    def workload(job: Job) -> Figures:
        app = Holdfast(job.url)
        loop = asyncio.new_event_loop()
        if job.is_async:
            # The loop must be free while this thread waits.
            threading.Thread(target=loop.run_forever, daemon=True).start()
            asyncio.run_coroutine_threadsafe(app.alaunch(), loop).result()
        else:
            app.launch()
        ends.first.wait()
        first = time.monotonic()
        while len(ends.ids) < enough(job):
            time.sleep(0.002)
        while app.list_workflows(UNFINISHED):
            time.sleep(0.005)
        done = time.monotonic()
        print(first, done, flush=True)
        with contextlib.suppress(RuntimeError):
            app.close()
        return {"resumed": float(len(ends.ids))}

    return workload


def interrupted(job: Job) -> Figures:
    """Let a process die, and measure from the start of the next until all is done."""
    victim = Partner(job.in_role("doomed"))
    assert victim.wait() == -signal.SIGKILL
    heir = Partner(job.in_role("recovering"))
    first, done = map(float, heir.line().split())
    return {"seconds": done - heir.began, "first_seconds": first - heir.began, **heir.figures()}


WORKLOADS = {
    "8": interrupted,
    "8:doomed": doomed,
    "8:recovering": recovering(lambda job: job.count if job.is_async else job.count // 3),
    "10d": interrupted,
    "10d:doomed": doomed_late,
    "10d:recovering": recovering(lambda _: 1),
}
