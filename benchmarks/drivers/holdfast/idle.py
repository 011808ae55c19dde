"""Workload 12: start-up and idle cost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from typing import Any
from unittest.mock import patch

from benchmarks.drivers.holdfast.speed import aone_step, one_step
from benchmarks.drivers.job import Figures, Job
from holdfast import Holdfast


def timed(code: str) -> float:
    """Return how long a fresh interpreter takes for a line of code, in milliseconds; modules are compiled already."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return 1000 * (time.perf_counter() - began)


def startup(job: Job) -> Figures:
    """Import the library, and launch on a database that exists."""
    with Holdfast(job.url):
        one_step(1)
    plain = min(timed("pass") for _ in range(3))
    imported = min(timed("import holdfast") for _ in range(3))
    app = Holdfast(job.url)
    began = time.perf_counter()
    app.launch()
    launched = time.perf_counter() - began
    app.close()
    return {"import_ms": imported - plain, "interpreter_ms": plain, "launch_ms": 1000 * launched}


class Inside:
    """Follows one SQLite connection into its transactions and out of them."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._begun = False

    def note(self, statement: str) -> None:
        """Take note of a statement."""
        self._begun = statement.startswith("BEGIN") or (
            self._begun and not statement.startswith(("COMMIT", "ROLLBACK"))
        )
        if not self._begun:
            self._statements.seen += 1


class Statements:
    """Counts what is asked of the database: a transaction counts as one, and so does a read without one."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.seen = 0
        if job.is_sqlite:
            self._trace()

    def _trace(self) -> None:
        plain: Any = sqlite3.connect

        def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = plain(*args, **kwargs)
            connection.set_trace_callback(Inside(self).note)
            return connection

        patch.object(sqlite3, "connect", connect).start()

    def count(self) -> int:
        """Return the number so far."""
        return self.seen if self._job.is_sqlite else transactions(self._job.url)


def transactions(url: str) -> int:
    """Return how many transactions the database has ended."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return int(row[0]) if row else 0


def _settling(job: Job) -> float:
    """Return the seconds until earlier work is in the numbers: PostgreSQL's sessions tell theirs every ten."""
    return 0.5 if job.is_sqlite else 11.0


def idle(job: Job) -> Figures:
    """Do nothing for `count` seconds, after a workflow was run, and say what that costs."""
    statements = Statements(job)

    async def coroutine() -> Figures:
        async with Holdfast(job.url):
            await aone_step(1)
            await asyncio.sleep(_settling(job))
            before, cpu = statements.count(), time.process_time()
            await asyncio.sleep(job.count)
            return _cost(job, statements.count() - before, time.process_time() - cpu)

    if job.is_async:
        return asyncio.run(coroutine())
    with Holdfast(job.url):
        one_step(1)
        time.sleep(_settling(job))
        before, cpu = statements.count(), time.process_time()
        time.sleep(job.count)
        return _cost(job, statements.count() - before, time.process_time() - cpu)


def _cost(job: Job, statements: int, cpu: float) -> Figures:
    return {"queries_per_minute": 60 * statements / job.count, "cpu_percent": 100 * cpu / job.count}


WORKLOADS = {"12a": startup, "12b": idle}
