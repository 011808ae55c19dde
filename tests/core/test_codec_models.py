"""Pydantic models, LangChain's messages and SQLAlchemy's classes come back as they went in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pydantic
import pytest
import sqlalchemy as sa
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)
from sqlalchemy import orm

from holdfast.core.codec import Codec
from holdfast.errors import PayloadError
from tests.helpers import run_script


class State(StrEnum):
    OPEN = "open"


class Line(pydantic.BaseModel):
    name: str
    price: Decimal = Decimal("1.50")


class Gift(Line):
    card: str


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    id: int = pydantic.Field(alias="orderId")
    lines: list[Line] = []
    at: datetime | None = None
    state: State = State.OPEN
    either: Line | str | date | None = None
    anything: Any = None
    made: list[str] = pydantic.Field(default_factory=list)
    _seen: set[int] = pydantic.PrivateAttr(default_factory=set)


class Strict(pydantic.BaseModel):
    even: int
    validated: list[int] = []

    @pydantic.field_validator("even")
    @classmethod
    def check(cls, value: int) -> int:
        if value % 2:
            raise ValueError("odd")
        return value * 2


class Holder(pydantic.BaseModel):
    link: pydantic.HttpUrl
    secret: pydantic.SecretStr | None = None


class Row(orm.DeclarativeBase):
    pass


class Customer(Row):
    __tablename__ = "customer"

    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    purchases: orm.Mapped[list[Purchase]] = orm.relationship(back_populates="customer")


class Purchase(Row):
    __tablename__ = "purchase"

    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    price: orm.Mapped[Decimal] = orm.mapped_column(sa.Numeric(10, 2, asdecimal=True))
    state: orm.Mapped[State]
    bought_on: orm.Mapped[date | None]
    note = orm.mapped_column(sa.String)
    customer_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("customer.id"))
    customer: orm.Mapped[Customer] = orm.relationship(back_populates="purchases")


def full_order() -> Order:
    order = Order(
        orderId=7,
        lines=[Line(name="tea")],
        at=datetime(2024, 5, 1, tzinfo=UTC),
        either=date(2024, 5, 1),
        anything={"a": (1, b"x")},
        surprise={1, 2},
    )  # type: ignore[call-arg]  # an extra field is the case
    order._seen.add(3)
    return order


def same_model(left: pydantic.BaseModel, right: pydantic.BaseModel) -> bool:
    return (
        type(left) is type(right)
        and left == right
        and left.model_fields_set == right.model_fields_set
        and left.model_dump() == right.model_dump()
    )


@pytest.mark.parametrize(
    "make", [full_order, lambda: Order(orderId=1), lambda: Order.model_construct(id=1)], ids=range(3)
)
def test_a_model_comes_back_with_all_it_holds(make: Any) -> None:
    order = make()
    found = Codec().decode(Codec().encode(order, Order), Order)
    assert same_model(found, order)
    assert found._seen == order._seen
    found.at = None
    assert found.model_copy(deep=True) == found


def test_a_models_text_can_be_read() -> None:
    assert Codec().encode(Line(name="tea", price=Decimal(2)), Line) == '{"name": "tea", "price": "2"}'
    assert Codec().encode(Line(name="tea"), Line) == '{"name": "tea", "price": "1.50", "$unset": ["price"]}'


def test_a_model_is_restored_without_validation() -> None:
    strict = Strict(even=2)
    strict.even = 7
    assert Codec().decode(Codec().encode(strict, Strict), Strict).even == 7


def test_a_subclass_of_a_field_s_model_keeps_its_type() -> None:
    order = Order(orderId=1, lines=[Gift(name="tea", card="Hi")])
    with pytest.raises(PayloadError, match="register") as refused:
        Codec().encode(order, Order)
    assert refused.value.path == "lines[0]"
    codec = Codec()
    codec.register(Gift)
    found = codec.decode(codec.encode(order, Order), Order)
    assert type(found.lines[0]) is Gift
    assert found == order


def test_a_model_without_a_hint_must_be_registered() -> None:
    with pytest.raises(PayloadError, match=r"codec\.register\(Line\)"):
        Codec().encode({"line": Line(name="x")})
    codec = Codec()
    codec.register(Line)
    assert codec.decode(codec.encode({"line": Line(name="x")})) == {"line": Line(name="x")}


def test_a_field_that_was_not_recorded_takes_its_default() -> None:
    found = Codec().decode('{"id": 5}', Order)
    assert (found.id, found.state, found.made) == (5, State.OPEN, [])
    assert found.model_fields_set == {"id"}
    with pytest.raises(PayloadError, match="was not recorded") as refused:
        Codec().decode('{"lines": [{}], "id": 1}', Order)
    assert refused.value.path == "lines[0].name"


def test_a_field_of_pydantics_own_types_comes_back() -> None:
    holder = Holder(link=pydantic.HttpUrl("https://example.com/a?b=c"))
    found = Codec().decode(Codec().encode(holder, Holder), Holder)
    assert same_model(found, holder)
    assert type(found.link) is pydantic.HttpUrl


def test_a_secret_is_refused_rather_than_masked() -> None:
    holder = Holder(link=pydantic.HttpUrl("https://example.com"), secret=pydantic.SecretStr("hunter2"))
    with pytest.raises(PayloadError) as refused:
        Codec().encode(holder, Holder)
    assert refused.value.path == "secret"
    assert "hunter2" not in str(refused.value)


def test_a_private_attribute_that_can_not_be_recorded_is_named() -> None:
    order = Order(orderId=1)
    order._seen = {object()}  # type: ignore[arg-type]  # what can't be recorded is the case
    with pytest.raises(PayloadError) as refused:
        Codec().encode(order, Order)
    assert refused.value.path == "_seen{…}"


def test_extra_values_of_reserved_names_are_refused() -> None:
    with pytest.raises(PayloadError, match="reserved"):
        Codec().encode(Order(orderId=1, **{"$type": "x"}), Order)  # type: ignore[arg-type]  # what can't be recorded is the case


def test_a_datetime_that_pydantic_parsed_comes_back_equal() -> None:
    parsed = Order.model_validate({"orderId": 1, "at": "2024-05-01T12:00:00+02:00"}).at
    assert parsed is not None
    assert Codec().decode(Codec().encode(parsed)) == parsed


MESSAGES = [
    HumanMessage("hello", id="h1"),
    AIMessage(
        "",
        tool_calls=[{"name": "refund", "args": {"order_id": 1, "amount": 1.5}, "id": "c1", "type": "tool_call"}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"model": "x"},
    ),
    ToolMessage("done", tool_call_id="c1", artifact={"at": date(2024, 5, 1), "raw": b"x"}),
    AIMessage([{"type": "text", "text": "nul \x00 and \ud800"}], additional_kwargs={"n": None}),
]


@pytest.mark.parametrize("hint", [list[AnyMessage], list[BaseMessage], Sequence[BaseMessage], Any], ids=range(4))
def test_langchain_messages_come_back(hint: Any) -> None:
    codec = Codec()
    for kind in (HumanMessage, AIMessage, ToolMessage):
        codec.register(kind, name=f"langchain:{kind.__name__}")
    found = codec.decode(codec.encode(MESSAGES, hint), hint)
    assert found == MESSAGES
    assert all(map(same_model, found, MESSAGES))


def test_langchain_messages_come_back_by_langchains_own_functions() -> None:
    codec = Codec()
    codec.register(
        BaseMessage, name="message", encode=message_to_dict, decode=lambda tree: messages_from_dict([tree])[0]
    )
    found = codec.decode(codec.encode(MESSAGES, list[BaseMessage]), list[BaseMessage])
    assert found == MESSAGES


@pytest.fixture
def session() -> Any:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, creator=lambda: sqlite3.connect(":memory:"))
    Row.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(Customer(id=1))
        session.add(
            Purchase(
                id=42, price=Decimal("3.50"), state=State.OPEN, bought_on=date(2024, 5, 1), note="x", customer_id=1
            )
        )
        session.commit()
        yield session
    engine.dispose()


@pytest.mark.filterwarnings("ignore:Dialect sqlite.+pysqlite does .not. support Decimal:sqlalchemy.exc.SAWarning")
def test_a_mapped_object_comes_back_detached_with_its_columns(session: orm.Session) -> None:
    codec = Codec()
    text = codec.encode(session.get(Purchase, 42), Purchase | None)
    recorded = {"id": 42, "price": "3.50", "state": "open", "bought_on": "2024-05-01", "note": "x", "customer_id": 1}
    assert json.loads(text) == recorded
    found = codec.decode(text, Purchase | None)
    assert isinstance(found, Purchase)
    assert (found.id, found.price, found.state, found.bought_on, found.note) == (
        42, Decimal("3.50"), State.OPEN, date(2024, 5, 1), "x",
    )  # fmt: skip
    assert sa.inspect(found).detached
    merged = session.merge(found, load=True)
    assert merged.customer.id == 1
    assert not session.dirty


def test_pydantic_and_sqlalchemy_are_not_imported() -> None:
    use = "import sys, holdfast.core.codec as c; c.Codec().encode([1], list[int])"
    program = f"{use}; print({{'pydantic', 'sqlalchemy'}} & set(sys.modules))"
    assert run_script(program) == "set()"
