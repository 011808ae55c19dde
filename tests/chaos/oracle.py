"""What holds after every kind of chaos: nothing lost, nothing doubled, nothing stuck, nothing corrupt."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import psycopg

from holdfast import Holdfast, Status, WorkflowFilter, read_stream
from tests.chaos.programs import CONFIG, environment
from tests.helpers import eventually

_ALL = WorkflowFilter(limit=1_000_000)


def create_ledger(url: str) -> None:
    """Make the table that refunds are paid in, before any worker is there. It takes a refund twice."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(_file(url))) as file, file:
            file.execute("CREATE TABLE ledger (refund TEXT)")
    else:
        with psycopg.connect(url) as session:
            session.execute("CREATE TABLE ledger (refund TEXT)")


def paid(url: str) -> Counter[str]:
    """Return how often each refund was paid."""
    query = "SELECT refund FROM ledger"
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(_file(url))) as file:
            return Counter(refund for (refund,) in file.execute(query))
    with psycopg.connect(url) as session:
        return Counter(refund for (refund,) in session.execute(query))


def audit(url: str, acknowledged: Iterable[str], effects: Path, *, timeout: float = 120.0) -> int:
    """Let one last, undisturbed worker end what is left, and hold all that is recorded to the promises.

    Return how many refunds were looked at: those acknowledged, and those whose acknowledgement was lost.
    """
    with patch.dict(os.environ, environment(url, effects)), Holdfast(url, config=CONFIG) as app:
        eventually(lambda: not _unfinished(app), timeout=timeout, message="every workflow comes to its end")
        records = app.list_workflows(_ALL)
        refunds = {record.workflow_id for record in records if record.name.endswith("chaos_refund")}
        assert set(acknowledged) <= refunds, "an acknowledged start was lost"
        assert {record.status for record in records} <= {Status.SUCCEEDED}
        assert len(records) == 2 * len(refunds), "each refund has one clerk"
        for refund in refunds:
            assert app.retrieve(refund).result(timeout=10) == ["first", "second"]
            assert list(read_stream(refund, "log")) == [(0, "paid"), (1, "told")]
            places = Counter(check.step_id for check in app.get_journal(refund))
            assert set(places.values()) == {1}, "each outcome is recorded once"
    assert paid(url) == dict.fromkeys(refunds, 1), "each refund is paid exactly once"
    _audit_effects(refunds, effects)
    check_integrity(url)
    return len(refunds)


def finish_all(url: str, effects: Path, *, timeout: float = 60.0) -> None:
    """Let another worker end all that is there."""
    with patch.dict(os.environ, environment(url, effects)), Holdfast(url, config=CONFIG) as app:
        eventually(lambda: not _unfinished(app), timeout=timeout, message="every workflow comes to its end")


def check_integrity(url: str) -> None:
    """Ask SQLite whether the file is sound."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(_file(url))) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _audit_effects(refunds: set[str], effects: Path) -> None:
    keys: dict[str, set[str]] = {}
    for line in effects.read_text(encoding="utf-8").splitlines():
        refund, key = line.split()
        keys.setdefault(refund, set()).add(key)
    assert set(keys) == refunds, "every effect outside took place"
    assert all(len(each) == 1 for each in keys.values()), "an effect that came again had its key"


def _unfinished(app: Holdfast) -> list[str]:
    return [record.workflow_id for record in app.list_workflows(_ALL) if not record.status.is_terminal]


def _file(url: str) -> str:
    return url.removeprefix("sqlite:///")
