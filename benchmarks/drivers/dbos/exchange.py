"""Workload 6 with DBOS. Across processes the sender is a DBOSClient, as its documentation advises."""

from __future__ import annotations

import asyncio
import queue
import time

from dbos import DBOS, DBOSClient, SetWorkflowID

from benchmarks.drivers.dbos.app import launched, sqlalchemy_url
from benchmarks.drivers.job import Figures, Job, Partner, latencies

PAUSE = 0.01
RECEIVER = "receiver"
PATIENCE = 600
"""Seconds that recv waits."""

_received: queue.SimpleQueue[float] = queue.SimpleQueue()
_areceived: asyncio.Queue[float] = asyncio.Queue()


@DBOS.workflow()
def receive(count: int) -> int:
    for _ in range(count):
        sent_at = DBOS.recv("numbers", timeout_seconds=PATIENCE)
        _received.put(time.monotonic() - sent_at)
    return count


@DBOS.workflow()
async def areceive(count: int) -> int:
    for _ in range(count):
        sent_at = await DBOS.recv_async("numbers", timeout_seconds=PATIENCE)
        _areceived.put_nowait(time.monotonic() - sent_at)
    return count


def in_process(job: Job) -> Figures:
    """From `send` to the return of `recv`, in one process."""
    samples = []

    def blocking() -> Figures:
        handle = DBOS.start_workflow(receive, job.count)
        for _ in range(job.count):
            time.sleep(PAUSE)
            DBOS.send(handle.workflow_id, time.monotonic(), "numbers")
            samples.append(_received.get())
        handle.get_result()
        return latencies(samples)

    async def coroutine() -> Figures:
        handle = await DBOS.start_workflow_async(areceive, job.count)
        for _ in range(job.count):
            await asyncio.sleep(PAUSE)
            await DBOS.send_async(handle.workflow_id, time.monotonic(), "numbers")
            samples.append(await _areceived.get())
        await handle.get_result()
        return latencies(samples)

    return launched(job, blocking, coroutine)


def across(job: Job) -> Figures:
    """With the receiving workflow in another process."""
    receiver = Partner(job.in_role("receiver"))
    receiver.line()
    client = DBOSClient(system_database_url=sqlalchemy_url(job))

    async def coroutine() -> None:
        for _ in range(job.count):
            await asyncio.sleep(PAUSE)
            await client.send_async(RECEIVER, time.monotonic(), "numbers")
            await asyncio.to_thread(receiver.line)

    if job.is_async:
        asyncio.run(coroutine())
    else:
        for _ in range(job.count):
            time.sleep(PAUSE)
            client.send(RECEIVER, time.monotonic(), "numbers")
            receiver.line()
    client.destroy()
    return receiver.figures()


def receiver(job: Job) -> Figures:
    """Be the other process: run the receiving workflow, and say so whenever a message has come."""
    samples = []

    def blocking() -> Figures:
        with SetWorkflowID(RECEIVER):
            handle = DBOS.start_workflow(receive, job.count)
        print("ready", flush=True)
        for _ in range(job.count):
            samples.append(_received.get())
            print("received", flush=True)
        handle.get_result()
        return latencies(samples)

    async def coroutine() -> Figures:
        with SetWorkflowID(RECEIVER):
            handle = await DBOS.start_workflow_async(areceive, job.count)
        print("ready", flush=True)
        for _ in range(job.count):
            samples.append(await _areceived.get())
            print("received", flush=True)
        await handle.get_result()
        return latencies(samples)

    return launched(job, blocking, coroutine)


WORKLOADS = {"6a": in_process, "6b": across, "6b:receiver": receiver}
