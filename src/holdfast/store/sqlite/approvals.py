"""Writes about approvals. The rules of deciding are in holdfast.store.decisions."""

from __future__ import annotations

import json

from holdfast.core.model import Approval, AuditEntry
from holdfast.store import rows
from holdfast.store.decisions import audit_key, decided_line, decision_key, refusal, requested_line
from holdfast.store.sqlite.exchanges import send
from holdfast.store.sqlite.ledger import Ledger
from holdfast.store.writes import AddLink, AskApproval, Audit, Decide, Send


def ask(ledger: Ledger, write: AskApproval) -> None:
    """Store an approval and the first line of its trail."""
    if ledger.change("insert_approval", **rows.approval_values(write.approval)):
        line = requested_line(write.approval, ledger.now)
        _append(ledger, line, audit_key(line))


def add_link(ledger: Ledger, write: AddLink) -> None:
    """Store a link's hash."""
    ledger.change(
        "insert_link",
        token_hash=write.token_hash,
        approval_id=write.approval_id,
        recipient=write.recipient,
        now=ledger.now,
    )


def decide(ledger: Ledger, write: Decide) -> Approval | None:
    """Decide, or write down why not; a decision that was sent again changes nothing."""
    found = ledger.run("approval", approval_id=write.approval_id)
    if not found:
        return None
    asked, key = rows.approval(found[0]), decision_key(write)
    [(written,)] = ledger.run("audit_line_exists", write_key=key)
    if written:
        return asked
    reason = refusal(asked, write, ledger.now)
    if reason is None:
        ledger.change(
            "decide_approval",
            approval_id=write.approval_id,
            status=write.status,
            decided_by=write.decided_by,
            comment=write.comment,
            via=write.via,
            now=ledger.now,
        )
        send(ledger, Send(message=write.message))
    _append(ledger, decided_line(write, reason, ledger.now), key)
    return rows.approval(ledger.run("approval", approval_id=write.approval_id)[0])


def audit(ledger: Ledger, write: Audit) -> None:
    """Append a line."""
    _append(ledger, write.entry, audit_key(write.entry))


def _append(ledger: Ledger, entry: AuditEntry, write_key: str) -> None:
    ledger.change(
        "insert_audit_line",
        approval_id=entry.approval_id,
        at=entry.at,
        event=entry.event,
        actor=entry.actor,
        detail=json.dumps(entry.detail),
        write_key=write_key,
    )
