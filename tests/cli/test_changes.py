from __future__ import annotations

import pytest

from holdfast import Holdfast, Status, options
from holdfast.core.model import Fence
from holdfast.store.base import Store
from holdfast.store.writes import Create, SetAside, Unit
from tests.cli.conftest import APP, Command
from tests.cli.programs import waits
from tests.conformance.kit import new
from tests.helpers import eventually


def test_a_message_is_json_or_a_text_from_the_line_a_file_or_standard_input(
    working: Holdfast, command: Command
) -> None:
    handles = [options(id=f"w{number}").start(waits, "box") for number in range(3)]
    command("send", "w0", "[1, 2]", "--topic", "box")
    command("send", "w1", "just words", "--topic", "box", "--text")
    command("send", "w2", "-", "--topic", "box", stdin='{"from": "stdin"}')
    assert [handle.result(timeout=30) for handle in handles] == ["[1, 2]", "just words", "{'from': 'stdin'}"]
    assert "is no JSON" in command("send", "w0", "just words", code=2)


def test_a_message_with_a_key_is_delivered_once(working: Holdfast, command: Command) -> None:
    handle = options(id="w").start(waits, "box")
    command("send", "w", "1", "--key", "k", "--topic", "other")
    command("send", "w", "2", "--key", "k", "--topic", "box")
    command("send", "w", "3", "--key", "other", "--topic", "box")
    assert handle.result(timeout=30) == "3"


def test_cancel_asks_first_where_somebody_can_answer(working: Holdfast, command: Command) -> None:
    handle = options(id="w").start(waits, "never")
    assert "add --yes" in command("cancel", "w", code=2, stdin="y\n")
    assert handle.status() is not Status.CANCELLED
    command("cancel", "w", "--yes")
    eventually(lambda: handle.status() is Status.CANCELLED)


def test_cancel_changes_nothing_if_one_of_the_ids_is_unknown(working: Holdfast, command: Command) -> None:
    options(id="w").start(waits, "never")
    command("cancel", "w", "nobody", "--yes", code=3)
    assert working.get_workflow("w").cancel_at is None


def test_resume_lets_a_blocked_workflow_go_on_and_refuses_others(store: Store, command: Command) -> None:
    fence = Fence(workflow_id="w", epoch=1)
    store.commit([Unit(writes=(Create(workflow=new("w", owner="w1")),), fence=fence)])
    assert "left as it is: w: it is running" in command("resume", "w", code=4)
    store.commit([Unit(writes=(SetAside(status=Status.BLOCKED, report='{"reason": "test"}'),), fence=fence)])
    assert "reason: test" in command("show", "w")
    assert command.json("resume", "w")["workflows"] == ["w"]
    assert command.json("show", "w")["status"] == "enqueued"


def test_start_leaves_the_work_to_workers(command: Command) -> None:
    assert command("start", "add", "-a", "left=4", "--id", "s1", "--app", APP).strip() == "s1"
    assert command.json("show", "s1")["status"] == "enqueued"
    assert command.json("start", "add", "-a", "left=4", "--id", "s1", "--app", APP)["id"] == "s1"
    assert "is taken" in command("start", "add", "-a", "left=5", "--id", "s1", "--app", APP, code=4)


def test_start_says_what_is_wrong_with_a_call(command: Command) -> None:
    assert "it knows refund" in command("start", "refunds", "--app", APP, code=3)
    assert "takes no argument 'up'" in command("start", "add", "-a", "up=1", "--app", APP, code=2)
    assert "no JSON" in command("start", "add", "--input", "{left", "--app", APP, code=2)
    assert "a JSON object" in command("start", "add", "--input", "[1]", "--app", APP, code=2)
    assert "name=value" in command("start", "add", "-a", "left", "--app", APP, code=2)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("tests.cli.programs", "name the application as module:name"),
        ("tests.cli.nowhere:app", "there is no module 'tests.cli.nowhere'"),
        ("tests.cli.programs:not_an_app", "is int, not a Holdfast application; in tests.cli.programs there is app"),
    ],
)
def test_an_application_that_is_not_there_is_a_wrong_configuration(command: Command, target: str, said: str) -> None:
    assert said in command("start", "add", "--app", target, code=6)
