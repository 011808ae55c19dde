"""Workload 10: a database that already holds very many finished workflows.

They are copies of one that ran, made by SQL: every row of every table that names it, under other ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from benchmarks.drivers.holdfast.speed import one_step
from benchmarks.drivers.job import Figures, Job
from holdfast import Holdfast, start

_ID_COLUMNS = ("id", "workflow_id")


def fill(job: Job) -> Figures:
    """Put `size` finished workflows into the database."""
    with Holdfast(job.url):
        handle = start(one_step, 1)
        handle.result()
    if job.is_sqlite:
        _fill_sqlite(job, handle.id)
    else:
        _fill_postgres(job, handle.id)
    return {}


def _copying(table: str, columns: Sequence[str], key: str, numbered: str, numbers: str) -> str:
    quoted = [f'"{column}"' for column in columns]
    values = ", ".join(numbered if column == key else f't."{column}"' for column in columns)
    return f"INSERT INTO {table} ({', '.join(quoted)}) SELECT {values} FROM {table} AS t, {numbers} WHERE t.{key} = "  # noqa: S608 - names from the catalogue


def _key(columns: Sequence[str]) -> str | None:
    return next((column for column in _ID_COLUMNS if column in columns), None)


def _fill_sqlite(job: Job, workflow_id: str) -> None:
    connection = sqlite3.connect(job.sqlite_path, isolation_level=None)
    numbers = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :size) SELECT n FROM c) AS s"
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    connection.execute("BEGIN IMMEDIATE")
    for table in tables:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        key = _key(columns)
        if key is not None:
            copy = _copying(table, columns, key, f"t.{key} || printf('-%08d', s.n)", numbers)
            connection.execute(f"{copy} :id", {"id": workflow_id, "size": job.size})
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _fill_postgres(job: Job, workflow_id: str) -> None:
    import psycopg

    with psycopg.connect(job.url, autocommit=True) as connection:
        columns: dict[str, list[str]] = {}
        for table, column in connection.execute(
            "SELECT format('%I.%I', t.table_schema, t.table_name), c.column_name FROM information_schema.tables AS t "
            "JOIN information_schema.columns AS c USING (table_schema, table_name) "
            "WHERE t.table_type = 'BASE TABLE' AND t.table_schema NOT IN ('pg_catalog', 'information_schema') "
            "ORDER BY c.ordinal_position"
        ):
            columns.setdefault(table, []).append(column)
        for table, names in columns.items():
            key = _key(names)
            if key is not None:
                numbered = f"t.{key} || '-' || lpad(s.n::text, 8, '0')"
                copy: Any = _copying(table, names, key, numbered, "generate_series(1, %(size)s) AS s(n)")
                connection.execute(copy + "%(id)s", {"id": workflow_id, "size": job.size})
        # What autovacuum would do by and by, while something is measured.
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


WORKLOADS = {"fill": fill}
