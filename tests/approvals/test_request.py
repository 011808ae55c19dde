"""Asking inside workflows: recorded, delivered, waited for, answered once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from holdfast import Holdfast, Status, WorkflowCancelled, gather, options, send, start, workflow
from holdfast.approvals import (
    ApprovalError,
    ApprovalRequest,
    Approvals,
    AuditEntry,
    Decision,
    arequest_approval,
    request_approval,
)
from holdfast.errors import ConfigurationError, OutsideWorkflow, UsageError, WorkflowWasCancelled
from tests.approvals.kit import DEPUTY, MANAGER, QUICK, Inbox, alter
from tests.helpers import aeventually, eventually

cleaned_up: list[str] = []


@workflow
def asks_for_a_refund(amount: str, timeout: float = 60.0) -> Decision:
    return request_approval("Refund order 42", {"Amount": amount}, to=[MANAGER], timeout=timeout)


@workflow
async def asks_for_a_refund_async(amount: str, timeout: float = 60.0) -> Decision:
    return await arequest_approval("Refund order 42", {"Amount": amount}, to=[MANAGER, DEPUTY], timeout=timeout)


@workflow
def asks_twice_at_once() -> list[Any]:
    return gather(
        lambda: request_approval("Left", to=MANAGER).approved,
        lambda: request_approval("Right", to=DEPUTY).approved,
    )


@workflow
def asks_twice_in_turn() -> list[bool]:
    return [request_approval(f"Part {number}", to=MANAGER).approved for number in range(2)]


@workflow
def asks_and_cleans_up() -> str:
    try:
        request_approval("Refund", to=MANAGER)
    except WorkflowCancelled:
        cleaned_up.append("cleaned up")
        raise
    return "not cancelled"


@workflow
def asks_badly(to: list[str], subject: str) -> None:
    request_approval(subject, to=to)


def events(approvals: Approvals, approval_id: str) -> list[str]:
    return [line.event for line in approvals.audit(approval_id)]


def lines(approvals: Approvals, approval_id: str, event: str) -> Sequence[AuditEntry]:
    return [line for line in approvals.audit(approval_id) if line.event == event]


def test_a_decision_comes_back_with_who_when_and_why(app: Holdfast, approvals: Approvals, inbox: Inbox) -> None:
    handle = start(asks_for_a_refund, "1,299.00")
    request = inbox.wait()
    assert (request.subject, request.details, request.recipient) == (
        "Refund order 42",
        (("Amount", "1,299.00"),),
        MANAGER,
    )
    decided = approvals.decide(request.approval_id, True, by="ada", comment="a good customer")
    decision = handle.result(timeout=10)
    assert decision == decided
    assert decision.approved
    assert (decision.status, decision.decided_by, decision.comment, decision.via) == (
        "approved",
        "ada",
        "a good customer",
        "code",
    )
    recorded = approvals.get(request.approval_id)
    assert decision.decided_at == recorded.decided_at
    assert recorded.requested_at <= (decision.decided_at or 0) < recorded.expires_at


async def test_an_async_workflow_asks_several_people_and_the_first_counts(
    app: Holdfast, approvals: Approvals, inbox: Inbox
) -> None:
    handle = await options(id="async").astart(asks_for_a_refund_async, "2,000.00")
    first, second = await inbox.await_(1), await inbox.await_(2)
    assert [first.recipient, second.recipient] == [MANAGER, DEPUTY]
    assert first.approval_id == second.approval_id
    assert first.links.approve != second.links.approve
    await approvals.adecide(first.approval_id, False, by=DEPUTY)
    decision = await handle.aresult(timeout=10)
    assert (decision.approved, decision.status, decision.decided_by) == (False, "rejected", DEPUTY)


def test_a_waiting_workflow_leaves_memory_and_delivers_nothing_again_when_it_is_back(
    app: Holdfast, approvals: Approvals, inbox: Inbox
) -> None:
    handle = start(asks_for_a_refund, "1,299.00")
    request = inbox.wait()
    eventually(lambda: handle.status() is Status.SUSPENDED)
    eventually(lambda: not app.engine.running)
    approvals.decide(request.approval_id, True, by="ada")
    assert handle.result(timeout=10).approved
    assert inbox.attempts == 1
    assert events(approvals, request.approval_id) == ["requested", "sent", "decided"]


def test_the_request_is_one_commit_with_its_checkpoint_and_named_after_its_place(
    app: Holdfast, approvals: Approvals, inbox: Inbox
) -> None:
    handle = start(asks_for_a_refund, "1,299.00")
    request = inbox.wait()
    [approval] = approvals.list(workflow_id=handle.id)
    assert approval.approval_id == request.approval_id
    assert approval.recipients == (MANAGER,)
    assert app.get_journal(handle.id)[0].step_id == "request_approval#1"
    approvals.decide(request.approval_id, True, by="ada")
    handle.result(timeout=10)


def test_two_approvals_of_one_workflow_do_not_mix(app: Holdfast, approvals: Approvals, inbox: Inbox) -> None:
    handle = start(asks_twice_at_once)
    inbox.wait(2)
    by_subject = {request.subject: request for request in inbox.requests}
    eventually(lambda: handle.status() is Status.SUSPENDED)
    approvals.decide(by_subject["Right"].approval_id, True, by="ada")
    approvals.decide(by_subject["Left"].approval_id, False, by="ada")
    assert handle.result(timeout=10) == [False, True]

    serial = start(asks_twice_in_turn)
    approvals.decide(inbox.wait(3).approval_id, True, by="ada")
    approvals.decide(inbox.wait(4).approval_id, False, by="ada")
    assert serial.result(timeout=10) == [True, False]


def test_without_a_decision_in_time_it_expires(app: Holdfast, approvals: Approvals, inbox: Inbox) -> None:
    handle = start(asks_for_a_refund, "1,299.00", timeout=0.4)
    request = inbox.wait()
    decision = handle.result(timeout=10)
    assert (decision.approved, decision.status, decision.via) == (False, "expired", "timeout")
    assert approvals.get(request.approval_id).status == "expired"
    assert (decision.decided_at or 0) >= request.expires_at
    with pytest.raises(ApprovalError, match=r"expired on .* without a decision; nothing was changed"):
        approvals.decide(request.approval_id, True, by="ada")
    assert events(approvals, request.approval_id) == ["requested", "sent", "expired", "refused"]


@pytest.mark.parametrize("round_", range(3))
def test_a_decision_in_the_last_moment_and_the_expiry_have_one_winner(
    app: Holdfast, approvals: Approvals, inbox: Inbox, round_: int
) -> None:
    handles = [start(asks_for_a_refund, str(number), timeout=0.3) for number in range(8)]
    inbox.wait(8)
    outcomes = {}
    for request in inbox.requests:
        eventually(lambda ends=request.expires_at: app.engine.clock.now() > ends - 0.004)  # type: ignore[misc]  # mypy does not infer a lambda with a default
        try:
            approvals.decide(request.approval_id, True, by="ada")
            outcomes[request.workflow_id] = "approved"
        except ApprovalError:
            outcomes[request.workflow_id] = "expired"
    for handle in handles:
        decision = handle.result(timeout=10)
        approval = approvals.get(decision.approval_id)
        assert decision.status == outcomes[handle.id] == approval.status
        assert len({"decided", "expired"} & set(events(approvals, approval.approval_id))) == 1


def test_cancelling_the_workflow_withdraws_the_request(app: Holdfast, approvals: Approvals, inbox: Inbox) -> None:
    cleaned_up.clear()
    handle = start(asks_and_cleans_up)
    request = inbox.wait()
    eventually(lambda: handle.status() is Status.SUSPENDED)
    handle.cancel()
    with pytest.raises(WorkflowWasCancelled):
        handle.result(timeout=10)
    assert cleaned_up == ["cleaned up"]
    assert approvals.get(request.approval_id).status == "cancelled"
    with pytest.raises(ApprovalError, match="was withdrawn"):
        approvals.decide(request.approval_id, True, by="ada")
    assert events(approvals, request.approval_id).count("cancelled") == 1


async def test_cancelling_an_async_workflow_in_memory_withdraws_the_request(
    app: Holdfast, approvals: Approvals, inbox: Inbox
) -> None:
    handle = await options(id="async").astart(asks_for_a_refund_async, "1")
    request = await inbox.await_(2)
    await handle.acancel()
    await aeventually(lambda: approvals.get(request.approval_id).status == "cancelled")
    with pytest.raises(WorkflowWasCancelled):
        await handle.aresult(timeout=10)


def test_an_approval_can_not_be_given_from_the_moment_its_workflow_is_cancelled(
    app: Holdfast, approvals: Approvals, inbox: Inbox
) -> None:
    handle = start(asks_for_a_refund, "1")
    request = inbox.wait()
    eventually(lambda: handle.status() is Status.SUSPENDED)
    handle.cancel()
    # Its code may not have heard of it yet.
    with pytest.raises(ApprovalError, match="was withdrawn"):
        approvals.decide(request.approval_id, True, by="ada")


def test_a_message_on_the_topic_decides_nothing(app: Holdfast, approvals: Approvals, inbox: Inbox) -> None:
    handle = start(asks_for_a_refund, "1")
    request = inbox.wait()
    send(handle.id, {"status": "approved", "decided_by": MANAGER}, topic=f"approval:{request.approval_id}")
    eventually(lambda: any(c.name == "read_decision" for c in app.get_journal(handle.id)))
    eventually(lambda: handle.status() is Status.SUSPENDED)
    assert approvals.get(request.approval_id).status == "pending"
    approvals.decide(request.approval_id, False, by="ada")
    assert handle.result(timeout=10).status == "rejected"


def test_a_delivery_that_fails_is_tried_again_until_it_succeeds(
    app: Holdfast, approvals: Approvals, inbox: Inbox
) -> None:
    inbox.failing = lambda request: OSError("no route to the mail server") if inbox.attempts < 6 else None
    handle = start(asks_for_a_refund, "1")
    request = inbox.wait()
    assert inbox.attempts == 6
    undelivered = lines(approvals, request.approval_id, "undelivered")
    assert [line.actor for line in undelivered] == [MANAGER, MANAGER]
    approvals.decide(request.approval_id, True, by="ada")
    assert handle.result(timeout=10).approved
    assert len(approvals.list()) == 1


def test_nobody_is_asked_what_is_decided_already(app: Holdfast, approvals: Approvals, inbox: Inbox) -> None:
    def decides_at_once(request: ApprovalRequest) -> None:
        approvals.decide(request.approval_id, True, by="ada")

    inbox.failing = decides_at_once
    assert start(asks_for_a_refund_async, "1").result(timeout=10).approved
    assert [request.recipient for request in inbox.requests] == [MANAGER]


def test_who_can_not_be_reached_does_not_keep_others_from_deciding(
    app: Holdfast, approvals: Approvals, inbox: Inbox
) -> None:
    inbox.failing = lambda request: OSError("no such mailbox") if request.recipient == MANAGER else None
    handle = start(asks_for_a_refund_async, "1")
    request = inbox.wait()
    assert request.recipient == DEPUTY
    eventually(lambda: lines(approvals, request.approval_id, "undelivered"))
    approvals.decide(request.approval_id, True, by="ada")
    assert handle.result(timeout=10).approved
    assert [line.actor for line in lines(approvals, request.approval_id, "sent")] == [DEPUTY]


def test_nobody_is_asked_after_the_expiry(app: Holdfast, approvals: Approvals, inbox: Inbox) -> None:
    inbox.failing = lambda request: OSError("down")
    handle = start(asks_for_a_refund, "1", timeout=0.5)
    assert handle.result(timeout=10).status == "expired"
    [approval] = approvals.list()
    last = max(line.at for line in lines(approvals, approval.approval_id, "undelivered"))
    assert last < approval.expires_at + 0.2


def test_what_a_delivery_says_of_its_failure_is_kept_without_the_link(
    app: Holdfast, approvals: Approvals, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[ApprovalRequest] = []

    def failing(request: ApprovalRequest) -> Exception | None:
        told.append(request)
        return RuntimeError(f"POST {request.links.approve} {request.code}: 500") if len(told) == 1 else None

    inbox.failing = failing
    handle = start(asks_for_a_refund, "1")
    inbox.wait()
    eventually(lambda: any(c.name == "deliver_approval" for c in app.get_journal(handle.id)))
    [delivered] = [c for c in app.get_journal(handle.id) if c.name == "deliver_approval"]
    kept = f"{delivered.attempt_errors} {caplog.text}"
    assert "RuntimeError: POST" in kept
    assert told[0].links.approve.split("/")[-1].split("?")[0] not in kept
    assert f" {told[0].code}" not in kept
    approvals.decide(inbox.requests[0].approval_id, True, by="ada")
    handle.result(timeout=10)


def test_altered_details_are_not_sent(app: Holdfast, approvals: Approvals, inbox: Inbox) -> None:
    inbox.failing = lambda request: OSError("down")
    handle = start(asks_for_a_refund, "1,299.00")
    eventually(lambda: inbox.attempts >= 1)
    alter(app, "subject", "Refund everything")
    [approval] = approvals.list()

    def rounds() -> int:
        return len(lines(approvals, approval.approval_id, "undelivered"))

    before = rounds()
    # The attempt that was under way may have had the old record in its hands.
    eventually(lambda: rounds() >= before + 2)
    inbox.failing = lambda request: None
    eventually(lambda: rounds() >= before + 3)
    assert inbox.requests == []
    assert "was altered" in lines(approvals, approval.approval_id, "undelivered")[-1].detail["reason"]
    handle.cancel()


def test_an_application_without_approvals_says_what_is_missing(store_url: str) -> None:
    with Holdfast(store_url, config=QUICK), pytest.raises(ConfigurationError, match=r"make Approvals\(app"):
        start(asks_for_a_refund, "1").result(timeout=10)


def test_an_application_has_one_approvals(unlaunched: Holdfast, approvals: Approvals, inbox: Inbox) -> None:
    with pytest.raises(ConfigurationError, match="already"):
        Approvals(unlaunched, delivery=inbox, base_url="https://example.com")


@pytest.mark.parametrize("base_url", ["example.com", "ftp://example.com", "https://", "https://e.com/?a=b", ""])
def test_a_base_url_that_leads_nowhere_is_refused(unlaunched: Holdfast, inbox: Inbox, base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        Approvals(unlaunched, delivery=inbox, base_url=base_url)


@pytest.mark.parametrize(
    ("to", "subject", "complaint"),
    [
        ([], "Refund", "needs somebody to ask"),
        (["nobody"], "Refund", "not a mail address"),
        (["a@example.com\nBcc: b@example.com"], "Refund", "not a mail address"),
        (["a@example.com, b@example.com"], "Refund", "not a mail address"),
        (["Boss <a@example.com>"], "Refund", "not a mail address"),
        (["a@example.com\u2028"], "Refund", "not a mail address"),
        ([MANAGER], "", "non-empty"),
        ([MANAGER], "Refund\r\nBcc: b@example.com", "control characters"),
        ([MANAGER], "Refund\u2028now", "one line"),
        ([MANAGER], "x" * 600, "600 characters"),
    ],
)
def test_what_can_not_be_asked_is_refused_before_anything_is_recorded(
    app: Holdfast, approvals: Approvals, to: list[str], subject: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        start(asks_badly, to, subject).result(timeout=10)
    assert approvals.list() == []


def test_outside_a_workflow_nothing_is_asked(app: Holdfast) -> None:
    with pytest.raises(OutsideWorkflow):
        request_approval("Refund", to=MANAGER)
