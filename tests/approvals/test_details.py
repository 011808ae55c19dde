"""Details become rows of text, once; the digest holds to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.approvals import Approval
from holdfast.approvals.details import digest_of, is_intact, record_of, recorded_rows, rows_of
from holdfast.errors import UsageError


class Colour(Enum):
    RED = "red"


@dataclass
class Order:
    order_id: int
    price: Decimal


class Customer(pydantic.BaseModel):
    full_name: str
    since: date


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is\n<b>", "as it is\n<b>"),
        (42, "42"),
        (1.5, "1.5"),
        (True, "yes"),
        (None, "none"),
        (Decimal("1299.00"), "1299.00"),
        (datetime(2026, 11, 23, 13, 5, tzinfo=UTC), "2026-11-23 13:05:00+00:00"),
        (Colour.RED, "red"),
        ({"a": [1, Decimal(2)]}, '{\n  "a": [\n    1,\n    "2"\n  ]\n}'),
        (Order(order_id=1, price=Decimal("2.50")), '{\n  "order_id": 1,\n  "price": "2.50"\n}'),
    ],
)
def test_a_value_has_one_certain_text(value: object, text: str) -> None:
    assert rows_of({"Value": value}) == (("Value", text),)


def test_details_are_a_mapping_pairs_a_dataclass_or_a_model() -> None:
    expected = (("Order id", "42"), ("Price", "9.90"))
    assert rows_of({"Order id": 42, "Price": Decimal("9.90")}) == expected
    assert rows_of([("Order id", 42), ["Price", "9.90"]]) == expected
    assert rows_of(pair for pair in expected) == expected
    assert rows_of(Order(order_id=42, price=Decimal("9.90"))) == expected
    assert rows_of(Customer(full_name="Ada", since=date(2020, 1, 2))) == (
        ("Full name", "Ada"),
        ("Since", "2020-01-02"),
    )
    assert rows_of(()) == ()


@pytest.mark.parametrize("details", ["text", 5, ["ab"], [("one",)], {"": 1}, {1: 1}, {"x": object()}, {"x": {1, 2}}])
def test_what_has_no_certain_text_is_refused(details: Any) -> None:
    with pytest.raises(UsageError):
        rows_of(details)


@given(st.lists(st.tuples(st.text(), st.text())))
def test_rows_come_back_from_the_record_as_they_were(rows: list[tuple[str, str]]) -> None:
    record = record_of(rows)
    assert record.isascii()
    assert "\x00" not in record
    assert recorded_rows(record) == tuple(rows)


def approval(**changes: Any) -> Approval:
    rows = (("Amount", "1,299.00"),)
    digest = digest_of(approval_id="a", workflow_id="w", subject="Refund", rows=rows)
    made = Approval(
        approval_id="a",
        workflow_id="w",
        subject="Refund",
        details=record_of(rows),
        digest=digest,
        requested_at=0,
        expires_at=1,
    )
    return replace(made, **changes)


def test_the_digest_holds_to_everything_that_is_shown_and_to_who_asks() -> None:
    assert is_intact(approval())
    altered: list[dict[str, Any]] = [
        {"subject": "Refund!"},
        {"details": record_of([("Amount", "9,299.00")])},
        {"details": record_of([("Amount", "1,299.00"), ("x", "")])},
        {"details": "no JSON"},
        {"details": "[1]"},
        {"workflow_id": "another"},
        {"approval_id": "another"},
        {"digest": "0" * 64},
    ]
    assert not [change for change in altered if is_intact(approval(**change))]
