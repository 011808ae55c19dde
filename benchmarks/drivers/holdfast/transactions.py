"""Workload 5: transactions with one row of the application's each, in one workflow and in sixteen at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from benchmarks.drivers.holdfast.speed import launched
from benchmarks.drivers.job import Figures, Job, Stopwatch, rate
from holdfast import connection, start, transaction, workflow

AT_ONCE = 16
_INSERT = {"sqlite": "INSERT INTO app_rows (body) VALUES (?)", "postgres": "INSERT INTO app_rows (body) VALUES (%s)"}


@transaction
def create_table() -> None:
    connection().execute("CREATE TABLE app_rows (body TEXT)")


@transaction
def insert(statement: str, number: int) -> int:
    connection().execute(statement, (f"row {number}",))
    return number


@transaction
async def ainsert(statement: str, number: int) -> int:
    connection().execute(statement, (f"row {number}",))
    return number


@workflow
def inserts(statement: str, count: int) -> int:
    for number in range(count):
        insert(statement, number)
    return count


@workflow
async def ainserts(statement: str, count: int) -> int:
    for number in range(count):
        await ainsert(statement, number)
    return count


def _statement(job: Job) -> str:
    return _INSERT["sqlite" if job.is_sqlite else "postgres"]


def alone(job: Job) -> Figures:
    """Run all transactions in one workflow."""

    def blocking() -> Figures:
        create_table()
        with Stopwatch() as watch:
            inserts(_statement(job), job.count)
        return rate(job.count, watch)

    async def coroutine() -> Figures:
        await asyncio.to_thread(create_table)
        with Stopwatch() as watch:
            await ainserts(_statement(job), job.count)
        return rate(job.count, watch)

    return launched(job, blocking, coroutine)


def at_once(job: Job) -> Figures:
    """Share the transactions among sixteen workflows at once."""
    each = max(1, job.count // AT_ONCE)

    def blocking() -> Figures:
        create_table()
        with ThreadPoolExecutor(AT_ONCE) as threads, Stopwatch() as watch:
            handles = list(threads.map(lambda _: start(inserts, _statement(job), each), range(AT_ONCE)))
            for handle in handles:
                handle.result()
        return rate(each * AT_ONCE, watch)

    async def coroutine() -> Figures:
        await asyncio.to_thread(create_table)
        with Stopwatch() as watch:
            await asyncio.gather(*(ainserts(_statement(job), each) for _ in range(AT_ONCE)))
        return rate(each * AT_ONCE, watch)

    return launched(job, blocking, coroutine)


WORKLOADS = {"5a": alone, "5b": at_once}
