from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast import Holdfast, Status, options
from holdfast.core.model import Fence
from holdfast.store.base import Store
from holdfast.store.writes import Create, Record, Suspend, Unit
from tests.cli.conftest import APP, Command
from tests.cli.programs import fails, waits
from tests.conformance.kit import checkpoint, new
from tests.helpers import eventually


def test_check_is_content_with_code_that_follows_its_journals(working: Holdfast, command: Command) -> None:
    handle = options(id="w").start(waits, "box")
    eventually(lambda: handle.status() is Status.SUSPENDED)
    document = command.json("check", "--app", APP)
    assert (document["ok"], document["checked"]) == (True, 1)
    assert "ok" in command("check", "--app", APP)
    assert command.json("replay", "w", "--app", APP)["verdict"] == "ok"


def test_check_tells_of_workflows_that_the_code_would_block(store: Store, command: Command) -> None:
    fence = Fence(workflow_id="w", epoch=1)
    store.commit([Unit(writes=(Create(workflow=new("w", name="nobody_knows_it", owner="w1")),), fence=fence)])
    store.commit([Unit(writes=(Record(checkpoint=checkpoint("pay#1")),), fence=fence)])
    store.commit([Unit(writes=(Suspend(wake_at=None),), fence=fence)])
    document = command.json("check", "--app", APP, code=1)
    assert [finding["verdict"] for finding in document["findings"]] == ["unknown"]
    assert "unknown" in command("check", "--app", APP, code=1)
    assert command.json("replay", "w", "--app", APP, code=1)["harmless"] is False


def test_replay_wants_one_workflow(command: Command, tmp_path: Path) -> None:
    assert "either the workflow's ID or a --file" in command("replay", "--app", APP, code=2)
    command("replay", "nobody", "--app", APP, code=3)
    file = tmp_path / "export.json"
    file.write_text(json.dumps({"workflow": {}}))
    assert "takes an exported workflow" in command("replay", "--file", str(file), "--app", APP, code=2)


@pytest.mark.parametrize("finished", [0, 1])
def test_check_may_include_what_has_ended(working: Holdfast, command: Command, finished: int) -> None:
    handle = options(id="bad").start(fails, "no")
    eventually(lambda: handle.status() is Status.FAILED)
    assert command.json("check", "--app", APP, "--finished", str(finished))["checked"] == finished
