"""Workloads 6 and 7: what passes between workflows, callers and processes.

The times are read by one clock, which all processes of a machine share. Between two messages there is a pause, so that
the receiver really waits.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import time

from benchmarks.drivers.holdfast.speed import launched
from benchmarks.drivers.job import Figures, Job, Partner, latencies
from holdfast import Config, Handle, Holdfast, arecv, asend, astart, options, recv, send, start, workflow

PAUSE = 0.01
RECEIVER = "receiver"
PLUG = "plug"

_received: queue.SimpleQueue[float] = queue.SimpleQueue()
_areceived: asyncio.Queue[float] = asyncio.Queue()


# One that has left memory would go on in any process, the sender's too.
@workflow(suspend=False)
def receive(count: int) -> int:
    for _ in range(count):
        sent_at = recv("numbers", type=float)
        _received.put(time.monotonic() - sent_at)
    return count


@workflow(suspend=False)
async def areceive(count: int) -> int:
    for _ in range(count):
        sent_at = await arecv("numbers", type=float)
        _areceived.put_nowait(time.monotonic() - sent_at)
    return count


def in_process(job: Job) -> Figures:
    """Workload 6: from `send` to the return of `recv`, in one process."""
    samples = []

    def blocking() -> Figures:
        handle = start(receive, job.count)
        for _ in range(job.count):
            time.sleep(PAUSE)
            send(handle.id, time.monotonic(), topic="numbers")
            samples.append(_received.get())
        handle.result()
        return latencies(samples)

    async def coroutine() -> Figures:
        handle = await astart(areceive, job.count)
        for _ in range(job.count):
            await asyncio.sleep(PAUSE)
            await asend(handle.id, time.monotonic(), topic="numbers")
            samples.append(await _areceived.get())
        await handle
        return latencies(samples)

    return launched(job, blocking, coroutine)


def across(job: Job) -> Figures:
    """Workload 6 with the receiving workflow in another process."""
    receiver = Partner(job.in_role("receiver"))
    receiver.line()

    def blocking() -> Figures:
        for _ in range(job.count):
            time.sleep(PAUSE)
            send(RECEIVER, time.monotonic(), topic="numbers")
            receiver.line()
        return receiver.figures()

    async def coroutine() -> Figures:
        for _ in range(job.count):
            await asyncio.sleep(PAUSE)
            await asend(RECEIVER, time.monotonic(), topic="numbers")
            await asyncio.to_thread(receiver.line)
        return receiver.figures()

    return launched(job, blocking, coroutine)


def receiver(job: Job) -> Figures:
    """Be the other process: run the receiving workflow, and say so whenever a message has come."""
    samples = []

    def blocking() -> Figures:
        handle: Handle[int] = options(id=RECEIVER).start(receive, job.count)
        print("ready", flush=True)
        for _ in range(job.count):
            samples.append(_received.get())
            print("received", flush=True)
        handle.result()
        return latencies(samples)

    async def coroutine() -> Figures:
        handle: Handle[int] = await options(id=RECEIVER).astart(areceive, job.count)
        print("ready", flush=True)
        for _ in range(job.count):
            samples.append(await _areceived.get())
            print("received", flush=True)
        await handle
        return latencies(samples)

    return launched(job, blocking, coroutine)


# A process that has room for one workflow only, and that one waits, takes no other: what it starts, another one runs.


@workflow(suspend=False)
def occupy() -> None:
    recv("go")


@workflow(suspend=False)
async def aoccupy() -> None:
    await arecv("go")


@workflow
def report(sent_at: float) -> float:
    late = time.monotonic() - sent_at
    print("ran", late, flush=True)
    return late


@workflow
async def areport(sent_at: float) -> float:
    late = time.monotonic() - sent_at
    print("ran", late, flush=True)
    return late


def elsewhere(job: Job) -> Figures:
    """Workload 7: from `start` in this process to the first line of the workflow in another."""
    with_room_for_one = Config(max_running=1)
    samples = []

    def began(executor: Partner) -> float:
        return float(executor.line().split()[1])

    def blocking() -> None:
        with Holdfast(job.url, config=with_room_for_one):
            plug = start(occupy)
            executor = Partner(job.in_role("executor"))
            executor.line()
            for _ in range(job.count):
                time.sleep(PAUSE)
                start(report, time.monotonic())
                samples.append(began(executor))
            executor.tell("end")
            peak.update(executor.figures())
            send(plug.id, None, topic="go")

    async def coroutine() -> None:
        async with Holdfast(job.url, config=with_room_for_one):
            plug = await astart(aoccupy)
            executor = Partner(job.in_role("executor"))
            await asyncio.to_thread(executor.line)
            for _ in range(job.count):
                await asyncio.sleep(PAUSE)
                await astart(areport, time.monotonic())
                samples.append(await asyncio.to_thread(began, executor))
            executor.tell("end")
            peak.update(await asyncio.to_thread(executor.figures))
            await asend(plug.id, None, topic="go")

    peak: Figures = {}
    if job.is_async:
        asyncio.run(coroutine())
    else:
        blocking()
    return {**peak, **latencies(samples)}


def executor(job: Job) -> Figures:
    """Be the other process: run what is started elsewhere until told to end."""

    async def coroutine() -> None:
        async with Holdfast(job.url):
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)

    if job.is_async:
        asyncio.run(coroutine())
    else:
        with Holdfast(job.url):
            print("ready", flush=True)
            sys.stdin.readline()
    return {}


WORKLOADS = {
    "6a": in_process,
    "6b": across,
    "6b:receiver": receiver,
    "7": elsewhere,
    "7:executor": executor,
}
