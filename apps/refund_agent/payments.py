"""Money: the real Stripe client, against Stripe or against the sandbox that speaks its refund endpoint."""

from __future__ import annotations

import stripe

from apps.refund_agent.settings import Settings


class Payments:
    """Pays refunds. A repeated call with the same key pays once: that is what the key is for."""

    def __init__(self, settings: Settings) -> None:
        if settings.stripe_api_key:
            self._client = stripe.StripeClient(settings.stripe_api_key, max_network_retries=0)
        else:
            self._client = stripe.StripeClient(
                "sk_test_sandbox",
                base_addresses={"api": settings.services_url},
                max_network_retries=0,
            )

    def pay_back(self, order_id: int, amount_cents: int, *, idempotency_key: str) -> str:
        """Pay a refund and return its id. Raises `stripe.StripeError`."""
        refund = self._client.v1.refunds.create(
            params={
                "payment_intent": f"pi_order_{order_id}",
                "amount": amount_cents,
                "metadata": {"order_id": str(order_id)},
            },
            options={"idempotency_key": idempotency_key},
        )
        return refund.id
