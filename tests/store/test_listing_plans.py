"""Lists read from an index what they need for one page: no plan reads a table from one end to the other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from holdfast.core.model import Fence, NewWorkflow, Status, WorkflowFilter
from holdfast.store.listing import listing
from holdfast.store.management_writes import SetAttributes
from holdfast.store.postgres.sql import queries, text_array
from holdfast.store.postgres.store import PostgresStore
from holdfast.store.queries import load_queries
from holdfast.store.sqlite.ledger import as_json
from holdfast.store.sqlite.store import SqliteStore
from holdfast.store.writes import Create, Finish, Unit

FILTERS = {
    "all": WorkflowFilter(),
    "name": WorkflowFilter(name="even"),
    "page": WorkflowFilter(before=(1500.0, "w1500")),
    "created": WorkflowFilter(created_after=500.0, created_before=510.0),
    "failed": WorkflowFilter(status=(Status.FAILED,)),
    "set aside": WorkflowFilter(status=(Status.BLOCKED, Status.DEAD)),
    "enqueued or running": WorkflowFilter(status=(Status.ENQUEUED, Status.RUNNING)),
    "finished": WorkflowFilter(finished_after=9e11),
    "error": WorkflowFilter(error="odd"),
    "attributes": WorkflowFilter(attributes={"customer": 7}),
    "prefix": WorkflowFilter(id_prefix="w12"),
    "parent": WorkflowFilter(parent_id="w1"),
    "origin": WorkflowFilter(forked_from="w1"),
}
COUNT = 3000


def units() -> Iterator[Unit]:
    """Many workflows, few of which failed."""
    for number in range(COUNT):
        new = NewWorkflow(
            workflow_id=f"w{number}", name="odd" if number % 2 else "even", version="1", input="[]", input_digest="",
            request_id=f"r{number}", created_at=float(number), owner="w", parent_id=f"w{number // 100}",
        )  # fmt: skip
        status = Status.SUCCEEDED if number % 100 else Status.FAILED
        writes = (Create(workflow=new), Finish(status=status, error='{"message": "odd"}'))
        yield Unit(writes=writes, fence=Fence(workflow_id=new.workflow_id, epoch=1))
        if number % 50 == 0:
            values = (("customer", str(number % 9)),)
            yield Unit(writes=(SetAttributes(workflow_id=new.workflow_id, values=values, write_id="w"),))


@pytest.mark.parametrize("name", FILTERS)
def test_on_sqlite_every_table_is_searched(name: str, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "holdfast.db")
    store.open()
    try:
        store.commit(list(units()))
        query, values = listing(FILTERS[name], as_json)
        connection = sqlite3.connect(tmp_path / "holdfast.db")
        plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {_sqlite(query)}", values)]
        steps = [0]

        def count() -> int:
            steps[0] += 1
            return 0

        connection.set_progress_handler(count, 100)
        connection.execute(_sqlite(query), values).fetchall()
        connection.close()
    finally:
        store.close()
    scans = [line for line in plan if line.startswith("SCAN") and "holdfast_" in line]
    # What is set aside is few: its table is read whole.
    assert [line for line in scans if "holdfast_reports" not in line and "INDEX" not in line] == []
    # Each row that is looked at costs some hundred steps of the machine.
    assert steps[0] < COUNT


def _sqlite(query: str) -> str:
    return load_queries("holdfast.store.sqlite")[query]


# As many rows as PostgreSQL finds an index worth while for.
FILL = (
    """INSERT INTO holdfast.workflow_info (id, version, input, input_digest, request_id, parent_id, created_at)
    SELECT 'w' || n, '1', '[]', '', '', 'w' || n / 100, n / 10.0 FROM generate_series(1, 30000) AS n""",
    """INSERT INTO holdfast.workflows (id, name, status, epoch)
    SELECT 'w' || n, CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END,
        CASE n % 1000 WHEN 0 THEN 'failed' ELSE 'succeeded' END, 1 FROM generate_series(1, 30000) AS n""",
    """INSERT INTO holdfast.outcomes (id, status, error, finished_at)
    SELECT 'w' || n, CASE n % 1000 WHEN 0 THEN 'failed' ELSE 'succeeded' END, '{"message": "odd"}', n
    FROM generate_series(1, 30000) AS n""",
    """INSERT INTO holdfast.attributes (workflow_id, name, value)
    SELECT 'w' || n, 'customer', (n / 100)::text FROM generate_series(1, 30000) AS n""",
    "ANALYZE",
)


def test_on_postgres_no_large_table_is_read_whole(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    store.open()
    store.close()
    statements = queries("holdfast")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement)
        for name, where in FILTERS.items():
            query, values = listing(where, text_array)
            [(document,)] = connection.execute(b"EXPLAIN (FORMAT JSON) " + statements[query], values)
            read_whole = {
                node["Relation Name"] for node in _nodes(document[0]["Plan"]) if node["Node Type"] == "Seq Scan"
            }
            # These two are empty here, and few rows at all times.
            assert read_whole <= {"reports", "lineage"}, name


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)
