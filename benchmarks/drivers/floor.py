"""The floor: a plain loop of one-row commits, with nothing around it. No library can record a step for less.

Same driver, same database, same durability as Holdfast: SQLite in WAL mode with synchronous=FULL, PostgreSQL with
synchronous_commit=on.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from benchmarks.drivers.job import Figures, Job, Stopwatch, latencies, main, rate, text

Commit = Callable[[int], object]

WARM_UP = 50
"""Commits, as far as they are small."""


def _commits(job: Job) -> Commit:
    """Return a function that inserts one row and commits it."""
    body = text(job.size or 100)
    return _on_sqlite(job, body) if job.is_sqlite else _on_postgres(job, body)


def _on_sqlite(job: Job, body: str) -> Commit:
    connection = sqlite3.connect(job.sqlite_path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE floor (id INTEGER PRIMARY KEY, body TEXT)")
    return lambda number: connection.execute("INSERT INTO floor VALUES (?, ?)", (number, body))


def _on_postgres(job: Job, body: str) -> Commit:
    import psycopg

    connection = psycopg.connect(job.url, autocommit=True)
    connection.execute("SET synchronous_commit = on")
    connection.execute("CREATE TABLE floor (id bigint PRIMARY KEY, body text)")
    return lambda number: connection.execute("INSERT INTO floor VALUES (%s, %s)", (number, body), prepare=True)


def loop(commits_each: int) -> Callable[[Job], Figures]:
    """Measure `count` times so many commits, one after another."""

    def workload(job: Job) -> Figures:
        commit = _commits(job)
        for number in range(-min(WARM_UP, job.count), 0):
            commit(number)
        samples = []
        with Stopwatch() as watch:
            for each in range(job.count):
                began = time.perf_counter()
                for part in range(commits_each):
                    commit(each * commits_each + part)
                samples.append(time.perf_counter() - began)
        return {**rate(job.count, watch), **latencies(samples)}

    return workload


WORKLOADS = {
    "1": loop(2),
    "2": loop(1),
    "3": loop(2),
    "4": loop(11),
    "5a": loop(1),
    "5b": loop(1),
    "6a": loop(1),
    "6b": loop(1),
    "11": loop(3),
}

if __name__ == "__main__":
    main(WORKLOADS)
