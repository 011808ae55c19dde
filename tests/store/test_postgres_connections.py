"""Connections to PostgreSQL that break, turn read-only, run into limits, or meet a pooler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from holdfast.core.model import Fence, WorkflowFilter
from holdfast.errors import ConfigurationError, SchemaTooNew, StoreUnavailable, UsageError
from holdfast.store.base import Conflict
from holdfast.store.postgres import PostgresStore
from holdfast.store.writes import Create, Record, Send, Unit
from tests.conformance.kit import checkpoint, message, new
from tests.postgres_proxy import PostgresProxy
from tests.postgres_server import PostgresServer
from tests.store.postgres_kit import superuser, terminate

FENCE = Fence(workflow_id="one", epoch=1)


@pytest.fixture
def open_store(postgres_url: str) -> Iterator[Callable[..., PostgresStore]]:
    opened: list[PostgresStore] = []

    def open_one(url: str = postgres_url, **options: str) -> PostgresStore:
        store = PostgresStore(url, **options)  # type: ignore[arg-type]  # the test's schema name
        store.open()
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., PostgresStore]) -> PostgresStore:
    return open_store()


def create(store: PostgresStore, workflow_id: str) -> bool:
    [receipt] = store.commit([Unit(writes=(Create(workflow=new(workflow_id)),))]).receipts
    return receipt.accepted


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_usual_spelling_of_the_url_connects(
    scheme: str, open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    assert open_store(f"{scheme}://{postgres_url.partition('://')[2]}").now() > 1_700_000_000


def test_a_url_that_cannot_be_read_is_refused_without_telling_its_password() -> None:
    with pytest.raises(ConfigurationError) as refused:
        PostgresStore("postgresql://me:secret@host:port/db?what=that")
    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_two_schemas_in_one_database_are_two_stores(open_store: Callable[..., PostgresStore]) -> None:
    one, two = open_store(), open_store(schema="Other_2")
    create(two, "one")
    assert one.get_workflow("one") is None
    assert two.get_workflow("one") is not None
    assert open_store(schema="Other_2").get_workflow("one") is not None


@pytest.mark.parametrize("schema", ["", "a b", 'a"b', "a.b", "%s", "x" * 41])
def test_a_schema_with_an_odd_name_is_refused(schema: str) -> None:
    with pytest.raises(ConfigurationError):
        PostgresStore("postgresql://localhost/db", schema=schema)


def test_a_role_without_rights_is_told_what_to_ask_for(
    open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    with superuser(postgres_url) as admin:
        admin.execute("CREATE ROLE holdfast_guest LOGIN PASSWORD 'guest'")
        try:
            parts = urlsplit(postgres_url)
            guest = parts._replace(netloc=f"holdfast_guest:guest@{parts.hostname}:{parts.port}").geturl()
            with pytest.raises(ConfigurationError, match="CREATE SCHEMA"):
                open_store(guest)
        finally:
            admin.execute("DROP ROLE holdfast_guest")


def test_a_role_that_may_not_create_anything_can_use_what_is_there(
    store: PostgresStore, open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    with superuser(postgres_url) as admin:
        admin.execute("CREATE ROLE holdfast_writer LOGIN PASSWORD 'writer'")
        admin.execute("GRANT USAGE ON SCHEMA holdfast TO holdfast_writer")
        admin.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA holdfast TO holdfast_writer")
        try:
            parts = urlsplit(postgres_url)
            writer = parts._replace(netloc=f"holdfast_writer:writer@{parts.hostname}:{parts.port}").geturl()
            assert create(open_store(writer), "one")
        finally:
            admin.execute("DROP OWNED BY holdfast_writer")
            admin.execute("DROP ROLE holdfast_writer")


def test_a_newer_schema_is_left_alone(store: PostgresStore, open_store: Callable[..., PostgresStore]) -> None:
    with superuser(store._connector.url) as admin:
        admin.execute("INSERT INTO holdfast.schema_version VALUES (9000, 'later', 0)")
    with pytest.raises(SchemaTooNew):
        open_store()


def test_sessions_have_limits_of_their_own(store: PostgresStore) -> None:
    create(store, "one")
    for session in (store._writer.use(), store._readers.use()):
        with session as connection:
            settings = dict(
                connection.execute(
                    "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
                    [
                        [
                            "statement_timeout",
                            "lock_timeout",
                            "idle_in_transaction_session_timeout",
                            "tcp_keepalives_idle",
                            "TimeZone",
                            "client_encoding",
                        ]
                    ],
                ).fetchall()
            )
        assert settings == {
            "statement_timeout": "30000",
            "lock_timeout": "10000",
            "idle_in_transaction_session_timeout": "4000",
            "tcp_keepalives_idle": "10",
            "TimeZone": "UTC",
            "client_encoding": "UTF8",
        }
    with store.transaction() as transaction:
        transaction.begin(None, None)
        assert transaction.connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_a_process_stopped_in_mid_commit_does_not_hold_up_the_others(
    store: PostgresStore, open_store: Callable[..., PostgresStore]
) -> None:
    create(store, "one")
    with store._writer.use() as stopped:
        stopped.execute("BEGIN")
        stopped.execute("SELECT id FROM holdfast.workflows WHERE id = 'one' FOR UPDATE")
        [receipt] = open_store().commit([Unit(writes=(Send(message=message("one", "m1")),))]).receipts
    assert receipt.accepted


def test_a_read_needs_no_second_call_after_its_session_was_ended(store: PostgresStore, postgres_url: str) -> None:
    create(store, "one")
    assert store.get_workflow("one") is not None
    assert terminate(postgres_url, "reads") == 1
    assert store.get_workflow("one") is not None


def test_the_store_goes_on_after_all_its_sessions_were_ended(store: PostgresStore, postgres_url: str) -> None:
    create(store, "one")
    assert store.get_workflow("one") is not None
    assert terminate(postgres_url) >= 2
    with pytest.raises(StoreUnavailable):
        create(store, "two")
    assert create(store, "two")
    # The commit's failure made the readers' connections suspect: none of the old ones is used again.
    assert store.get_workflow("two") is not None


def test_a_read_only_fail_over_is_waited_for(store: PostgresStore, postgres_url: str, postgres_admin_url: str) -> None:
    create(store, "one")
    database = psycopg.sql.Identifier(urlsplit(postgres_url).path[1:])
    setting = "ALTER DATABASE {} SET default_transaction_read_only = {}"
    with superuser(postgres_admin_url) as admin:
        admin.execute(psycopg.sql.SQL(setting).format(database, psycopg.sql.SQL("on")))
        terminate(postgres_url)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                create(store, "two")
        admin.execute(psycopg.sql.SQL(setting).format(database, psycopg.sql.SQL("off")))
    # The session that was read-only is not used again, though nobody ended it.
    assert create(store, "two")


def test_a_server_that_crashes_is_waited_for(own_postgres_server: PostgresServer) -> None:
    store = PostgresStore(own_postgres_server.url)
    store.open()
    try:
        assert create(store, "one")
        own_postgres_server.stop(mode="immediate")
        for call in (lambda: create(store, "two"), lambda: store.get_workflow("one"), store.now):
            with pytest.raises(StoreUnavailable):
                call()

        def attempt() -> None:
            with store.transaction() as transaction:
                transaction.begin(None, None)

        with pytest.raises(StoreUnavailable):
            attempt()
        own_postgres_server.start()
        assert create(store, "two")
        assert [each.workflow_id for each in store.list_workflows(WorkflowFilter())] == ["two", "one"]
    finally:
        store.close()


def test_without_connections_left_the_store_is_unavailable(
    open_store: Callable[..., PostgresStore], postgres_url: str, postgres_admin_url: str
) -> None:
    with superuser(postgres_admin_url) as admin:
        admin.execute("CREATE ROLE holdfast_narrow LOGIN SUPERUSER PASSWORD 'narrow'")
        try:
            parts = urlsplit(postgres_url)
            narrow = parts._replace(netloc=f"holdfast_narrow:narrow@{parts.hostname}:{parts.port}").geturl()
            store = open_store(narrow)
            admin.execute("ALTER ROLE holdfast_narrow NOSUPERUSER CONNECTION LIMIT 1")
            with pytest.raises(StoreUnavailable):
                store.get_workflow("one")
            store.close()
        finally:
            with superuser(postgres_url) as inside:
                inside.execute("REASSIGN OWNED BY holdfast_narrow TO CURRENT_USER")
            admin.execute("DROP ROLE holdfast_narrow")


def test_a_user_statement_that_hits_its_own_limit_fails_as_it_is(store: PostgresStore, postgres_url: str) -> None:
    create(store, "one")
    with superuser(postgres_url) as admin:
        admin.execute("CREATE TABLE purchases (id int PRIMARY KEY)")
        admin.execute("INSERT INTO purchases VALUES (1)")
    with psycopg.connect(postgres_url) as holder:
        holder.execute("SELECT FROM purchases FOR UPDATE")

        def lock() -> None:
            with store.transaction() as transaction:
                transaction.begin(FENCE, "/pay#1")
                transaction.connection.execute("SELECT FROM purchases FOR UPDATE NOWAIT")

        with pytest.raises(psycopg.errors.LockNotAvailable):
            lock()

    def sleep() -> None:
        with store.transaction() as transaction:
            transaction.begin(FENCE, "/pay#1")
            transaction.connection.execute("SET LOCAL statement_timeout = '20ms'")
            transaction.connection.execute("SELECT pg_sleep(5)")

    with pytest.raises(psycopg.errors.QueryCanceled):
        sleep()


def test_a_connection_that_breaks_in_user_code_is_no_error_of_the_users(
    store: PostgresStore, postgres_url: str
) -> None:
    create(store, "one")

    def work(connection: psycopg.Connection) -> None:
        terminate(postgres_url, "transactions")
        try:
            connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise ValueError("what the user's code makes of it") from error

    def attempt() -> None:
        with store.transaction() as transaction:
            transaction.begin(FENCE, "/pay#1")
            work(transaction.connection)

    with pytest.raises(StoreUnavailable):
        attempt()
    with store.transaction() as transaction:
        assert transaction.begin(FENCE, "/pay#1") is None


def test_a_serialization_failure_is_a_conflict_also_where_user_code_wrapped_it(
    store: PostgresStore, postgres_url: str
) -> None:
    create(store, "one")
    with superuser(postgres_url) as admin:
        admin.execute("CREATE TABLE counters (value int)")
        admin.execute("INSERT INTO counters VALUES (0)")

        def count(connection: psycopg.Connection) -> None:
            connection.execute("SELECT value FROM counters").fetchone()
            admin.execute("UPDATE counters SET value = value + 1")
            try:
                connection.execute("UPDATE counters SET value = value + 1")
            except psycopg.Error as error:
                raise ValueError("wrapped") from error

        def attempt() -> None:
            with store.transaction("repeatable read") as transaction:
                transaction.begin(FENCE, "/pay#1")
                count(transaction.connection)

        with pytest.raises(Conflict):
            attempt()


def test_an_outcome_that_was_recorded_meanwhile_undoes_the_second_try(store: PostgresStore, postgres_url: str) -> None:
    create(store, "one")
    with superuser(postgres_url) as admin:
        admin.execute("CREATE TABLE purchases (name text)")

    def attempt() -> None:
        with store.transaction() as transaction:
            transaction.begin(FENCE, "/pay#1")
            transaction.connection.execute("INSERT INTO purchases VALUES ('twice')")
            store.commit([Unit(fence=FENCE, writes=(Record(checkpoint=checkpoint("/pay#1", output='"first"')),))])
            transaction.commit(FENCE, checkpoint("/pay#1", output='"second"'))

    with pytest.raises(Conflict):
        attempt()
    with superuser(postgres_url) as admin:
        assert admin.execute("SELECT * FROM purchases").fetchall() == []
    with store.transaction() as transaction:
        found = transaction.begin(FENCE, "/pay#1")
        assert found is not None
        assert found.output == '"first"'


@pytest.mark.parametrize("then", ["nothing", "another statement"])
def test_user_code_that_commits_by_itself_is_told_so(then: str, store: PostgresStore) -> None:
    create(store, "one")
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        transaction.connection.execute("SELECT 1")
        transaction.connection.commit()
        if then == "another statement":
            transaction.connection.execute("SELECT 1")
        with pytest.raises(UsageError, match="ended the transaction"):
            transaction.commit(FENCE, checkpoint("/pay#1"))
    assert store.journal("one") == []


def test_a_failed_statement_that_was_ignored_is_explained(store: PostgresStore) -> None:
    create(store, "one")
    with store.transaction() as transaction:
        transaction.begin(FENCE, "/pay#1")
        with pytest.raises(psycopg.errors.UndefinedTable):
            transaction.connection.execute("SELECT * FROM nowhere")
        with pytest.raises(UsageError, match="savepoint"):
            transaction.commit(FENCE, checkpoint("/pay#1"))


def test_what_user_code_sets_on_its_connection_does_not_reach_the_next_one(store: PostgresStore) -> None:
    create(store, "one")
    with store.transaction("serializable") as transaction:
        transaction.begin(FENCE, "/pay#1")
        transaction.connection.row_factory = psycopg.rows.dict_row
        transaction.commit(FENCE, checkpoint("/pay#1"))
    with store.transaction() as transaction:
        assert transaction.begin(FENCE, "/pay#1") is not None
        assert transaction.connection.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


def test_a_lost_reply_to_a_transaction_leaves_its_outcome_to_be_found(store: PostgresStore, postgres_url: str) -> None:
    create(store, "one")
    with superuser(postgres_url) as admin:
        admin.execute("CREATE TABLE purchases (name text)")
    proxy = PostgresProxy(postgres_url)
    cut_off = PostgresStore(proxy.url)
    cut_off.open()
    try:

        def attempt() -> None:
            with cut_off.transaction() as transaction:
                transaction.begin(FENCE, "/pay#1")
                transaction.connection.execute("INSERT INTO purchases VALUES ('once')")
                proxy.lose_next_commit_reply()
                transaction.commit(FENCE, checkpoint("/pay#1", output='"paid"'))

        with pytest.raises(StoreUnavailable):
            attempt()
        assert proxy.lost == 1
        with cut_off.transaction() as transaction:
            found = transaction.begin(FENCE, "/pay#1")
        assert found is not None
        assert found.output == '"paid"'
        with superuser(postgres_url) as admin:
            assert admin.execute("SELECT * FROM purchases").fetchall() == [("once",)]
    finally:
        cut_off.close()
        proxy.close()


def test_behind_a_pooler_the_store_works_without_prepared_statements(postgres_url: str) -> None:
    proxy = PostgresProxy(postgres_url, as_pooler=True)
    store = PostgresStore(proxy.url)
    store.open()
    try:
        for number in range(3):
            assert create(store, f"w-{number}")
            store.commit([Unit(writes=(Send(message=message(f"w-{number}")),))])
        assert len(store.list_workflows(WorkflowFilter())) == 3
        with store._writer.use() as connection:
            assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
            assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
    finally:
        store.close()
        proxy.close()


def test_a_server_that_does_not_sync_is_warned_of(
    open_store: Callable[..., PostgresStore], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        store = open_store()
    with store._readers.use() as connection:
        syncs = connection.execute("SHOW fsync").fetchone() == ("on",)
    assert ("fsync=off" in caplog.text) is not syncs
