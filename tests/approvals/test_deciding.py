"""Deciding from code: the first decision counts, and later ones are told of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from holdfast import Handle, Holdfast, start, workflow
from holdfast.approvals import ApprovalError, ApprovalRequest, Approvals, Decision, request_approval
from holdfast.errors import BlockingCallOnEventLoop, UsageError
from tests.approvals.kit import MANAGER, Inbox


@workflow
def asks_to_pay() -> Decision:
    return request_approval("Pay the invoice", {"Amount": "10"}, to=MANAGER)


@pytest.fixture
def asked(app: Holdfast, inbox: Inbox) -> Iterator[ApprovalRequest]:
    handle: Handle[Decision] = start(asks_to_pay)
    yield inbox.wait()
    handle.cancel()


def test_promise_approval_the_first_decision_wins_and_later_ones_are_told_who_and_when(
    asked: ApprovalRequest, approvals: Approvals
) -> None:
    approvals.decide(asked.approval_id, False, by="ada", comment="no")
    with pytest.raises(ApprovalError, match=r"was rejected by ada on \w+ \d+ \w+ \d{4}, \d\d:\d\d UTC; nothing was"):
        approvals.decide(asked.approval_id, True, by="bob")
    with pytest.raises(ApprovalError, match="rejected by ada"):
        approvals.decide(asked.approval_id, True, by="ada")
    assert approvals.get(asked.approval_id).comment == "no"


def test_the_same_decision_by_the_same_person_gives_the_same_answer(
    asked: ApprovalRequest, approvals: Approvals
) -> None:
    first = approvals.decide(asked.approval_id, True, by="ada", comment="fine")
    assert approvals.decide(asked.approval_id, True, by="ada") == first


def test_a_decision_about_something_else_than_was_shown_is_refused(
    asked: ApprovalRequest, approvals: Approvals
) -> None:
    with pytest.raises(ApprovalError, match="is not what was shown"):
        approvals.decide(asked.approval_id, True, by="ada", digest="0" * 64)
    assert approvals.get(asked.approval_id).status == "pending"
    shown = approvals.get(asked.approval_id)
    assert approvals.decide(asked.approval_id, True, by="ada", digest=shown.digest).approved


def test_of_many_decisions_at_once_one_counts(asked: ApprovalRequest, approvals: Approvals) -> None:
    counted, told = [], []
    barrier = threading.Barrier(20)

    def decide(number: int) -> None:
        barrier.wait()
        try:
            counted.append(approvals.decide(asked.approval_id, number % 2 == 0, by=f"person {number}"))
        except ApprovalError as error:
            told.append(str(error))

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = counted
    assert len(told) == 19
    assert all(f"{winner.status} by {winner.decided_by}" in error for error in told)
    trail = approvals.audit(asked.approval_id)
    assert [line.actor for line in trail if line.event == "decided"] == [winner.decided_by]
    assert len([line for line in trail if line.event == "refused"]) == 19


def test_approvals_are_listed_by_status(asked: ApprovalRequest, approvals: Approvals) -> None:
    assert [each.approval_id for each in approvals.list(status="pending")] == [asked.approval_id]
    approvals.decide(asked.approval_id, True, by="ada")
    assert approvals.list(status="pending") == []
    assert [each.status for each in approvals.list(workflow_id=asked.workflow_id)] == ["approved"]


def test_what_is_not_there_can_not_be_decided(app: Holdfast, approvals: Approvals) -> None:
    with pytest.raises(ApprovalError, match="no approval with the id 'none'"):
        approvals.decide("none", True, by="ada")
    with pytest.raises(ApprovalError, match="no approval"):
        approvals.get("none")


def test_a_decision_names_its_person(asked: ApprovalRequest, approvals: Approvals) -> None:
    with pytest.raises(UsageError, match="by="):
        approvals.decide(asked.approval_id, True, by="")


async def test_deciding_on_an_event_loop_names_its_twin(app: Holdfast, approvals: Approvals) -> None:
    with pytest.raises(BlockingCallOnEventLoop, match="adecide"):
        approvals.decide("any", True, by="ada")


def test_requests_do_not_show_their_secrets(asked: ApprovalRequest) -> None:
    assert asked.code not in repr(asked)
    assert asked.links.approve not in repr(asked)
    assert "rt=" not in repr(asked.links)
