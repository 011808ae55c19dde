"""The pipeline that commits go through: what it sends, what it refuses, what an error leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg
import pytest

from holdfast import Holdfast, connection, transaction, workflow
from holdfast.store.postgres.connection import Connector
from holdfast.store.postgres.pipeline import Pipeline, Statement

NUMBERS = Statement.of("numbers", b"SELECT n FROM generate_series(1, %(last)s::int) AS n")
TEXTS = Statement.of("texts", b"SELECT %(one)s::text, %(two)s::text || '%%', %(one)s::text")
FAILS = Statement.of("fails", b"SELECT 1 / %(zero)s::int")


@pytest.fixture(params=[True, False], ids=["prepared", "behind a pooler"])
def session(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(Connector.from_url(postgres_url).url, autocommit=True) as connected:
        if not request.param:
            connected.prepare_threshold = None
        yield connected


def send(session: psycopg.Connection, *statements: tuple[Statement, Mapping[str, object]]) -> None:
    with Pipeline(session).open() as pipeline:
        for statement, parameters in statements:
            pipeline.run(statement, parameters)


def test_results_belong_to_their_statements(session: psycopg.Connection) -> None:
    with Pipeline(session).open() as pipeline:
        first = pipeline.run(NUMBERS, {"last": 2})
        second = pipeline.run(TEXTS, {"one": "a\n\\'%", "two": None})
        third = pipeline.run(NUMBERS, {"last": 1})
        assert second.fetchone() == ("a\n\\'%", None, "a\n\\'%")
        assert third.fetchall() == [(1,)]
        late = pipeline.run(TEXTS, {"one": "é", "two": "x"})
    assert list(first) == [(1,), (2,)]
    assert late.fetchall() == [("é", "x%", "é")]


def test_more_than_both_ends_can_buffer_passes(session: psycopg.Connection) -> None:
    long = "x" * 1_000_000
    with Pipeline(session).open() as pipeline:
        found = [pipeline.run(TEXTS, {"one": long, "two": long}) for _ in range(40)]
    assert all(rows.fetchone() == (long, f"{long}%", long) for rows in found)


def test_text_that_the_server_would_cut_off_is_refused_before_anything_is_sent(session: psycopg.Connection) -> None:
    with pytest.raises(psycopg.DataError, match="NUL"):
        send(session, (NUMBERS, {"last": 1}), (TEXTS, {"one": "refund\0ed", "two": ""}))
    with pytest.raises(TypeError, match="bytes"):
        send(session, (TEXTS, {"one": b"refunded", "two": ""}))
    assert session.execute("SELECT 1").fetchone() == (1,)


def test_an_error_is_the_drivers_own_and_the_session_goes_on(session: psycopg.Connection) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero) as raised:
            send(session, (NUMBERS, {"last": 1}), (FAILS, {"zero": 0}), (TEXTS, {"one": "", "two": ""}))
        assert raised.value.sqlstate == "22012"
        assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with Pipeline(session).open() as pipeline:
            assert pipeline.run(NUMBERS, {"last": 1}).fetchall() == [(1,)]


def test_a_connection_that_breaks_in_the_middle_is_an_error_without_a_state(
    session: psycopg.Connection, postgres_url: str
) -> None:
    ends_itself = Statement.of("ends_itself", b"SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(psycopg.OperationalError):
        send(session, (ends_itself, {}), (NUMBERS, {"last": 1}))
    assert session.closed


@transaction
def inserts(*, throws_away: bool) -> None:
    if throws_away and not connection().execute("SELECT FROM kept WHERE n = 2").fetchone():
        connection().execute("DEALLOCATE ALL")
    connection().execute("INSERT INTO kept VALUES (1)")


@workflow
def keeps_one(throws_away: bool) -> None:  # noqa: FBT001 - of a test
    inserts(throws_away=throws_away)


def test_user_code_may_throw_away_what_is_prepared(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as beside:
        beside.execute("CREATE TABLE kept (n int)")
        with Holdfast(postgres_url):
            for throws_away in (False, True, False, False):
                keeps_one(throws_away)
            beside.execute("INSERT INTO kept VALUES (2)")
            keeps_one(True)
        assert beside.execute("SELECT count(*) FROM kept WHERE n = 1").fetchone() == (5,)
