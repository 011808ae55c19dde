"""A decision as the workflow that asked for it gets it, and how a decision is put in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from holdfast.core.model import Approval

PENDING = "pending"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What was decided, by whom, when and how."""

    approval_id: str
    status: str
    """`approved`, `rejected`, `expired` (nobody decided in time) or `cancelled`."""
    decided_by: str | None
    """The address whose link was used, or who was named in code; `timeout` if nobody decided."""
    decided_at: float | None
    """Seconds since the epoch, by the database's clock."""
    comment: str | None
    via: str | None
    """`link`, `code`, `timeout` or `cancel`."""

    @property
    def approved(self) -> bool:
        """Tell whether a person said yes. Anything else, silence included, is a no."""
        return self.status == "approved"

    @classmethod
    def of(cls, approval: Approval) -> Self:
        """Take the decision out of the record."""
        return cls(
            approval_id=approval.approval_id,
            status=approval.status,
            decided_by=approval.decided_by,
            decided_at=approval.decided_at,
            comment=approval.comment,
            via=approval.via,
        )


def at_time(seconds: float) -> str:
    """Write a time for a person, in UTC."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%a} {moment.day} {moment:%b %Y, %H:%M} UTC"


def in_words(approval: Approval) -> str:
    """Say what became of an approval, by whom and when."""
    if approval.status == PENDING:
        return f"waits for a decision until {at_time(approval.expires_at)}"
    when = at_time(approval.decided_at if approval.decided_at is not None else approval.expires_at)
    if approval.status == "expired":
        return f"expired on {when} without a decision"
    if approval.status == "cancelled":
        return f"was withdrawn on {when}: the workflow that asked for it was cancelled or has ended"
    return f"was {approval.status} by {approval.decided_by} on {when}"
