"""Writes about approvals. The rules of deciding are in holdfast.store.decisions."""

from __future__ import annotations

import json

from holdfast.core.model import AuditEntry, Fence
from holdfast.store import rows
from holdfast.store.decisions import audit_key, decided_line, decision_key, refusal, requested_line
from holdfast.store.postgres.batch import Batch, Read, nothing
from holdfast.store.postgres.exchanges import put_message
from holdfast.store.writes import AddLink, AskApproval, Audit, Decide


def ask(batch: Batch, _fence: Fence | None, write: AskApproval) -> Read:
    """Store an approval and the first line of its trail."""
    asked = batch.run("insert_approval", **rows.approval_values(write.approval))
    if asked.fetchone() is not None:
        line = requested_line(write.approval, batch.now)
        _append(batch, line, audit_key(line))
    return nothing


def add_link(batch: Batch, _fence: Fence | None, write: AddLink) -> Read:
    """Store a link's hash."""
    batch.run(
        "insert_link",
        token_hash=write.token_hash,
        approval_id=write.approval_id,
        recipient=write.recipient,
        now=batch.now,
    )
    return nothing


def decide(batch: Batch, _fence: Fence | None, write: Decide) -> Read:
    """Decide, or write down why not; a decision that was sent again changes nothing."""
    found = batch.run("lock_approval", approval_id=write.approval_id).fetchone()
    if found is None:
        return nothing
    asked, key = rows.approval(found), decision_key(write)
    ((written,),) = batch.run("audit_line_exists", write_key=key)
    if written:
        return lambda: asked
    reason = refusal(asked, write, batch.now)
    if reason is None:
        batch.run(
            "decide_approval",
            approval_id=write.approval_id,
            status=write.status,
            decided_by=write.decided_by,
            comment=write.comment,
            via=write.via,
            now=batch.now,
        )
        sent = put_message(batch, write.message)
        sent()
    _append(batch, decided_line(write, reason, batch.now), key)
    decided = batch.run("approval", approval_id=write.approval_id)
    return lambda: rows.approval(decided.fetchall()[0])


def audit(batch: Batch, _fence: Fence | None, write: Audit) -> Read:
    """Append a line."""
    _append(batch, write.entry, audit_key(write.entry))
    return nothing


def _append(batch: Batch, entry: AuditEntry, write_key: str) -> None:
    batch.run(
        "insert_audit_line",
        approval_id=entry.approval_id,
        at=entry.at,
        event=entry.event,
        actor=entry.actor,
        detail=json.dumps(entry.detail),
        write_key=write_key,
    )
