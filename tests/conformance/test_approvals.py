"""Approvals: the first decision counts, it is bound to what was shown, and the trail is append-only."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from holdfast.core.model import Approval, AuditEntry, Status
from holdfast.store.writes import AddLink, AskApproval, Audit, Unit
from tests.conformance.kit import START, Bench, approval, decide, for_message


def asked(bench: Bench, approval_id: str = "a1", **fields: object) -> Approval:
    """Ask for an approval from a workflow that waits for the answer."""
    wanted = approval(approval_id, f"workflow-{approval_id}", **fields)
    fence = bench.start(wanted.workflow_id)
    bench.write(AskApproval(approval=wanted), fence=fence)
    bench.sleep(fence, for_message(wanted.workflow_id, "approval"))
    return wanted


def trail(bench: Bench, approval_id: str = "a1") -> list[tuple[str, str | None]]:
    return [(line.event, line.actor) for line in bench.store.audit(approval_id)]


def test_an_approval_reads_back_as_it_was_asked(bench: Bench) -> None:
    wanted = asked(bench)
    assert bench.store.approval("a1") == wanted
    assert bench.store.approval("none") is None
    assert trail(bench) == [("requested", None)]


def test_asking_again_changes_nothing(bench: Bench) -> None:
    wanted = asked(bench)
    bench.write(AskApproval(approval=replace(wanted, subject="something else")))
    assert bench.store.approval("a1") == wanted
    assert trail(bench) == [("requested", None)]


def test_a_decision_sends_its_message_and_wakes_the_workflow(bench: Bench) -> None:
    wanted = asked(bench)
    bench.clock.advance(60)
    decided = bench.ask(decide(wanted, comment="fine"))
    assert decided == replace(
        wanted, status="approved", decided_by="a@example.org", decided_at=START + 60, comment="fine", via="link"
    )
    assert bench.store.approval("a1") == decided
    assert bench.last.ready
    assert wanted.workflow_id in bench.last.news
    assert bench.claim() == [wanted.workflow_id]
    assert bench.mailbox(wanted.workflow_id, "approval") == ['"approved"']


def test_the_first_decision_counts_and_later_ones_learn_of_it(bench: Bench) -> None:
    wanted = asked(bench)
    first = bench.ask(decide(wanted, "rejected", by="a@example.org"))
    second = bench.ask(decide(wanted, "approved", by="b@example.org"))
    assert second == first
    assert trail(bench) == [("requested", None), ("decided", "a@example.org"), ("refused", "b@example.org")]
    refused = bench.store.audit("a1")[-1]
    assert refused.detail["reason"] == "already rejected"


def test_of_two_decisions_in_one_batch_one_message_comes(bench: Bench) -> None:
    wanted = asked(bench)
    receipts = bench.commit(
        Unit(writes=(decide(wanted, "approved", by="a@example.org"),)),
        Unit(writes=(decide(wanted, "rejected", by="b@example.org"),)),
    )
    assert [receipt.results[0].status for receipt in receipts] == ["approved", "approved"]
    assert bench.claim() == [wanted.workflow_id]
    assert bench.mailbox(wanted.workflow_id, "approval") == ['"approved"']


def test_the_same_decision_sent_again_is_one_line(bench: Bench) -> None:
    decision = decide(asked(bench))
    assert bench.ask(decision) == bench.ask(decision)
    assert trail(bench) == [("requested", None), ("decided", "a@example.org")]


def test_a_decision_on_something_else_than_was_shown_is_refused(bench: Bench) -> None:
    wanted = asked(bench)
    result = bench.ask(decide(wanted, expected_digest="another"))
    assert result == wanted
    assert bench.status(wanted.workflow_id) is Status.SUSPENDED
    assert trail(bench)[-1] == ("refused", "a@example.org")


def test_without_an_expected_digest_none_is_asked_for(bench: Bench) -> None:
    assert bench.ask(decide(asked(bench), expected_digest=None, via="code")).status == "approved"


def test_after_its_expiry_only_the_expiry_itself_is_recorded(bench: Bench) -> None:
    wanted = asked(bench)
    bench.clock.advance(3600)
    assert bench.ask(decide(wanted)).status == "pending"
    expired = bench.ask(decide(wanted, "expired", by="timeout", via="timeout"))
    assert (expired.status, expired.via, expired.decided_at) == ("expired", "timeout", START + 3600)
    assert trail(bench) == [("requested", None), ("refused", "a@example.org"), ("expired", "timeout")]


def test_a_request_is_withdrawn_also_after_its_time(bench: Bench) -> None:
    wanted = asked(bench)
    bench.clock.advance(3600)
    withdrawn = bench.ask(decide(wanted, "cancelled", by="cancel", via="cancel"))
    assert (withdrawn.status, withdrawn.via) == ("cancelled", "cancel")
    assert bench.ask(decide(wanted, "expired", by="timeout", via="timeout")).status == "cancelled"


def test_an_unknown_approval_can_not_be_decided(bench: Bench) -> None:
    assert bench.ask(decide(approval("none", "nobody"))) is None
    assert bench.store.audit("none") == []


def test_a_decision_counts_also_when_its_workflow_is_gone(bench: Bench) -> None:
    wanted = approval("a1", "nobody")
    bench.write(AskApproval(approval=wanted))
    assert bench.ask(decide(wanted)).status == "approved"


def test_a_link_is_found_by_its_tokens_hash(bench: Bench) -> None:
    wanted = asked(bench)
    for recipient in wanted.recipients:
        bench.write(AddLink(approval_id="a1", token_hash=f"hash-of-{recipient}", recipient=recipient))
    assert bench.store.approval_by_token("hash-of-b@example.org") == (wanted, "b@example.org")
    assert bench.store.approval_by_token("hash") is None


def test_the_trail_keeps_the_order_of_writing(bench: Bench) -> None:
    asked(bench)
    lines = [
        AuditEntry(approval_id="a1", at=START + 5, event="sent", actor="a@example.org", detail={"server": "mail"}),
        AuditEntry(approval_id="a1", at=START + 3, event="viewed", actor=None),
        AuditEntry(approval_id="a1", at=START + 3, event="viewed", actor="b@example.org"),
    ]
    bench.write(*(Audit(entry=line) for line in lines))
    assert bench.store.audit("a1")[1:] == lines


def test_approvals_are_listed_newest_first(bench: Bench) -> None:
    for number in range(3):
        asked(bench, f"a{number}", requested_at=START + number)
    decided = bench.store.approval("a1")
    assert decided is not None
    bench.write(decide(decided))

    def ids(**where: object) -> list[str]:
        return [each.approval_id for each in bench.store.approvals(**where)]  # type: ignore[arg-type]  # a field's value, by name

    assert ids() == ["a2", "a1", "a0"]
    assert ids(limit=2) == ["a2", "a1"]
    assert ids(status="pending") == ["a2", "a0"]
    assert ids(workflow_id="workflow-a1") == ["a1"]
    assert ids(workflow_id="workflow-a1", status="pending") == []


@pytest.mark.parametrize("round_", range(3))
def test_concurrent_decisions_have_one_winner(bench: Bench, round_: int) -> None:
    wanted = asked(bench)
    stores = [bench.reopen() for _ in range(4)]
    results: dict[int, Approval] = {}

    def decide_from(number: int) -> None:
        decision = decide(wanted, by=f"person-{number}")
        [receipt] = stores[number].commit([Unit(writes=(decision,))]).receipts
        results[number] = receipt.results[0]

    threads = [threading.Thread(target=decide_from, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = bench.store.approval("a1")
    assert all(result == winner for result in results.values())
    assert sorted(event for event, _ in trail(bench)) == ["decided", "refused", "refused", "refused", "requested"]
