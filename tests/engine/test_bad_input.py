"""What goes wrong around a program: each a clear error, or a wait, and nothing lost."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

import pytest

from holdfast import Config, Holdfast, Status, options, start, step, workflow
from holdfast.api.registry import registry
from holdfast.core.model import NewWorkflow
from holdfast.errors import (
    AlreadyRegistered,
    ConfigurationError,
    HoldfastError,
    SchemaTooNew,
    StepOutcomeUnknown,
    StoreUnavailable,
    UsageError,
)
from holdfast.store.writes import Create, Unit
from tests.engine.conftest import QUICK
from tests.helpers import eventually
from tests.postgres_server import PostgresServer


@pytest.mark.parametrize("url", ["mysql://localhost/x", "holdfast.db", "", "sqlite:/one-slash.db"])
def test_an_unknown_database_url_is_refused_with_the_right_forms(url: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///"):
        Holdfast(url)


def test_a_database_that_is_away_at_launch_is_an_error_at_launch() -> None:
    with pytest.raises((StoreUnavailable, ConfigurationError)):
        Holdfast("postgresql://127.0.0.1:1/nothing?connect_timeout=2").launch()


def test_an_sqlite_file_in_a_missing_folder_is_an_error_at_launch(tmp_path: Path) -> None:
    with pytest.raises(HoldfastError):
        Holdfast(f"sqlite:///{tmp_path}/missing/x.db").launch()


def test_a_newer_schema_is_refused_and_left_alone(sqlite_url: str) -> None:
    with Holdfast(sqlite_url, config=QUICK):
        pass
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as database:
        database.execute("INSERT INTO holdfast_schema (version, name, applied_at) VALUES (9999, 'later', 0)")
    database.close()
    with pytest.raises(SchemaTooNew, match="9999"):
        Holdfast(sqlite_url).launch()


def test_launching_twice_is_an_error(app: Holdfast) -> None:
    with pytest.raises(UsageError, match="already"):
        app.launch()


def test_two_functions_of_one_name_are_refused() -> None:
    def made() -> None: ...

    made.__module__, made.__qualname__ = "one", "same_name_twice"
    workflow(made)

    def other() -> None: ...

    other.__module__, other.__qualname__ = "two", "same_name_twice"
    with pytest.raises(AlreadyRegistered, match="name="):
        workflow(other)


def test_decorators_refuse_what_is_not_a_function() -> None:
    with pytest.raises(ConfigurationError, match="@tool"):
        step(42)  # type: ignore[call-overload]  # the point of the test


def test_an_unknown_workflow_stays_and_is_reported(app: Holdfast, caplog: pytest.LogCaptureFixture) -> None:
    new = NewWorkflow(
        workflow_id="orphan",
        name="of_another_program",
        version="1",
        input="{}",
        input_digest="",
        request_id="r",
        created_at=0.0,
    )
    with caplog.at_level(logging.WARNING, logger="holdfast.worker"):
        app.engine.committer.submit(Unit(writes=(Create(workflow=new),))).wait()
        app.engine.hub.work.set()
        eventually(lambda: "of_another_program" in caplog.text)
    assert app.get_workflow("orphan").status is Status.ENQUEUED


def test_a_corrupted_input_blocks_its_workflow_with_the_reason_and_no_other(app: Holdfast) -> None:
    @workflow
    def wants_a_number(number: int) -> int:
        return number

    definition = next(registry.workflow(name) for name in registry.workflow_names() if "wants_a_number" in name)
    assert definition is not None
    new = NewWorkflow(
        workflow_id="bad",
        name=definition.name,
        version=definition.version,
        input='{"number": 4',
        input_digest="",
        request_id="r",
        created_at=0.0,
    )
    app.engine.committer.submit(Unit(writes=(Create(workflow=new),))).wait()
    app.engine.hub.work.set()
    eventually(lambda: app.get_workflow("bad").status is Status.BLOCKED)
    assert "input" in (app.get_workflow("bad").report or "")
    assert start(wants_a_number, 5).result(timeout=10) == 5


def test_a_defect_of_the_engine_leaves_a_visible_workflow_that_can_be_resumed(
    app: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    @workflow
    def ends() -> str:
        return "the end"

    def breaks(value: object, hint: object = None) -> str:
        raise RuntimeError("a defect")

    with monkeypatch.context() as broken:
        broken.setattr(app.codec, "encode", breaks)
        handle = options(id="d").start(ends)
        eventually(lambda: handle.status() is Status.BLOCKED)
    assert "a defect" in (app.get_workflow("d").report or "")
    app.resume("d")
    assert handle.result(timeout=10) == "the end"


@step
def quick(number: int) -> int:
    return number


@workflow
def goes_on(number: int) -> int:
    return quick(number) + quick(number)


def test_a_locked_sqlite_file_makes_workflows_wait_and_not_fail(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Holdfast(sqlite_url, config=QUICK) as app:
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answers: list[int] = []
        caller = threading.Thread(target=lambda: answers.append(goes_on(4)))
        caller.start()
        eventually(lambda: "does not take writes" in caplog.text, timeout=20)
        assert answers == []
        other.execute("ROLLBACK")
        other.close()
        caller.join(timeout=20)
        assert answers == [8]
        assert app.list_workflows()[0].status is Status.SUCCEEDED


def test_a_postgres_that_restarts_makes_workflows_wait_and_not_fail(
    own_postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    with Holdfast(own_postgres_server.url, config=Config(heartbeat=0.2, lease=5, poll=1)):
        assert goes_on(1) == 2
        own_postgres_server.stop()
        answers: list[int] = []
        caller = threading.Thread(target=lambda: answers.append(goes_on(4)))
        caller.start()
        eventually(lambda: "does not take writes" in caplog.text, timeout=20)
        own_postgres_server.ensure_running()
        caller.join(timeout=30)
        assert answers == [8]
        assert start(goes_on, 5).result(timeout=20) == 10


def test_promise_at_most_once_step_raises_that_its_outcome_is_unknown(app: Holdfast) -> None:
    ran: list[str] = []

    @step(at_most_once=True)
    def transfers() -> None:
        ran.append("transfers")

    @workflow
    def once() -> str:
        try:
            transfers()
        except StepOutcomeUnknown as error:
            return error.step
        return "done"

    assert options(id="fresh").call(once) == "done"
    names = [checkpoint.step_id for checkpoint in app.get_journal("fresh")]
    assert names[0].endswith("transfers#1:intent")
    assert ran == ["transfers"]
