"""How a request reaches the person: the protocol, and the delivery for development."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.approvals.decision import at_time
from holdfast.approvals.details import Row
from holdfast.approvals.text import spelled_out

log = logging.getLogger("holdfast.approvals")


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovalLinks:
    """Addresses of the page on which the person decides. Whoever has one can: they belong to one recipient."""

    approve: str = field(repr=False)
    reject: str = field(repr=False)
    """The same page under another heading: neither link decides anything, and neither chooses for the person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovalRequest:
    """What one recipient is sent. Holds secrets, which its `repr` leaves out: don't log or store them."""

    approval_id: str
    workflow_id: str
    subject: str
    details: tuple[Row, ...]
    """Label and value, in order, as they are recorded and as the page shows them."""
    recipient: str
    links: ApprovalLinks
    code: str = field(repr=False)
    """Six digits that the page asks for, to tell the person from a machine that opens links and presses buttons."""
    expires_at: float
    """Seconds since the epoch."""


class Delivery(Protocol):
    """Brings a request to its recipient: by mail, chat, or whatever the application uses."""

    def deliver(self, request: ApprovalRequest) -> None:
        """Deliver, or raise: it is then tried again, with another link, until the approval expires.

        Called in a thread, once per attempt, so it may block. A process killed in the middle delivers a second time.
        """


class LogDelivery:
    """Writes links and codes to the log `holdfast.approvals`: for development only, as whoever reads it can decide."""

    def deliver(self, request: ApprovalRequest) -> None:
        log.warning(
            "%s is asked to approve %r until %s.\n  approve: %s\n  reject:  %s\n  code:    %s",
            request.recipient,
            spelled_out(request.subject),
            at_time(request.expires_at),
            request.links.approve,
            request.links.reject,
            request.code,
        )
