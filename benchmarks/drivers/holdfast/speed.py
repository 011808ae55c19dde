"""Workloads 1 to 4: one-step workflows alone and many at once, steps one after another, ten steps in each of many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.drivers.job import Figures, Job, Stopwatch, latencies, rate
from holdfast import Holdfast, start, step, workflow

WARM_UP = 50
STARTERS = 16
"""Threads that call `start`."""


@step
def add(number: int) -> int:
    return number + 1


@step
async def aadd(number: int) -> int:
    return number + 1


@workflow
def one_step(number: int) -> int:
    return add(number)


@workflow
async def aone_step(number: int) -> int:
    return await aadd(number)


@workflow
def many_steps(count: int) -> int:
    number = 0
    for _ in range(count):
        number = add(number)
    return number


@workflow
async def amany_steps(count: int) -> int:
    number = 0
    for _ in range(count):
        number = await aadd(number)
    return number


def launched(job: Job, blocking: Callable[[], Figures], coroutine: Callable[[], Awaitable[Figures]]) -> Figures:
    """Run a measurement in a launched application, in the job's mode."""

    async def in_loop() -> Figures:
        async with Holdfast(job.url):
            for number in range(WARM_UP):
                await aone_step(number)
            return await coroutine()

    if job.is_async:
        return asyncio.run(in_loop())
    with Holdfast(job.url):
        for number in range(WARM_UP):
            one_step(number)
        return blocking()


def alone(job: Job) -> Figures:
    """Workload 1: a one-step workflow from call to result, nothing else going on."""
    samples = []

    def blocking() -> Figures:
        with Stopwatch() as watch:
            for number in range(job.count):
                began = time.perf_counter()
                one_step(number)
                samples.append(time.perf_counter() - began)
        return {**latencies(samples), **rate(job.count, watch)}

    async def coroutine() -> Figures:
        with Stopwatch() as watch:
            for number in range(job.count):
                began = time.perf_counter()
                await aone_step(number)
                samples.append(time.perf_counter() - began)
        return {**latencies(samples), **rate(job.count, watch)}

    return launched(job, blocking, coroutine)


def steps(job: Job) -> Figures:
    """Workload 2: steps in one workflow, one after another."""

    def blocking() -> Figures:
        with Stopwatch() as watch:
            assert many_steps(job.count) == job.count
        return rate(job.count, watch)

    async def coroutine() -> Figures:
        with Stopwatch() as watch:
            assert await amany_steps(job.count) == job.count
        return rate(job.count, watch)

    return launched(job, blocking, coroutine)


def at_once(sync_workflow: Any, async_workflow: Any, argument: Callable[[int], int]) -> Callable[[Job], Figures]:
    """Workloads 3 and 4: `count` workflows at once, by `gather` or by `start` from threads, to the last result."""

    def workload(job: Job) -> Figures:
        def blocking() -> Figures:
            with ThreadPoolExecutor(STARTERS) as threads, Stopwatch() as watch:
                handles = list(threads.map(lambda n: start(sync_workflow, argument(n)), range(job.count)))
                results = [handle.result() for handle in handles]
            assert len(results) == job.count
            return rate(job.count, watch)

        async def coroutine() -> Figures:
            with Stopwatch() as watch:
                results = await asyncio.gather(*(async_workflow(argument(n)) for n in range(job.count)))
            assert len(results) == job.count
            return rate(job.count, watch)

        return launched(job, blocking, coroutine)

    return workload


WORKLOADS = {
    "1": alone,
    "2": steps,
    "3": at_once(one_step, aone_step, lambda number: number),
    "4": at_once(many_steps, amany_steps, lambda _: 10),
}
