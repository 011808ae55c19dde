from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast import Holdfast, Queue, Rate, Status, options
from tests.cli.conftest import Command
from tests.cli.programs import add, fails, labels, needs_stamp, waits
from tests.helpers import eventually


def ids(command: Command, *arguments: str) -> list[str]:
    return [workflow["id"] for workflow in command.json("list", *arguments)["workflows"]]


def failed(workflow_id: str, what: str = "no") -> None:
    handle = options(id=workflow_id).start(fails, what)
    eventually(lambda: handle.status() is Status.FAILED)


def test_attributes_are_shown_and_find_a_workflow(working: Holdfast, command: Command) -> None:
    options(id="a").call(labels, "ann")
    options(id="b").call(labels, "bob")
    assert "customer = 'ann'" in command("show", "a")
    assert command.json("show", "a")["attributes"] == {"customer": "ann", "vip": True}
    assert ids(command, "--attribute", "customer=ann") == ["a"]
    assert ids(command, "--attribute", "vip=true") == ["b", "a"]
    assert ids(command, "--attribute", "vip=true", "--attribute", "customer=bob") == ["b"]
    assert "is not NAME=VALUE" in command("list", "--attribute", "vip", code=2)


def test_an_error_and_an_end_find_a_workflow(working: Holdfast, command: Command) -> None:
    failed("f1", "Card refused")
    failed("f2", "no stock")
    assert ids(command, "--error", "card REFUSED") == ["f1"]
    assert ids(command, "--ended-since", "1h") == ["f2", "f1"]
    assert ids(command, "--ended-until", "1h") == []


def test_a_fork_takes_another_input_or_another_outcome(working: Holdfast, command: Command) -> None:
    assert options(id="o").call(labels, "ann", 2) == 6
    assert command("fork", "o", "--id", "o-input", "-a", "factor=5").strip() == "o-input"
    assert command.json("fork", "o", "--id", "o-outcome", "--outcome", "look_up=7")["forked_from"] == "o"
    command("watch", "o-input")
    command("watch", "o-outcome")
    assert command.json("show", "o-input")["output"] == 15
    assert command.json("show", "o-outcome")["output"] == 14
    assert command.json("show", "o")["output"] == 6
    assert sorted(command.json("show", "o")["forks"]) == ["o-input", "o-outcome"]
    assert command.json("show", "o-input")["lineage"]["forked_from"] == "o"
    assert "forked from" in command("show", "o-input")
    assert sorted(ids(command, "--forked-from", "o")) == ["o-input", "o-outcome"]


def test_a_fork_goes_on_from_a_step_by_its_id_or_place(working: Holdfast, command: Command) -> None:
    options(id="o").call(labels, "ann")
    [place] = [each["seq"] for each in command.json("show", "o")["journal"] if each["name"] == "look_up"]
    command("fork", "o", "--from", "look_up", "--id", "by-id")
    command("fork", "o", "--from", str(place), "--id", "by-place")
    for fork in ("by-id", "by-place"):
        assert command.json("show", fork)["lineage"]["forked_step"] == "look_up#1"
    assert "it has" in command("fork", "o", "--from", "nothing", code=2)
    command("fork", "nobody", code=3)


def test_retries_go_on_from_the_step_that_failed(working: Holdfast, command: Command, tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    handle = options(id="s").start(needs_stamp, str(stamp))
    eventually(lambda: handle.status() is Status.FAILED)
    stamp.touch()
    assert command.json("retry", "s")["workflows"] == ["s~retry"]
    command("watch", "s~retry")
    assert command.json("show", "s~retry")["output"] == "stamped"
    assert command.json("show", "s~retry")["lineage"]["forked_step"] == "check_stamp#1"
    assert "it is succeeded" in command("retry", "s~retry", code=4)


def test_many_are_changed_by_filter_after_a_question(working: Holdfast, command: Command) -> None:
    for number in range(3):
        options(id=f"w{number}").start(waits, "never")
    options(id="other").call(add, 1)
    planned = command.json("cancel", "--name", "waits", "--dry-run")
    assert (sorted(planned["workflows"]), planned["dry_run"]) == (["w0", "w1", "w2"], True)
    assert "cancel 3 workflows and their children? Nobody can be asked here: add --yes" in command(
        "cancel", "--id-prefix", "w", code=2
    )
    assert "w1" in command("cancel", "--id-prefix", "w", "--yes")
    eventually(lambda: ids(command, "--status", "cancelled") == ["w2", "w1", "w0"])
    assert command.json("cancel", "--name", "waits", "--yes")["workflows"] == []


@pytest.mark.parametrize("verb", ["cancel", "resume", "retry", "delete"])
def test_a_change_to_many_wants_ids_or_filters_and_not_both(command: Command, verb: str) -> None:
    for arguments in ((), ("w", "--status", "failed")):
        assert "name workflows by their ids, or choose them" in command(verb, *arguments, "--yes", code=2)


def test_a_filter_changes_no_more_than_the_limit_and_says_so(working: Holdfast, command: Command) -> None:
    for number in range(3):
        failed(f"f{number}")
    done = command.json("delete", "--status", "failed", "--limit", "2", "--yes")
    assert (done["workflows"], done["more"]) == (["f2", "f1"], True)
    assert ids(command) == ["f0"]


def test_delete_asks_and_keeps_what_may_go_on(working: Holdfast, command: Command) -> None:
    options(id="done").call(add, 1)
    options(id="going").start(waits, "never")
    assert "add --yes" in command("delete", "done", code=2)
    assert "left as it is: going" in command("delete", "done", "going", "--yes", code=4)
    assert ids(command) == ["going"]


def test_gc_deletes_what_ended_long_ago(working: Holdfast, command: Command) -> None:
    options(id="done").call(add, 1)
    failed("failed")
    options(id="going").start(waits, "never")
    assert command.json("gc", "--older-than", "1h", "--yes")["deleted"] == 0
    assert command.json("gc", "--older-than", "0s", "--dry-run") == {"deleted": 0, "found": 2, "dry_run": True}
    assert "delete 2 workflows that ended" in command("gc", "--older-than", "0s", code=2)
    assert command.json("gc", "--older-than", "0s", "--status", "succeeded", "--yes")["deleted"] == 1
    assert ids(command) == ["going", "failed"]
    assert "is no duration" in command("gc", "--older-than", "soon", code=2)


def test_an_export_is_taken_in_again_and_never_overwrites_a_file(
    working: Holdfast, command: Command, tmp_path: Path
) -> None:
    options(id="o").call(labels, "ann")
    file = tmp_path / "o.json"
    assert command.json("export", "o", "-o", str(file))["workflows"] == 1
    assert file.stat().st_mode & 0o077 == 0
    assert "is there already" in command("export", "o", "-o", str(file), code=4)
    assert json.loads(command("export", "o"))["workflows"] == json.loads(file.read_text())["workflows"]
    command("delete", "o", "--yes")
    assert command.json("import", str(file))["workflows"] == ["o"]
    shown = command.json("show", "o")
    assert (shown["output"], shown["attributes"]["customer"]) == (3, "ann")
    assert "no export of workflows" in command("import", "-", code=2, stdin="{}")


def test_counts_by_status_name_and_filter(working: Holdfast, command: Command) -> None:
    options(id="w").start(waits, "never")
    for number in range(2):
        options(id=f"a{number}").call(add, number)
    failed("f")
    document = command.json("stats", "--by", "name", "--by", "status", "--until", "2100-01-01")
    counts = {(each["name"].rpartition(".")[2], each["status"]): each["count"] for each in document["counts"]}
    assert counts[("add", "succeeded")] == 2
    assert counts[("fails", "failed")] == 1
    assert document["total"] == 4
    by_status = {each["status"]: each["count"] for each in command.json("stats", "--id-prefix", "a")["counts"]}
    assert by_status == {"succeeded": 2}
    assert "succeeded" in command("stats")


def test_queues_are_listed_paused_and_resumed(working: Holdfast, command: Command) -> None:
    command("queues", "pause", "cli-mail")
    handle = options(id="mail", queue="cli-mail").start(add, 1)
    [queue] = command.json("queues", "list")["queues"]
    assert (queue["name"], queue["paused"], queue["depth"], queue["running"]) == ("cli-mail", True, 1, 0)
    assert queue["limits"]["rate"] == {"limit": 5, "seconds": 60.0}
    listed = command("queues", "list")
    assert "cli-mail  paused" in listed
    assert "2 at once, 5 in 1m 0s" in listed
    command("queues", "resume", "cli-mail")
    assert handle.result(timeout=30) == 2
    assert ids(command, "--queue", "cli-mail") == ["mail"]
    assert "known: cli-mail" in command("queues", "pause", "nowhere", code=3)


def test_limits_of_a_queue_are_changed_one_by_one_and_taken_away(working: Holdfast, command: Command) -> None:
    assert command.json("queues", "change", "cli-mail", "--rate", "2/0.5")["limits"]["rate"] == {
        "limit": 2,
        "seconds": 0.5,
    }
    assert "no limits" in command("queues", "change", "cli-mail", "--rate", "none", "--concurrency", "none")
    changed = command("queues", "change", "cli-mail", "--worker-concurrency", "3", "--partition-rate", "1/10")
    assert "3 at once in a worker, 1 in 10.0 s in a partition" in changed
    [state] = working.queues()
    assert state.queue == Queue("cli-mail", worker_concurrency=3, partition_rate=Rate(1, 10))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--concurrency", "0"), 2),
        (("--concurrency", "many"), 2),
        (("--rate", "5"), 2),
        (("--rate", "0/60"), 2),
    ],
)
def test_a_limit_that_makes_no_sense_changes_nothing(
    working: Holdfast, command: Command, arguments: tuple[str, ...], code: int
) -> None:
    [before] = working.queues()
    command("queues", "change", "cli-mail", *arguments, code=code)
    assert working.queues()[0].queue == before.queue
    assert "known: cli-mail" in command("queues", "change", "nowhere", "--concurrency", "1", code=3)
