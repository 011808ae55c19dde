"""A database that comes back without what it had acknowledged: noticed, named and counted, and nothing invented."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from holdfast import Config, Holdfast, options, start, step, workflow
from tests.helpers import eventually
from tests.postgres_server import PostgresServer
from tests.store.postgres_kit import superuser, terminate

CONFIG = Config(heartbeat=0.2, lease=10.0)
reached, go_on = threading.Event(), threading.Event()


@pytest.fixture(autouse=True)
def gate() -> Iterator[None]:
    reached.clear()
    go_on.clear()
    yield
    go_on.set()


@step
def losses_note(number: int) -> int:
    return number


@step
def losses_gate() -> None:
    reached.set()
    go_on.wait(60)


@workflow
def losses_work() -> list[int]:
    first = losses_note(1)
    losses_gate()
    return [first, losses_note(2)]


@workflow
def losses_short() -> int:
    return losses_note(3)


def lost(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said about losses."""
    return [each.getMessage() for each in caplog.records if getattr(each, "action", "") == "database_lost_commits"]


def forget(url: str, *statements: str) -> None:
    """Make the database what it was before some commits, and end its sessions, as a fail-over does."""
    with superuser(url) as admin:
        for statement in statements:
            admin.execute(statement)
    terminate(url)


def test_the_outcome_of_a_step_that_is_gone_after_the_connections_broke_is_told(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Holdfast(postgres_url, config=CONFIG) as app, caplog.at_level(logging.ERROR):
        handle = options(id="held").start(losses_work)
        assert reached.wait(30)
        forget(postgres_url, "DELETE FROM holdfast.journal")
        eventually(lambda: app.engine.committer.losses.count == 1)
        go_on.set()
        assert handle.result(30) == [1, 2]
        assert app.engine.committer.losses.count == 1
    [said] = lost(caplog)
    assert "the outcome of losses_note" in said
    assert "of workflow held" in said


def test_a_workflow_that_is_gone_and_one_whose_claim_is_gone_are_told(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Holdfast(postgres_url, config=CONFIG) as app, caplog.at_level(logging.ERROR):
        held = options(id="held").start(losses_work)
        assert reached.wait(30)
        assert options(id="ended").start(losses_short).result(30) == 3
        forget(
            postgres_url,
            "DELETE FROM holdfast.workflows WHERE id = 'ended'",
            # Not to be claimed again, with the epoch that it has in memory, before anybody has looked.
            "UPDATE holdfast.workflows SET status = 'enqueued', owner = NULL, epoch = 0, wake_at = 4e9"
            " WHERE id = 'held'",
        )
        eventually(lambda: app.engine.committer.losses.count == 1)
        with superuser(postgres_url) as admin:
            admin.execute("UPDATE holdfast.workflows SET wake_at = 0 WHERE id = 'held'")
        go_on.set()
        # Its claim is gone: what ran here is refused, and it runs again from what the database still knows.
        assert held.result(30) == [1, 2]
    [said] = lost(caplog)
    assert "the end of workflow ended" in said
    assert "the claim of workflow held" in said


def test_connections_that_break_without_a_loss_are_nothing_to_tell(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Holdfast(postgres_url, config=CONFIG) as app, caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert start(losses_short).result(30) == 3
            terminate(postgres_url)
        held = start(losses_work)
        assert reached.wait(30)
        terminate(postgres_url)
        go_on.set()
        assert held.result(30) == [1, 2]
        assert app.engine.committer.losses.count == 0
    assert not lost(caplog)


@pytest.mark.chaos
def test_a_server_that_comes_back_as_it_was_before_is_noticed_and_what_it_knows_goes_on(
    own_postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = own_postgres_server.url
    with Holdfast(url, config=CONFIG) as app, caplog.at_level(logging.ERROR):
        held = options(id="held").start(losses_work)
        assert reached.wait(30)
        own_postgres_server.stop(mode="fast")
        own_postgres_server.keep_copy()
        own_postgres_server.start()
        assert options(id="young").start(losses_short).result(60) == 3
        own_postgres_server.stop()
        own_postgres_server.put_back_copy()
        own_postgres_server.start()
        eventually(lambda: app.engine.committer.losses.count == 1, timeout=60)
        go_on.set()
        assert held.result(60) == [1, 2]
        # Its caller still has the result; the database knows nothing of it, and takes it as new.
        assert options(id="young").call(losses_short) == 3
    [said] = lost(caplog)
    assert "the end of workflow young" in said
    assert "held" not in said
