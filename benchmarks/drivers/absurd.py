"""Absurd's driver, run in Absurd's own environment: workloads 1, 2, 3 and 6, on PostgreSQL.

Its schema comes with its own command line tool, `absurdctl`. Alone, a task is spawned and worked off by the same
process at once: a worker looks for work only four times a second. Elsewhere a worker runs, with its own defaults but
for the number of tasks at once.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import absurdctl
import psycopg
from absurd_sdk import Absurd, AsyncAbsurd

from benchmarks.drivers.job import Figures, Job, Partner, Stopwatch, latencies, main, rate

CONCURRENCY = 16
PAUSE = 0.01
WARM_UP = 20

_received: queue.SimpleQueue[float] = queue.SimpleQueue()


def _prepare(job: Job) -> None:
    with psycopg.connect(job.url, autocommit=True) as connection:
        connection.execute(absurdctl.BUNDLED_SCHEMA_SQL)
    app = Absurd(job.url)
    app.create_queue()
    app.close()


class Done:
    """Counts finished tasks and stops the worker after the last."""

    def __init__(self, app: Any, count: int) -> None:
        self._app, self._left, self._lock = app, count, threading.Lock()

    def one(self) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                self._app.stop_worker()


def _register(app: Any, done: Done | None) -> None:
    """Define the tasks, as `def`."""

    @app.register_task(name="steps")
    def steps(params: Any, ctx: Any) -> int:
        number = 0
        for _ in range(params["steps"]):
            number = ctx.step("add", lambda so_far=number: so_far + 1)
        if done is not None:
            done.one()
        return number

    @app.register_task(name="receive")
    def receive(params: Any, ctx: Any) -> int:
        for number in range(params["count"]):
            _note(number, ctx.await_event(f"number:{number}"))
        return int(params["count"])


def _aregister(app: Any, done: Done | None) -> None:
    """Define the tasks, as `async def`."""

    @app.register_task(name="steps")
    async def steps(params: Any, ctx: Any) -> int:
        number = 0
        for _ in range(params["steps"]):
            number = await ctx.step("add", lambda so_far=number: _aadd(so_far))
        if done is not None:
            done.one()
        return number

    @app.register_task(name="receive")
    async def receive(params: Any, ctx: Any) -> int:
        for number in range(params["count"]):
            _note(number, await ctx.await_event(f"number:{number}"))
        return int(params["count"])


async def _aadd(number: int) -> int:
    return number + 1


_seen: set[int] = set()


def _note(number: int, sent_at: float) -> None:
    """Note a message once: a task that goes on is run from its beginning again."""
    if number not in _seen:
        _seen.add(number)
        _received.put(time.monotonic() - sent_at)


def _in_mode(job: Job, blocking: Callable[[Any], Figures], coroutine: Callable[[Any], Awaitable[Figures]]) -> Figures:
    async def in_loop() -> Figures:
        app = AsyncAbsurd(job.url)
        _aregister(app, None)
        for _ in range(WARM_UP):
            await app.spawn("steps", {"steps": 1})
            await app.work_batch()
        figures = await coroutine(app)
        await app.close()
        return figures

    if job.is_async:
        return asyncio.run(in_loop())
    app = Absurd(job.url)
    _register(app, None)
    for _ in range(WARM_UP):
        app.spawn("steps", {"steps": 1})
        app.work_batch()
    figures = blocking(app)
    app.close()
    return figures


def _one_after_another(job: Job, tasks: int, steps: int) -> tuple[list[float], Stopwatch]:
    """Spawn tasks and work each off at once; return what each took, and what all did."""
    samples: list[float] = []
    watch = Stopwatch()

    def blocking(app: Any) -> Figures:
        with watch:
            for _ in range(tasks):
                began = time.perf_counter()
                task_id = app.spawn("steps", {"steps": steps})["task_id"]
                app.work_batch()
                assert app.fetch_task_result(task_id).result == steps
                samples.append(time.perf_counter() - began)
        return {}

    async def coroutine(app: Any) -> Figures:
        with watch:
            for _ in range(tasks):
                began = time.perf_counter()
                task_id = (await app.spawn("steps", {"steps": steps}))["task_id"]
                await app.work_batch()
                assert (await app.fetch_task_result(task_id)).result == steps
                samples.append(time.perf_counter() - began)
        return {}

    _prepare(job)
    _in_mode(job, blocking, coroutine)
    return samples, watch


def alone(job: Job) -> Figures:
    """Workload 1."""
    samples, watch = _one_after_another(job, job.count, 1)
    return {**latencies(samples), **rate(job.count, watch)}


def steps(job: Job) -> Figures:
    """Workload 2."""
    _, watch = _one_after_another(job, 1, job.count)
    return rate(job.count, watch)


def at_once(job: Job) -> Figures:
    """Workload 3: spawn all on one connection while a worker, on another, works them off."""
    _prepare(job)

    async def coroutine(spawner: Any) -> Figures:
        worker = AsyncAbsurd(job.url)
        _aregister(worker, Done(worker, job.count))
        with Stopwatch() as watch:
            working = asyncio.create_task(worker.start_worker(concurrency=CONCURRENCY))
            await asyncio.gather(*(spawner.spawn("steps", {"steps": 1}) for _ in range(job.count)))
            await working
        await worker.close()
        return rate(job.count, watch)

    def blocking(spawner: Any) -> Figures:
        worker = Absurd(job.url)
        _register(worker, Done(worker, job.count))
        thread = threading.Thread(target=worker.start_worker, kwargs={"concurrency": CONCURRENCY})
        with Stopwatch() as watch:
            thread.start()
            for _ in range(job.count):
                spawner.spawn("steps", {"steps": 1})
            thread.join()
        worker.close()
        return rate(job.count, watch)

    return _in_mode(job, blocking, coroutine)


def in_process(job: Job) -> Figures:
    """Workload 6: from `emit_event` to the return of `await_event`, in one process."""
    _prepare(job)
    samples: list[float] = []

    async def coroutine(sender: Any) -> Figures:
        worker = AsyncAbsurd(job.url)
        _aregister(worker, None)
        working = asyncio.create_task(worker.start_worker())
        await sender.spawn("receive", {"count": job.count})
        for number in range(job.count):
            await asyncio.sleep(PAUSE)
            await sender.emit_event(f"number:{number}", time.monotonic())
            samples.append(await asyncio.to_thread(_received.get))
        worker.stop_worker()
        await working
        return latencies(samples)

    def blocking(sender: Any) -> Figures:
        worker = Absurd(job.url)
        _register(worker, None)
        thread = threading.Thread(target=worker.start_worker)
        thread.start()
        sender.spawn("receive", {"count": job.count})
        for number in range(job.count):
            time.sleep(PAUSE)
            sender.emit_event(f"number:{number}", time.monotonic())
            samples.append(_received.get())
        worker.stop_worker()
        thread.join()
        return latencies(samples)

    return _in_mode(job, blocking, coroutine)


def across(job: Job) -> Figures:
    """Workload 6 with the receiving task in another process."""
    _prepare(job)
    receiver = Partner(job.in_role("receiver"))
    receiver.line()
    app = Absurd(job.url)
    app.spawn("receive", {"count": job.count}, queue="default")
    for number in range(job.count):
        time.sleep(PAUSE)
        app.emit_event(f"number:{number}", time.monotonic())
        receiver.line()
    app.close()
    return receiver.figures()


def receiver(job: Job) -> Figures:
    """Be the other process: run a worker, and say so whenever a message has come."""
    samples: list[float] = []

    async def coroutine(worker: Any) -> Figures:
        print("ready", flush=True)
        working = asyncio.create_task(worker.start_worker())
        for _ in range(job.count):
            samples.append(await asyncio.to_thread(_received.get))
            print("received", flush=True)
        worker.stop_worker()
        await working
        return latencies(samples)

    def blocking(worker: Any) -> Figures:
        print("ready", flush=True)
        thread = threading.Thread(target=worker.start_worker)
        thread.start()
        for _ in range(job.count):
            samples.append(_received.get())
            print("received", flush=True)
        worker.stop_worker()
        thread.join()
        return latencies(samples)

    return _in_mode(job, blocking, coroutine)


WORKLOADS = {"1": alone, "2": steps, "3": at_once, "6a": in_process, "6b": across, "6b:receiver": receiver}

if __name__ == "__main__":
    main(WORKLOADS)
