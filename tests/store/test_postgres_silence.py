"""Connections that stay up and forward nothing: given up soon after the server's own limits, and made anew."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import psycopg
import pytest

from holdfast import Holdfast, connection, options, transaction, workflow
from holdfast.errors import StoreUnavailable
from holdfast.store.postgres import silence, watch
from holdfast.store.postgres.connection import ENGINE_SETTINGS
from holdfast.store.postgres.store import PostgresStore
from holdfast.store.writes import Create, Unit
from tests.conformance.kit import new
from tests.helpers import eventually
from tests.postgres_proxy import PostgresProxy

CREATED = "CREATE TABLE silence_paid (refund text)"


@transaction
def silence_pay(refund: str) -> None:
    connection().execute("INSERT INTO silence_paid VALUES (%s)", [refund])


@workflow
def silence_refund(refund: str) -> str:
    silence_pay(refund)
    return refund


def quick_url(proxy: PostgresProxy) -> str:
    """Return the proxy's URL for connections that are soon given up while they are made, too."""
    return f"{proxy.url}?connect_timeout=2"


@pytest.fixture
def proxy(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresProxy]:
    monkeypatch.setattr(silence, "SILENCE", 0.5)
    made = PostgresProxy(postgres_url)
    yield made
    made.close()


@pytest.fixture
def store(proxy: PostgresProxy) -> Iterator[PostgresStore]:
    opened = PostgresStore(quick_url(proxy))
    opened.open()
    yield opened
    opened.close()


def test_the_engine_waits_longer_than_the_server_lets_a_statement_take() -> None:
    assert float(ENGINE_SETTINGS["statement_timeout"].removesuffix("s")) < silence.SILENCE


def test_a_commit_and_a_transaction_on_silent_connections_are_given_up(
    store: PostgresStore, proxy: PostgresProxy
) -> None:
    def begin() -> None:
        with store.transaction() as opened:
            opened.begin(None, None)

    for attempt in (lambda: store.commit([Unit(writes=(Create(workflow=new("one")),))]), begin):
        attempt()
        assert proxy.strand()
        began = monotonic()
        with pytest.raises(StoreUnavailable, match="not answered"):
            attempt()
        assert monotonic() - began < 5
        attempt()


def test_a_worker_whose_lock_nobody_answers_for_is_not_told_that_another_has_it(
    store: PostgresStore, proxy: PostgresProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0.1)
    proxy.fall_silent()
    with pytest.raises(StoreUnavailable, match="lock"):
        store.lock_worker("w1")
    proxy.speak()
    monkeypatch.undo()
    store.lock_worker("w1").release()


def test_a_read_on_a_silent_connection_is_given_up_and_made_on_another(
    store: PostgresStore, proxy: PostgresProxy
) -> None:
    before = store.now()
    assert proxy.strand()
    assert 0.4 < store.now() - before < 5


def test_a_statement_that_takes_long_is_not_silence_on_a_connection_of_user_code(
    store: PostgresStore,
) -> None:
    with store.transaction() as opened:
        opened.begin(None, None)
        assert opened.connection.execute("SELECT 1 FROM pg_sleep(1)").fetchone() == (1,)
        opened.commit(None, None)


def test_workflows_go_on_when_their_connections_fall_silent_and_nothing_is_done_twice(
    proxy: PostgresProxy, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url) as session:
        session.execute(CREATED)
    with Holdfast(quick_url(proxy)) as app:
        for number in range(2):
            refund = f"r-{number}"
            handle = options(id=refund).start(silence_refund, refund)
            proxy.strand()
            assert handle.result(30) == refund
        eventually(lambda: app.engine.committer.backlog == 0)
    with psycopg.connect(postgres_url) as session:
        paid = session.execute("SELECT refund FROM silence_paid ORDER BY 1").fetchall()
    assert paid == [("r-0",), ("r-1",)]
    assert proxy.stranded
