"""A child whose creation is refused, because its parent belongs to somebody else by now."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import Holdfast, workflow
from holdfast.api.decorators import definition_of
from holdfast.core.model import Fence, Kind
from holdfast.core.replay import Journal, Operation
from holdfast.runtime.control import Lost
from holdfast.runtime.effects import drive
from holdfast.runtime.execution import Execution
from holdfast.store.writes import Create, Unit
from tests.conformance.kit import new


@workflow
def created_by_its_parents_new_owner() -> None:
    return


def test_it_runs_nothing_although_the_new_owner_has_created_it_with_the_same_epoch(tmp_path: Path) -> None:
    with Holdfast(f"sqlite:///{tmp_path / 'a.db'}") as app:
        engine = app.engine
        child = new("parent/child#1", owner=engine.worker_id)
        engine.committer.submit(Unit(writes=(Create(workflow=child),))).wait()
        refused = engine.committer.submit(
            Unit(writes=(Create(workflow=child),), fence=Fence(workflow_id="parent", epoch=1))
        )
        execution = Execution(
            engine,
            definition_of(created_by_its_parents_new_owner),
            workflow_id=child.workflow_id,
            epoch=1,
            input_text=child.input,
            journal=Journal(),
        )
        execution.expect(refused)
        execution.record(Operation(step_id="pay#1:intent", branch="", name="pay", kind=Kind.INTENT))
        with pytest.raises(Lost):
            drive(execution.barrier())
