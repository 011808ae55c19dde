from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast import Handle, Holdfast, options
from holdfast.core.model import Approval
from holdfast.store.base import Store
from holdfast.store.writes import AskApproval, Unit
from tests.cli.conftest import Command
from tests.cli.programs import asks
from tests.conformance.kit import approval
from tests.helpers import eventually


@pytest.fixture
def asked(working: Holdfast) -> Handle[str]:
    """A workflow that waits for a person."""
    handle = options(id="a1").start(asks, "Pay Ann?")
    eventually(lambda: working.store.approvals(status="pending"))
    return handle


def approval_id(command: Command) -> str:
    [found] = command.json("approvals", "list", "--status", "pending")["approvals"]
    return str(found["id"])


def test_list_and_show_tell_what_is_asked(asked: Handle[str], command: Command) -> None:
    shown = command("approvals", "list")
    assert "Pay Ann?" in shown
    shown = command("approvals", "show", approval_id(command))
    assert "boss@example.org" in shown
    assert "requested" in shown


@pytest.mark.parametrize(("choice", "status"), [("--approve", "approved"), ("--reject", "rejected")])
def test_a_decision_wakes_the_workflow_and_says_in_the_audit_trail_who_ran_the_command(
    asked: Handle[str], command: Command, choice: str, status: str
) -> None:
    wanted = approval_id(command)
    command("approvals", "decide", wanted, choice, "--by", "ann@example.org", "--comment", "fine", "--yes")
    assert asked.result(timeout=30) == status
    document = command.json("approvals", "show", wanted)
    assert (document["status"], document["decided_by"], document["comment"]) == (status, "ann@example.org", "fine")
    [decided] = [entry for entry in document["audit"] if entry["event"] == "decided"]
    assert decided["detail"]["command"] == "holdfast approvals decide"
    assert decided["detail"]["user"]


def test_the_second_decision_is_refused_and_told_of_the_first(asked: Handle[str], command: Command) -> None:
    wanted = approval_id(command)
    command("approvals", "decide", wanted, "--approve", "--by", "ann", "--yes")
    assert "was approved by ann" in command("approvals", "decide", wanted, "--reject", "--by", "bob", "--yes", code=4)
    command("approvals", "decide", wanted, "--approve", "--by", "ann", "--yes")


def test_nothing_is_decided_without_an_answer_or_for_another_digest(asked: Handle[str], command: Command) -> None:
    wanted = approval_id(command)
    arguments = ("approvals", "decide", wanted, "--approve", "--by", "ann")
    assert "add --yes" in command(*arguments, code=2)
    assert "not what was shown" in command(*arguments, "--yes", "--digest", "0" * 64, code=4)
    assert approval_id(command) == wanted


def test_an_approval_that_was_altered_in_the_database_is_not_decided(
    working: Holdfast, store: Store, command: Command
) -> None:
    forged = replace(approval("forged", "w"), details='[["amount", "1"]]', expires_at=store.now() + 60)
    store.commit([Unit(writes=(AskApproval(approval=forged),))])
    assert "was altered" in command("approvals", "decide", "forged", "--approve", "--by", "ann", "--yes", code=4)
    assert "was altered" in command("approvals", "show", "forged")


def test_what_is_asked_can_not_hide_behind_control_characters(
    working: Holdfast, store: Store, command: Command
) -> None:
    hostile: Approval = replace(
        approval("hostile", "w"), subject="Pay \x1b[8m1000000\x1b[0m\u202e1 EUR", expires_at=store.now() + 60
    )
    store.commit([Unit(writes=(AskApproval(approval=hostile),))])
    for arguments in (["list"], ["show", "hostile"]):
        printed = command("approvals", *arguments)
        assert "⟨U+001B⟩[8m1000000" in printed
        assert not {"\x1b", "\u202e"} & set(printed)


def test_an_unknown_approval_has_its_own_exit_code(command: Command) -> None:
    command("approvals", "show", "nobody", code=3)
    command("approvals", "decide", "nobody", "--approve", "--by", "ann", "--yes", code=3)
