"""Changing many workflows at once, by filter; and copies of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast import Holdfast, Queue, Status, options, set_attributes, workflow
from holdfast.store.base import Store
from holdfast.store.queue_writes import DeclareQueue
from holdfast.store.writes import Unit
from tests.cli.conftest import Command
from tests.cli.programs import add, fails, waits
from tests.helpers import eventually


@workflow
def cli_marks(customer: int) -> int:
    set_attributes(customer=customer)
    return customer


def settled(app: Holdfast, *workflow_ids: str) -> None:
    for workflow_id in workflow_ids:
        eventually(lambda workflow_id=workflow_id: app.get_workflow(workflow_id).status.is_terminal)  # type: ignore[misc]


def test_a_filter_is_rehearsed_then_asked_about_then_carried_out(working: Holdfast, command: Command) -> None:
    handles = [options(id=f"w{number}").start(waits, "never") for number in range(3)]
    other = options(id="other").start(waits, "never")
    planned = command.json("cancel", "--id-prefix", "w", "--dry-run")
    assert (sorted(planned["changed"]), planned["dry_run"]) == (["w0", "w1", "w2"], True)
    assert "cancel 3 workflows? Nobody can be asked here: add --yes" in command(
        "cancel", "--id-prefix", "w", code=2, stdin="y\n"
    )
    assert all(working.get_workflow(handle.id).cancel_at is None for handle in handles)
    done = command.json("cancel", "--id-prefix", "w", "--limit", "2", "--yes")
    assert (len(done["changed"]), done["more"]) == (2, True)
    assert other.status() is not Status.CANCELLED
    command("cancel", "--name", "waits", "--yes")
    settled(working, "w0", "w1", "w2", "other")


def test_ids_and_filters_are_not_mixed_and_all_is_not_meant_by_chance(command: Command) -> None:
    assert "either which workflows by ID, or which by filter" in command("cancel", "--yes", code=2)
    assert "either which" in command("delete", "w", "--status", "failed", "--yes", code=2)


def test_a_failed_one_is_retried_and_deleted(working: Holdfast, command: Command) -> None:
    options(id="f").start(fails, "it")
    settled(working, "f")
    assert command.json("retry", "f", "--yes")["changed"] == ["f~retry"]
    settled(working, "f~retry")
    shown = command("show", "f~retry")
    assert "forked from" in shown
    assert command.json("delete", "--forked-from", "f", "--yes")["changed"] == ["f~retry"]
    command("show", "f~retry", code=3)
    assert "delete: 1 changed" in command("delete", "f", "--yes")


def test_what_can_not_be_deleted_is_refused_with_its_reason(working: Holdfast, command: Command) -> None:
    options(id="w").start(waits, "never")
    assert "workflow w: it is" in command("delete", "w", "--yes", code=4)
    assert working.get_workflow("w").status is not Status.CANCELLED


def test_gc_deletes_what_ended_long_ago(working: Holdfast, command: Command) -> None:
    options(id="old").start(add, 1).result(timeout=30)
    options(id="bad").start(fails, "it")
    settled(working, "bad")
    assert command.json("gc", "--older-than", "1d")["deleted"] == 0
    assert command.json("gc", "--older-than", "0s", "--status", "succeeded", "--dry-run")["would_delete"] == 1
    assert "1 workflow was deleted" in command("gc", "--older-than", "0s", "--status", "succeeded")
    command("show", "old", code=3)
    command("show", "bad")
    assert "is no duration" in command("gc", "--older-than", "soon", code=2)


def test_a_fork_goes_on_with_another_input(working: Holdfast, command: Command) -> None:
    options(id="a").start(add, 2, right=3).result(timeout=30)
    assert command("fork", "a", "--id", "b", "-a", "left=40").strip() == "b"
    assert working.retrieve("b").result(timeout=30) == 43
    assert command.json("fork", "a", "--id", "b", "-a", "left=40") == {"id": "b", "forked_from": "a"}
    assert working.retrieve("a").result(timeout=30) == 5
    command("fork", "nobody", code=3)
    command("fork", "a", "--from-step", "no-such-step#1", code=2)


def test_an_export_is_imported_where_it_was_deleted(working: Holdfast, command: Command, tmp_path: Path) -> None:
    options(id="a").start(cli_marks, 7).result(timeout=30)
    file = tmp_path / "a.json"
    command("export", "a", "-o", str(file))
    assert json.loads(command("export", "a")) == json.loads(file.read_text())
    assert command.json("import", f"@{file}")["kept"].keys() <= {"a"}
    command("delete", "a", "--yes")
    assert command.json("import", f"@{file}")["imported"] == ["a"]
    assert working.retrieve("a").result(timeout=30) == 7
    command("export", "nobody", code=3)


def test_lists_filter_by_what_workflows_say_of_themselves(working: Holdfast, command: Command) -> None:
    for customer in (7, 8):
        options(id=f"c{customer}").start(cli_marks, customer).result(timeout=30)
    options(id="f").start(fails, "the printer")
    settled(working, "f")
    assert [each["id"] for each in command.json("list", "--attribute", "customer=7")["workflows"]] == ["c7"]
    assert [each["id"] for each in command.json("list", "--error", "printer")["workflows"]] == ["f"]
    assert command.json("show", "c7")["attributes"] == {"customer": 7}
    assert "customer = 7" in command("show", "c7")
    assert "name=value" in command("list", "--attribute", "customer", code=2)


def test_queues_are_listed_paused_and_resumed(store: Store, command: Command) -> None:
    assert "there are no queues" in command("queues", "list")
    store.commit([Unit(writes=(DeclareQueue(queue=Queue("mail", concurrency=2)),))])
    assert "2 at once" in command("queues", "list")
    command("queues", "pause", "mail")
    [queue] = command.json("queues", "list")["queues"]
    assert (queue["name"], queue["paused"], queue["waiting"], queue["concurrency"]) == ("mail", True, 0, 2)
    assert command.json("queues", "resume", "mail") == {"name": "mail", "paused": False}
    command("queues", "pause", "none", code=6)


@pytest.mark.parametrize("verb", ["cancel", "resume", "retry", "delete"])
def test_an_unknown_id_is_told_before_anything_is_changed(verb: str, command: Command) -> None:
    command(verb, "nobody", *(() if verb == "resume" else ("--yes",)), code=3)
