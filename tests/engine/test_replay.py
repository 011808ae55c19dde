"""Replay: the code is held to its journal, and a mismatch sets the workflow aside with a report."""

from __future__ import annotations

import json

import pytest

from holdfast import Holdfast, Status, recv, send, start, step, workflow
from holdfast.errors import WorkflowSetAside
from tests.helpers import eventually

behaviour = {"first": "pay", "argument": 10}


@pytest.fixture(autouse=True)
def _usual_behaviour() -> None:
    behaviour.update(first="pay", argument=10)


@step
def pay(amount: int) -> str:
    return f"paid {amount}"


@step
def charge(amount: int) -> str:
    return f"charged {amount}"


@workflow(version="1")
def changes_its_mind() -> str:
    done = "nothing"
    if behaviour["first"] == "pay":
        done = pay(behaviour["argument"])  # type: ignore[arg-type]  # an int
    elif behaviour["first"] == "charge":
        done = charge(behaviour["argument"])  # type: ignore[arg-type]  # an int
    recv("go")
    return done


def replayed_with(app: Holdfast, **changed: object) -> str:
    handle = start(changes_its_mind)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    behaviour.update(changed)
    send(handle.id, "now", topic="go")
    return handle.id


def test_another_step_in_a_recorded_ones_place_blocks(app: Holdfast) -> None:
    workflow_id = replayed_with(app, first="charge")
    eventually(lambda: app.get_workflow(workflow_id).status is Status.BLOCKED)
    report = json.loads(app.get_workflow(workflow_id).report or "{}")
    assert "pay#1" in report["recorded"]
    assert "charge#1" in report["asked for"]
    assert "test_replay.py" in report["at"]


def test_other_arguments_block(app: Holdfast) -> None:
    workflow_id = replayed_with(app, argument=999_999)
    eventually(lambda: app.get_workflow(workflow_id).status is Status.BLOCKED)


def test_a_recorded_step_that_is_left_out_blocks(app: Holdfast) -> None:
    workflow_id = replayed_with(app, first="none")
    eventually(lambda: app.get_workflow(workflow_id).status is Status.BLOCKED)


def test_whoever_waits_for_a_blocked_workflow_is_told_the_way_out(app: Holdfast) -> None:
    workflow_id = replayed_with(app, first="charge")
    with pytest.raises(WorkflowSetAside, match="resume"):
        app.retrieve(workflow_id).result(timeout=10)


def test_a_mended_workflow_resumes_and_nothing_is_lost(app: Holdfast) -> None:
    workflow_id = replayed_with(app, first="charge")
    eventually(lambda: app.get_workflow(workflow_id).status is Status.BLOCKED)
    behaviour.update(first="pay")
    app.resume(workflow_id)
    assert app.retrieve(workflow_id).result(timeout=10) == "paid 10"
