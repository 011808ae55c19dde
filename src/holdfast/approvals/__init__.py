"""Approvals by people: a workflow asks, a person decides by mail, on a page or in code, and the decision is recorded.

    from holdfast.approvals import Approvals, SmtpDelivery, request_approval

How to use it is in docs/how-to/approvals.md.
"""

from holdfast.approvals.approvals import Approvals
from holdfast.approvals.decision import Decision
from holdfast.approvals.delivery import ApprovalLinks, ApprovalRequest, Delivery, LogDelivery
from holdfast.approvals.mail import SmtpDelivery
from holdfast.approvals.request import arequest_approval, request_approval
from holdfast.core.model import Approval, AuditEntry
from holdfast.errors import ApprovalError

__all__ = [
    "Approval",
    "ApprovalError",
    "ApprovalLinks",
    "ApprovalRequest",
    "Approvals",
    "AuditEntry",
    "Decision",
    "Delivery",
    "LogDelivery",
    "SmtpDelivery",
    "arequest_approval",
    "request_approval",
]
