"""The rules of deciding an approval, which both stores apply under the approval's lock. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from holdfast.core.model import Approval, AuditEntry
from holdfast.store.writes import Decide

_ENDS = {"expired", "cancelled"}
"""What ends an approval without a person."""


def refusal(asked: Approval, decide: Decide, now: float) -> str | None:
    """Tell why a decision changes nothing, or None if it is the one that counts."""
    if asked.status != "pending":
        return f"already {asked.status}"
    if decide.expected_digest is not None and decide.expected_digest != asked.digest:
        return "something else was shown"
    if now >= asked.expires_at and decide.status not in _ENDS:
        return "expired"
    return None


def requested_line(asked: Approval, now: float) -> AuditEntry:
    """Write the first line of an approval's trail."""
    return AuditEntry(
        approval_id=asked.approval_id,
        at=now,
        event="requested",
        detail={"digest": asked.digest, "recipients": ", ".join(asked.recipients)},
    )


def decided_line(decide: Decide, reason: str | None, now: float) -> AuditEntry:
    """Write the line for a decision that counts, or that was refused for `reason`."""
    detail = {**decide.detail, "decision": decide.status, "via": decide.via}
    if reason is not None:
        return AuditEntry(
            approval_id=decide.approval_id,
            at=now,
            event="refused",
            actor=decide.decided_by,
            detail={**detail, "reason": reason},
        )
    event = decide.status if decide.status in _ENDS else "decided"
    return AuditEntry(approval_id=decide.approval_id, at=now, event=event, actor=decide.decided_by, detail=detail)


def decision_key(decide: Decide) -> str:
    """Name one request to decide, so that its audit line is written once however often the request is sent."""
    message = decide.message
    told = [decide.approval_id, decide.status, decide.decided_by, decide.comment, decide.via, decide.expected_digest]
    return _digest([*told, message.message_id, message.sent_at], decide.detail)


def audit_key(entry: AuditEntry) -> str:
    """Name one audit line, so that it is written once however often it is sent."""
    return _digest([entry.approval_id, entry.at, entry.event, entry.actor], entry.detail)


def _digest(parts: list[object], detail: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([*parts, sorted(detail.items())]).encode()).hexdigest()
