"""The body of a delivery step: mint a link, store its hash, hand the request to the delivery.

The token exists in this process's memory and in what is delivered, nowhere else: the step returns nothing, and what a
delivery raises is cleaned of it before it is recorded.
"""

from __future__ import annotations

import logging

from holdfast.approvals.approvals import Approvals
from holdfast.approvals.decision import PENDING
from holdfast.approvals.delivery import ApprovalRequest
from holdfast.approvals.details import is_intact, recorded_rows
from holdfast.approvals.links import code_of, hash_of, link_name, new_token
from holdfast.core.model import Approval, AuditEntry
from holdfast.errors import ApprovalError, ConfigurationError, HoldfastError
from holdfast.runtime.control import Lost
from holdfast.runtime.execution import Execution
from holdfast.store.writes import AddLink, Audit, Unit, Write

log = logging.getLogger("holdfast.approvals")


class DeliveryFailed(HoldfastError):
    """A request could not be delivered; it is tried again."""


class Courier:
    """Delivers one workflow's requests."""

    def __init__(self, execution: Execution, approvals: Approvals | None) -> None:
        self._execution = execution
        self._approvals = approvals

    def deliver(self, approval_id: str, recipient: str) -> None:
        """Deliver to one recipient, by a link of its own, unless it is decided by now.

        Blocks. Raises `DeliveryFailed`, `ConfigurationError`, and `ApprovalError` if there is nothing to stand by.
        """
        if self._approvals is None:
            raise ConfigurationError("this program has no Approvals(app, …) any more to deliver the request with")
        approval = self._execution.engine.store.approval(approval_id)
        if approval is None or not is_intact(approval):
            raise ApprovalError(f"the record of approval {approval_id!r} was altered since it was asked for")
        if approval.status != PENDING:
            return
        token = new_token(approval.digest)
        token_hash = hash_of(token)
        self._write(AddLink(approval_id=approval_id, token_hash=token_hash, recipient=recipient))
        try:
            self._approvals.delivery.deliver(_request(self._approvals, approval, recipient, token))
        except Exception as error:  # noqa: BLE001 - whatever it is may quote the link
            reason = f"{type(error).__name__}: {error}".replace(token, "…").replace(code_of(token), "…")
            log.warning(
                "approval %s could not be delivered to %s: %s",
                approval_id,
                recipient,
                reason,
                extra={"action": "approval_undelivered"},
            )
            raise DeliveryFailed(reason) from None
        now = self._execution.engine.clock.now()
        detail = {"link": link_name(token_hash), "digest": approval.digest}
        self._write(
            Audit(entry=AuditEntry(approval_id=approval_id, at=now, event="sent", actor=recipient, detail=detail))
        )

    def _write(self, write: Write) -> None:
        unit = Unit(writes=(write,), fence=self._execution.fence)
        receipt = self._execution.engine.committer.submit(unit).wait()
        if not receipt.accepted:
            raise self._execution.leave(Lost(self._execution.workflow_id))


def _request(approvals: Approvals, approval: Approval, recipient: str, token: str) -> ApprovalRequest:
    return ApprovalRequest(
        approval_id=approval.approval_id,
        workflow_id=approval.workflow_id,
        subject=approval.subject,
        details=recorded_rows(approval.details),
        recipient=recipient,
        links=approvals.links(token),
        code=code_of(token),
        expires_at=approval.expires_at,
    )
