"""Rows that were cut off or overwritten: their workflow is set aside by name, and the others go on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from holdfast import Client, Holdfast, Status, options, recv, send, step, workflow
from holdfast.errors import DamagedRecord, WorkflowSetAside
from tests.engine.conftest import QUICK
from tests.helpers import eventually

JUNK = ["", "{", "nonsense", '{"$type": "os:system", "value": "true"}', "[" * 100_000]
BLOCKED = {Status.BLOCKED}
DAMAGED = {
    ("workflow_info", "id", "input"): BLOCKED,
    ("journal", "workflow_id", "output"): BLOCKED,
    ("journal", "workflow_id", "kind"): BLOCKED,
    # Without a fingerprint there is nothing to compare.
    ("journal", "workflow_id", "digest"): {Status.BLOCKED, Status.SUCCEEDED},
    # Steps are found by their ids.
    ("journal", "workflow_id", "name"): {Status.SUCCEEDED},
    # What others send may be anything: the code is told that it is not what it expects.
    ("messages", "workflow_id", "body"): {Status.FAILED},
}
"""Table, the column with the workflow's id, the column that is damaged; and what becomes of the workflows."""


@step
def measure(length: int) -> dict[str, int]:
    """Give something that is recorded."""
    return {"length": length}


@workflow
def damaged_later(length: int) -> int:
    """Record a step, then wait."""
    return measure(length)["length"] + int(recv("go", type=int))


def damage(url: str, table: str, key: str, column: str) -> Callable[[str, str], None]:
    """Return a function that overwrites a column of one workflow's rows."""

    def on_sqlite(workflow_id: str, text: str) -> None:
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        with connection:
            changed = connection.execute(
                f"UPDATE holdfast_{table} SET {column} = ? WHERE {key} = ?",
                (text, workflow_id),
            ).rowcount
        connection.close()
        assert changed

    def on_postgres(workflow_id: str, text: str) -> None:
        query = sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s").format(
            sql.Identifier("holdfast", table), sql.Identifier(column), sql.Identifier(key)
        )
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute(query, (text, workflow_id)).rowcount

    return on_sqlite if url.startswith("sqlite") else on_postgres


@pytest.mark.parametrize("place", DAMAGED, ids=" ".join)
def test_a_damaged_row_sets_its_workflow_aside_and_the_others_go_on(
    store_url: str, place: tuple[str, str, str]
) -> None:
    victims = {f"victim {number}": junk for number, junk in enumerate(JUNK)}
    everybody = ("sound 1", *victims, "sound 2")
    with Holdfast(store_url, config=QUICK) as app:
        for each in everybody:
            options(id=each).start(damaged_later, 3)
        eventually(lambda: {app.retrieve(each).status() for each in everybody} == {Status.SUSPENDED})
    overwrite = damage(store_url, *place)
    with Client(store_url) as client:
        for each in everybody:
            client.send(each, 4, topic="go")
        for each, junk in victims.items():
            overwrite(each, junk)
    with Holdfast(store_url, config=QUICK) as app:
        assert [app.retrieve(each).result(timeout=20) for each in ("sound 1", "sound 2")] == [7, 7]
        states = {each: app.retrieve(each).status for each in victims}
        eventually(lambda: {status() for status in states.values()} == DAMAGED[place])
        for each in victims:
            found = app.get_workflow(each)
            assert found.output in {None, "7"}
            if found.status is Status.BLOCKED:
                assert "way out" in (found.report or "")
                with pytest.raises(WorkflowSetAside, match=each):
                    app.retrieve(each).result(timeout=20)
        assert len(app.list_workflows()) == len(everybody)
        # The worker is as well as before.
        assert options(id="after").start(damaged_later, 1).id == "after"
        send("after", 1, topic="go")
        assert app.retrieve("after").result(timeout=20) == 2


@pytest.mark.parametrize("place", [("workflows", "id", "status"), ("journal", "workflow_id", "kind")], ids=" ".join)
def test_who_looks_at_a_damaged_row_is_told_whose_it_is(store_url: str, place: tuple[str, str, str]) -> None:
    with Holdfast(store_url, config=QUICK) as app:
        options(id="victim").start(damaged_later, 3)
        eventually(lambda: app.retrieve("victim").status() is Status.SUSPENDED)
    damage(store_url, *place)("victim", "nonsense")
    with Client(store_url) as client:
        for look in (client.admin.show, client.admin.export, client.admin.fork):
            with pytest.raises(DamagedRecord, match=r"'victim'.*nonsense"):
                look("victim")


class Locked:
    """A payload codec whose key is missing at times."""

    has_key = True

    def encode(self, text: str) -> str:
        return text

    def decode(self, text: str) -> str:
        if not self.has_key:
            raise KeyError("the key is not here")
        return text


def test_without_the_key_to_its_payloads_a_workflow_waits_and_does_not_fail(store_url: str) -> None:
    codec = Locked()
    with Holdfast(store_url, config=QUICK, payload_codec=codec) as app:
        options(id="one").start(damaged_later, 3)
        eventually(lambda: app.retrieve("one").status() is Status.SUSPENDED)
        codec.has_key = False
        send("one", 4, topic="go")
        eventually(lambda: app.retrieve("one").status() is Status.BLOCKED)
        codec.has_key = True
        app.resume("one")
        assert app.retrieve("one").result(timeout=20) == 7
