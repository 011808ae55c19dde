"""Workload 5 with DBOS: a datasource on the application's database, which on SQLite is a file of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy
from dbos import DBOS, AsyncSQLAlchemyDatasource, SQLAlchemyDatasource

from benchmarks.drivers.dbos.app import launched, sqlalchemy_url
from benchmarks.drivers.job import Figures, Job, Stopwatch, rate

AT_ONCE = 16
_INSERT = sqlalchemy.text("INSERT INTO app_rows (body) VALUES (:body)")


def _app_url(job: Job) -> str:
    if not job.is_sqlite:
        return sqlalchemy_url(job)
    path = f"{job.sqlite_path}.app"
    connection = sqlite3.connect(path)
    if job.size:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return f"sqlite:///{path}"


def _create_table(job: Job) -> str:
    url = _app_url(job)
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE app_rows (body TEXT)"))
    engine.dispose()
    return url


def _sync_workflow(url: str) -> Any:
    source = SQLAlchemyDatasource.create(url)

    @source.transaction
    def insert(number: int) -> int:
        source.sql_session().execute(_INSERT, {"body": f"row {number}"})
        return number

    @DBOS.workflow()
    def inserts(count: int) -> int:
        for number in range(count):
            insert(number)
        return count

    return inserts


async def _async_workflow(url: str) -> Any:
    source = await AsyncSQLAlchemyDatasource.create(url.replace("sqlite:", "sqlite+aiosqlite:"))

    @source.transaction
    async def insert(number: int) -> int:
        await source.sql_session().execute(_INSERT, {"body": f"row {number}"})
        return number

    @DBOS.workflow()
    async def inserts(count: int) -> int:
        for number in range(count):
            await insert(number)
        return count

    return inserts


def _run(job: Job, workflows: int) -> Figures:
    each = max(1, job.count // workflows)
    made: list[Any] = []

    async def sources() -> None:
        url = _create_table(job)
        made.append(await _async_workflow(url) if job.is_async else _sync_workflow(url))

    def blocking() -> Figures:
        with ThreadPoolExecutor(workflows) as threads, Stopwatch() as watch:
            handles = list(threads.map(lambda _: DBOS.start_workflow(made[0], each), range(workflows)))
            for handle in handles:
                handle.get_result()
        return rate(each * workflows, watch)

    async def coroutine() -> Figures:
        with Stopwatch() as watch:
            await asyncio.gather(*(made[0](each) for _ in range(workflows)))
        return rate(each * workflows, watch)

    return launched(job, blocking, coroutine, sources=sources)


def alone(job: Job) -> Figures:
    """Run all transactions in one workflow."""
    return _run(job, 1)


def at_once(job: Job) -> Figures:
    """Share the transactions among sixteen workflows at once."""
    return _run(job, AT_ONCE)


WORKLOADS = {"5a": alone, "5b": at_once}
