"""Workload 11: payloads of `size` bytes, as input, as a step's outcome and as the result."""

from __future__ import annotations

import time

from benchmarks.drivers.holdfast.speed import launched
from benchmarks.drivers.job import Figures, Job, Stopwatch, latencies, rate, text
from holdfast import step, workflow


@step
def echo_step(payload: str) -> str:
    return payload


@step
async def aecho_step(payload: str) -> str:
    return payload


@workflow
def echo(payload: str) -> str:
    return echo_step(payload)


@workflow
async def aecho(payload: str) -> str:
    return await aecho_step(payload)


def payloads(job: Job) -> Figures:
    """Pass a payload through workflows, one after another."""
    payload = text(job.size)
    samples = []

    def blocking() -> Figures:
        with Stopwatch() as watch:
            for _ in range(job.count):
                began = time.perf_counter()
                assert echo(payload) == payload
                samples.append(time.perf_counter() - began)
        return {**latencies(samples), **rate(job.count, watch)}

    async def coroutine() -> Figures:
        with Stopwatch() as watch:
            for _ in range(job.count):
                began = time.perf_counter()
                assert await aecho(payload) == payload
                samples.append(time.perf_counter() - began)
        return {**latencies(samples), **rate(job.count, watch)}

    return launched(job, blocking, coroutine)


WORKLOADS = {"11": payloads}
