"""The payments sandbox, asked by the real Stripe client over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe
import uvicorn
from fastapi import FastAPI

from apps.refund_agent.sandbox import Ledger, add_routes
from tests.browser.conftest import free_ports
from tests.helpers import eventually


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db")


@pytest.fixture
def client(ledger: Ledger) -> Iterator[stripe.StripeClient]:
    app = FastAPI()
    add_routes(app, ledger)
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started)
    yield stripe.StripeClient("sk_test_x", base_addresses={"api": f"http://127.0.0.1:{port}"}, max_network_retries=0)
    server.should_exit = True
    thread.join()


def pay(client: stripe.StripeClient, key: str, amount: int = 1000) -> str:
    refund = client.v1.refunds.create(
        params={"payment_intent": "pi_order_1", "amount": amount, "metadata": {"order_id": "1"}},
        options={"idempotency_key": key},
    )
    return refund.id


def test_the_same_key_pays_once_and_gets_the_same_answer(client: stripe.StripeClient, ledger: Ledger) -> None:
    assert pay(client, "k1") == pay(client, "k1")
    assert [(entry["order_id"], entry["amount"]) for entry in ledger.entries()] == [("1", 1000)]


def test_two_keys_pay_twice_and_the_ledger_shows_it(client: stripe.StripeClient, ledger: Ledger) -> None:
    pay(client, "k1")
    pay(client, "k2")
    assert len(ledger.entries()) == 2


def test_a_key_used_again_for_something_else_is_refused(client: stripe.StripeClient, ledger: Ledger) -> None:
    pay(client, "k1")
    with pytest.raises(stripe.StripeError, match="same parameters"):
        pay(client, "k1", amount=2000)
    assert len(ledger.entries()) == 1


def test_many_at_once_under_one_key_pay_once(client: stripe.StripeClient, ledger: Ledger) -> None:
    threads = [threading.Thread(target=pay, args=(client, "k1")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.entries()) == 1
