"""Refunds: paid at once up to a threshold, above it decided by a manager; for each order at most one.

The tools that the agent calls are workflows and transactions themselves, so that a crash in the middle neither pays
twice nor forgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from langchain_core.tools import tool

from apps.refund_agent import orders
from apps.refund_agent.payments import Payments
from apps.refund_agent.settings import Settings
from holdfast import send, sql_session, start, step, step_info, transaction, workflow, workflow_id
from holdfast.approvals import request_approval

_configured: dict[str, object] = {}


def configure(settings: Settings) -> None:
    """Say which payment provider to use and who decides; called once, before the application is launched."""
    _configured["settings"] = settings
    _configured["payments"] = Payments(settings)


def _settings() -> Settings:
    settings = _configured["settings"]
    assert isinstance(settings, Settings)
    return settings


@dataclass(frozen=True)
class Claim:
    """What became of asking for a refund: a new one, or words about the one that there is."""

    words: str
    is_new: bool = False
    item: str = ""
    amount_cents: int = 0


@tool
@transaction
def list_my_orders() -> str:
    """List the customer's orders with their prices and the state of their refunds."""
    lines = [
        f"{order['order_id']}: {order['item']}, {order['price']}"
        + ("" if order["refund"] == "none" else f" (refund: {order['refund']})")
        for order in orders.overview(sql_session())
    ]
    return "Your orders:\n" + "\n".join(f"- {line}" for line in lines)


@tool
@transaction
def look_up_order(order_id: int) -> str:
    """Look up one order by its number."""
    order = sql_session().get(orders.Order, order_id)
    if order is None:
        return f"There is no order {order_id}."
    refund = sql_session().get(orders.Refund, order_id)
    return f"Order {order_id} is {order.item} for {order.price:.2f}." + (
        f" {orders.in_words(refund)}" if refund else ""
    )


@tool
@transaction
def refund_status(order_id: int) -> str:
    """Tell how far the refund of an order has come."""
    if sql_session().get(orders.Order, order_id) is None:
        return f"There is no order {order_id}."
    refund = sql_session().get(orders.Refund, order_id)
    return orders.in_words(refund) if refund else f"No refund was asked for order {order_id}."


@tool
@workflow
def process_refund(order_id: int) -> str:
    """Refund an order. Large amounts are reviewed by a manager first; the customer is told the outcome later."""
    claim = claim_refund(order_id)
    if not claim.is_new:
        return claim.words
    if Decimal(claim.amount_cents) / 100 > _settings().threshold:
        start(review, order_id, claim.item, claim.amount_cents, conversation_of(workflow_id()))
        return claim.words
    payment_id = pay_back(order_id, claim.amount_cents)
    settle_refund(order_id, "paid", payment_id)
    return f"Done: {claim.amount_cents / 100:.2f} for order {order_id} ({claim.item}) has been paid back to you."


@workflow
def review(order_id: int, item: str, amount_cents: int, conversation_id: str) -> str:
    """Let a manager decide about a refund, for days if need be, then pay or reject it and tell the customer."""
    settings = _settings()
    decision = request_approval(
        f"Refund of {amount_cents / 100:,.2f} for order {order_id}",
        {"Order": str(order_id), "Item": item, "Amount": f"{amount_cents / 100:,.2f}"},
        to=[settings.manager],
        timeout=settings.approval_days * 86400,
    )
    if decision.approved:
        settle_refund(order_id, "paying", None, decision.decided_by)
        payment_id = pay_back(order_id, amount_cents)
        settle_refund(order_id, "paid", payment_id, decision.decided_by)
        words = (
            f"Good news: the refund of {amount_cents / 100:,.2f} for order {order_id} ({item}) was approved and paid."
        )
    else:
        settle_refund(order_id, "rejected", None, decision.decided_by)
        reason = f" The manager wrote: “{decision.comment}”" if decision.comment else ""
        late = " because nobody decided in time" if decision.status == "expired" else ""
        words = f"The refund for order {order_id} ({item}) was not approved{late}.{reason}"
    send(conversation_id, {"kind": "notice", "text": words}, topic="inbox")
    return decision.status


def conversation_of(child_id: str) -> str:
    """Return the conversation that a workflow belongs to: a child's id begins with its parent's."""
    return child_id.partition("/")[0]


@transaction
def claim_refund(order_id: int) -> Claim:
    """Take the one refund that an order may have, or say what became of it."""
    session = sql_session()
    order = session.get(orders.Order, order_id, with_for_update=True)
    if order is None:
        return Claim(f"There is no order {order_id}, so nothing can be refunded.")
    refund = session.get(orders.Refund, order_id)
    if refund is not None:
        return Claim(f"This was asked for before. {orders.in_words(refund)}")
    needs_review = order.price > _settings().threshold
    session.add(
        orders.Refund(order_id=order_id, amount_cents=order.price_cents, state="review" if needs_review else "paying")
    )
    words = (
        f"The refund of {order.price:.2f} for order {order_id} ({order.item}) needs a manager's approval. "
        "I have asked for it and will tell you here; this can take some days."
    )
    return Claim(words, is_new=True, item=order.item, amount_cents=order.price_cents)


@transaction
def settle_refund(order_id: int, state: str, payment_id: str | None, decided_by: str | None = None) -> None:
    """Write down how far a refund has come."""
    refund = sql_session().get(orders.Refund, order_id)
    refund.state = state
    refund.payment_id = payment_id or refund.payment_id
    refund.decided_by = decided_by or refund.decided_by


@step(retries=20, backoff=0.5, max_delay=60)
def pay_back(order_id: int, amount_cents: int) -> str:
    """Pay through the provider; its idempotency key is the step's, the same in every attempt."""
    payments = _configured["payments"]
    assert isinstance(payments, Payments)
    return payments.pay_back(order_id, amount_cents, idempotency_key=step_info().idempotency_key)


TOOLS = [list_my_orders, look_up_order, process_refund, refund_status]
