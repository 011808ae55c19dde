from __future__ import annotations

import json

from holdfast import Holdfast, Status, options
from tests.cli.conftest import Command
from tests.cli.programs import add, asks, fails, refund, sleeps, waits
from tests.helpers import eventually

HOSTILE = "\x1b[2J\x1b]52;c;cGF5\x07\u202eevil\nholdfast: all is well\r\x9b31m"
CONTROLS = set(HOSTILE) - set("evil\nholdfast: all is well[2J]52;c;cGF531m")


def suspended(app: Holdfast, workflow_id: str) -> None:
    eventually(lambda: app.get_workflow(workflow_id).status is Status.SUSPENDED)


def test_list_shows_the_newest_first_and_pages_through_all(working: Holdfast, command: Command) -> None:
    for number in range(5):
        options(id=f"w{number}").call(add, number)
    seen: list[str] = []
    arguments: tuple[str, ...] = ()
    while True:
        page = command.json("list", "--limit", "2", *arguments)
        seen += [workflow["id"] for workflow in page["workflows"]]
        if page["next"] is None:
            break
        arguments = ("--after", page["next"])
    assert seen == ["w4", "w3", "w2", "w1", "w0"]
    assert "w3" in command("list")


def test_list_filters_by_status_name_prefix_and_time(working: Holdfast, command: Command) -> None:
    options(id="good-1").call(add, 1)
    options(id="long-1").start(waits, "never")
    suspended(working, "long-1")

    def ids(*arguments: str) -> list[str]:
        return [workflow["id"] for workflow in command.json("list", *arguments)["workflows"]]

    assert ids("--status", "succeeded") == ["good-1"]
    assert ids("--status", "succeeded", "--status", "suspended") == ["long-1", "good-1"]
    assert ids("--name", "waits") == ids("--id-prefix", "long") == ["long-1"]
    assert ids("--since", "1h") == ["long-1", "good-1"]
    assert ids("--until", "2001-01-01") == []
    assert "neither ISO 8601" in command("list", "--since", "yesterday", code=2)


def test_show_draws_the_journal_as_a_tree(working: Holdfast, command: Command) -> None:
    handle = options(id="r1").start(refund, 7)
    suspended(working, "r1")
    shown = command("show", "r1")
    assert "a message on topic 'decision' until" in shown
    command("send", "r1", '{"approved": true, "by": "me"}', "--topic", "decision")
    assert handle.result(timeout=30) == "payment for 7"
    shown = command("show", "r1")
    assert "║ gather#2" in shown
    assert '→ "payment for 8"' in shown
    assert "⤷ succeeded add  r1/add#1" in shown
    document = command.json("show", "r1")
    assert document["output"] == "payment for 7"
    assert [entry["name"] for entry in document["journal"] if entry["kind"] == "step"].count("pay") == 3
    assert [child["name"] for child in document["children"]] == ["add"]


def test_show_says_what_a_workflow_waits_for(working: Holdfast, command: Command) -> None:
    options(id="topic").start(waits, "box")
    options(id="time").start(sleeps, 3600.0)
    options(id="person").start(asks, "Pay?")
    for workflow_id, phrase in [
        ("topic", "a message on topic 'box'"),
        ("time", "its time:"),
        ("person", "a decision on approval"),
    ]:
        suspended(working, workflow_id)
        assert phrase in command("show", workflow_id)


def test_what_does_not_exist_has_its_own_exit_code(command: Command) -> None:
    assert "no workflow with the id 'nobody'" in command("show", "nobody", code=3)
    for verb in (["watch", "nobody"], ["send", "nobody", "1"], ["resume", "nobody"], ["cancel", "nobody", "--yes"]):
        command(*verb, code=3)


def test_an_error_is_a_document_where_json_was_asked_for(command: Command) -> None:
    error = json.loads(command("show", "nobody", "--json", code=3))["error"]
    assert (error["type"], error["exit_code"]) == ("WorkflowNotFound", 3)


def test_stored_text_can_not_reach_the_terminal_as_control_characters(working: Holdfast, command: Command) -> None:
    handle = options(id="hostile").start(fails, HOSTILE)
    eventually(lambda: handle.status() is Status.FAILED)
    for arguments in (["list"], ["show", "hostile"], ["show", "hostile", "--all"], ["show", "hostile", "--json"]):
        printed = command(*arguments)
        assert not CONTROLS & set(printed), arguments
    shown = command("show", "hostile")
    assert "⟨U+001B⟩[2J" in shown
    assert "⟨U+202E⟩evil⏎holdfast: all is well" in shown
    assert not CONTROLS & set(command("watch", "hostile", code=1))


def test_watch_follows_a_workflow_to_its_end(working: Holdfast, command: Command) -> None:
    options(id="good").call(add, 1)
    assert "succeeded  2" in command("watch", "good")
    eventually(lambda: options(id="bad").start(fails, "no").status() is Status.FAILED)
    assert "ValueError: no" in command("watch", "bad", code=1)
    lines = [json.loads(line) for line in command("watch", "bad", "--json", code=1).splitlines()]
    assert lines[0]["checkpoint"]["name"] == "refuse"
    assert lines[-1]["workflow"]["status"] == "failed"


def test_watch_gives_up_when_its_time_is_over_and_leaves_the_workflow(working: Holdfast, command: Command) -> None:
    options(id="long").start(waits, "never")
    assert "it goes on" in command("watch", "long", "--timeout", "0.2", code=7)
    assert not working.get_workflow("long").status.is_terminal


def test_watch_without_an_id_shows_counts(working: Holdfast, command: Command) -> None:
    options(id="long").start(waits, "never")
    suspended(working, "long")
    [line, *_] = command("watch", "--timeout", "0.5", "--json").splitlines()
    assert json.loads(line)["counts"]["suspended"] == 1
