"""What a commit costs does not grow with what the database holds: no statement of it reads a table from end to end.

The writing session keeps one plan for each statement, made when the tables may still have been empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from holdfast.store.postgres.connection import WRITE_SETTINGS
from holdfast.store.postgres.pipeline import Statements
from holdfast.store.postgres.sql import queries
from holdfast.store.postgres.store import PostgresStore
from tests.helpers import ROOT
from tests.store.postgres_kit import superuser

GROWING = {"workflows", "workflow_info", "journal", "outcomes", "messages", "events", "event_writes", "stream_items"}
"""Tables with a row for each workflow, or more."""
SPARSE = {"workflows_asleep", "workflows_enqueued", "workflows_line", "workflows_delayed", "workflows_returning"}
"""Indexes of what may be due, in the order in which it is: a claim reads as many entries as it takes."""
RUN = re.compile(r'\brun\(\s*"(\w+)"')
SCAN = re.compile(r"(?:Seq|Index|Index Only) Scan(?: Backward)?(?: using (\w+))? on (\w+)")
STATEMENTS = sorted(
    {
        name
        for module in (ROOT / "src/holdfast/store/postgres").glob("*.py")
        if module.name != "transaction.py"
        for name in RUN.findall(module.read_text())
    }
    - {"begin", "commit"}
)


@pytest.fixture
def session(postgres_url: str) -> Iterator[psycopg.Connection]:
    store = PostgresStore(postgres_url)
    store.open()
    with superuser(postgres_url) as connection:
        for name, value in WRITE_SETTINGS.items():
            connection.execute(psycopg.sql.SQL("SET {} = {}").format(psycopg.sql.Identifier(name), value))
        yield connection
    store.close()


def plan(session: psycopg.Connection, name: str) -> list[str]:
    text = Statements(queries("holdfast"))[name].text.strip().rstrip(b";")
    return [line for (line,) in session.execute(b"EXPLAIN (GENERIC_PLAN) " + text, prepare=False)]


def reads_whole(lines: list[str]) -> list[str]:
    """Return the scans of growing tables that no condition of an index bounds."""
    found = [line.strip() for line in lines if "hashed SubPlan" in line]
    for place, line in enumerate(lines):
        scan = SCAN.search(line)
        if scan is None or scan[2] not in GROWING or scan[1] in SPARSE:
            continue
        depth = len(line) - len(line.lstrip())
        below = [each for each in lines[place + 1 : place + 4] if len(each) - len(each.lstrip()) > depth]
        if not any("Index Cond" in each for each in below):
            found.append(line.strip())
    return found


def test_no_statement_of_a_commit_reads_a_growing_table_from_end_to_end(session: psycopg.Connection) -> None:
    assert len(STATEMENTS) > 40
    wrong = {name: found for name in STATEMENTS if (found := reads_whole(plan(session, name)))}
    assert not wrong


def test_the_check_finds_a_table_read_from_end_to_end(session: psycopg.Connection) -> None:
    bad = "SELECT FROM holdfast.workflows AS w WHERE w.id = $1 OR EXISTS (SELECT FROM holdfast.outcomes WHERE id = $1)"
    lines = [line for (line,) in session.execute(b"EXPLAIN (GENERIC_PLAN) " + bad.encode(), prepare=False)]
    assert reads_whole(lines)


OF_ONE_WORKER = {"lock_running_of_worker", "running_of_worker", "release_strays", "taken_by_claim"}
"""Statements about all that a worker runs, which look that up once."""


def test_no_list_of_workflows_is_held_against_all_that_runs(session: psycopg.Connection) -> None:
    found = {name for name in STATEMENTS if any("using workflows_running" in line for line in plan(session, name))}
    assert found <= OF_ONE_WORKER
