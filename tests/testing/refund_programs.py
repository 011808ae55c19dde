"""The refund agent's own workflows, as `crash_everywhere` kills them: the tool that pays, and a manager's review."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from apps.refund_agent import backend, orders, refunds
from apps.refund_agent.payments import Payments
from apps.refund_agent.settings import Settings
from holdfast import Holdfast, recv, sql_session, transaction, workflow
from holdfast.approvals import ApprovalRequest, Approvals
from holdfast.testing import record_effect
from tests.helpers import eventually


class Provider(Payments):
    """A payment provider that honours idempotency keys, and is watched."""

    def pay_back(self, order_id: int, amount_cents: int, *, idempotency_key: str) -> str:
        record_effect("pay back", order_id, amount_cents, key=idempotency_key)
        return f"re_{order_id}"


class Nowhere:
    def deliver(self, request: ApprovalRequest) -> None:
        """Deliver to nobody."""


def shop(url: str) -> Holdfast:
    settings = Settings(
        port=8000, folder=Path(), database_url=url, services_port=8001, smtp_port=8002, smtp_url="smtp://127.0.0.1:8002",
        stripe_api_key=None, model=None, demo=False, threshold=Decimal(1000),
    )  # fmt: skip
    refunds.configure(settings)
    refunds._configured["payments"] = Provider(settings)
    app = Holdfast(url)
    Approvals(app, delivery=Nowhere(), base_url="https://example.com/approvals")
    return app


@transaction
def ce_state_of_refund(order_id: int) -> list[str | None]:
    refund = sql_session().get(orders.Refund, order_id)
    return [refund.state, refund.payment_id, refund.decided_by]


@workflow
def ce_customer(order_id: int, *, reviewed: bool) -> list[object]:
    """Ask for a refund, as the agent's conversation does, and hear how it ended."""
    backend.prepare()
    words = refunds.process_refund.invoke({"order_id": order_id})
    notice = recv("inbox") if reviewed else None
    return [words, notice, *ce_state_of_refund(order_id)]


def manager_agrees(app: Holdfast, workflow_id: str) -> None:
    approvals: Approvals = app.extensions[Approvals]
    [approval] = eventually(approvals.list, timeout=30)
    approvals.decide(approval.approval_id, True, by="ada")
