"""DBOS, set up as its documentation says: one configuration, functions decorated, launched in the loop if there is one.

Its SQLite file is used as shipped, or is set to WAL beforehand (`size` 1), which DBOS itself does not do.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from dbos import DBOS, DBOSConfig

from benchmarks.drivers.job import Figures, Job

WARM_UP = 20


@DBOS.step()
def add(number: int) -> int:
    return number + 1


@DBOS.step()
async def aadd(number: int) -> int:
    return number + 1


@DBOS.workflow()
def one_step(number: int) -> int:
    return add(number)


@DBOS.workflow()
async def aone_step(number: int) -> int:
    return await aadd(number)


@DBOS.workflow()
def many_steps(count: int) -> int:
    number = 0
    for _ in range(count):
        number = add(number)
    return number


@DBOS.workflow()
async def amany_steps(count: int) -> int:
    number = 0
    for _ in range(count):
        number = await aadd(number)
    return number


def sqlalchemy_url(job: Job) -> str:
    """Return the job's database as SQLAlchemy writes it."""
    return job.url if job.is_sqlite else job.url.replace("postgresql://", "postgresql+psycopg://")


def _configure(job: Job) -> None:
    if job.is_sqlite and job.size:
        sqlite3.connect(job.sqlite_path).execute("PRAGMA journal_mode = WAL")
    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": sqlalchemy_url(job),
        "application_version": "1",
        "executor_id": job.role or "main",
        "log_level": "CRITICAL",
    }
    DBOS(config=config)


Sources = Callable[[], Coroutine[Any, Any, None]]


async def _no_sources() -> None:
    return


def launched(
    job: Job,
    blocking: Callable[[], Figures],
    coroutine: Callable[[], Awaitable[Figures]],
    *,
    sources: Sources = _no_sources,
) -> Figures:
    """Run a measurement with DBOS launched, in the job's mode; `sources` are to be made before."""

    async def in_loop() -> Figures:
        _configure(job)
        await sources()
        DBOS.launch()
        for number in range(WARM_UP):
            await aone_step(number)
        figures = await coroutine()
        DBOS.destroy()
        return figures

    if job.is_async:
        return asyncio.run(in_loop())
    _configure(job)
    asyncio.run(sources())
    DBOS.launch()
    for number in range(WARM_UP):
        one_step(number)
    figures = blocking()
    DBOS.destroy()
    return figures
