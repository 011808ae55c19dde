"""Refunds: for each order one, however often and however concurrently it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.refund_agent import backend, refunds
from holdfast import Holdfast
from tests.apps.test_web import settings


@pytest.fixture
def shop(store_url: str, tmp_path: Path) -> Iterator[Holdfast]:
    refunds.configure(settings(store_url, tmp_path))
    with Holdfast(store_url) as app:
        backend.prepare()
        yield app


def test_only_one_of_many_concurrent_requests_is_new(shop: Holdfast) -> None:
    claims: list[refunds.Claim] = []
    threads = [threading.Thread(target=lambda: claims.append(refunds.claim_refund(1003))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [claim.is_new for claim in claims].count(True) == 1
    assert all("1003" in claim.words for claim in claims)


@pytest.mark.parametrize(("order_id", "state"), [(1010, "paying"), (1003, "review")])
def test_exactly_the_threshold_is_paid_at_once_and_more_is_reviewed(shop: Holdfast, order_id: int, state: str) -> None:
    assert refunds.claim_refund(order_id).is_new
    assert {order["order_id"]: order["refund"] for order in backend.list_orders()}[order_id] == state


def test_an_order_that_does_not_exist_is_told_in_words(shop: Holdfast) -> None:
    assert "no order 9999" in refunds.claim_refund(9999).words
    assert refunds.refund_status.invoke({"order_id": 9999}) == "There is no order 9999."


def test_reset_brings_the_shop_back_to_its_beginning(shop: Holdfast) -> None:
    refunds.claim_refund(1003)
    backend.add_conversation("c1", "One")
    backend.forget_everything()
    assert backend.list_conversations() == []
    assert {order["refund"] for order in backend.list_orders()} == {"none"}
