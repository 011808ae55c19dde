"""Workloads 1 to 4 with DBOS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dbos import DBOS

from benchmarks.drivers.dbos.app import amany_steps, aone_step, launched, many_steps, one_step
from benchmarks.drivers.job import Figures, Job, Stopwatch, latencies, rate

STARTERS = 16


def alone(job: Job) -> Figures:
    """Workload 1."""
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
    """Workload 2."""

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
    """Workloads 3 and 4."""

    def workload(job: Job) -> Figures:
        def blocking() -> Figures:
            with ThreadPoolExecutor(STARTERS) as threads, Stopwatch() as watch:
                handles = list(threads.map(lambda n: DBOS.start_workflow(sync_workflow, argument(n)), range(job.count)))
                results = [handle.get_result() for handle in handles]
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
