"""What stands in the database: text that a person can read, the same in every process."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from holdfast.core.codec import Codec
from holdfast.errors import AlreadyRegistered, ConfigurationError, PayloadError


class State(StrEnum):
    OPEN = "open"


class Size(Enum):
    SMALL = object()


@dataclasses.dataclass
class Line:
    name: str
    price: Decimal


@dataclasses.dataclass
class Order:
    id: int
    lines: list[Line]
    placed_at: datetime
    state: State = State.OPEN


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.cents == self.cents

    def __hash__(self) -> int:
        return hash(self.cents)


class Euro(Money):
    pass


ORDER = Order(7, [Line("tea", Decimal("3.50"))], datetime(2024, 5, 1, 12, tzinfo=UTC))

ORDER_TEXT = (
    '{"id": 7, "lines": [{"name": "tea", "price": "3.50"}], "placed_at": "2024-05-01T12:00:00+00:00", "state": "open"}'
)


@pytest.mark.parametrize(
    ("value", "hint", "text"),
    [
        (42, int, "42"),
        ({"a": [1, None, True]}, dict[str, Any], '{"a": [1, null, true]}'),
        ("é", str, '"\\u00e9"'),
        (date(2024, 5, 1), date, '"2024-05-01"'),
        (timedelta(days=1, seconds=90), timedelta, '"P1DT90S"'),
        (Decimal("3.50"), Decimal | None, '"3.50"'),
        (None, Decimal | None, "null"),
        (UUID(int=1), UUID, '"00000000-0000-0000-0000-000000000001"'),
        (b"hello", bytes, '"aGVsbG8="'),
        (Path("/tmp/x"), Path, '"/tmp/x"'),
        (State.OPEN, State, '"open"'),
        (Size.SMALL, Size, '"SMALL"'),
        ((1, date(2024, 5, 1)), tuple[int, date], '[1, "2024-05-01"]'),
        ({3, 1, 2}, set[int], "[1, 2, 3]"),
        ({1: date(2024, 5, 1)}, dict[int, date], '{"1": "2024-05-01"}'),
        ({(1, 2): "x"}, dict[tuple[int, int], str], '[[[1, 2], "x"]]'),
        (
            ORDER,
            Order,
            ORDER_TEXT,
        ),
        (date(2024, 5, 1), Any, '{"$type": "date", "value": "2024-05-01"}'),
        ({"at": (1, 2)}, Any, '{"at": {"$type": "tuple", "value": [1, 2]}}'),
        ({"$type": 1}, Any, '{"$type": "dict", "value": [["$type", 1]]}'),
        ("2024-05-01", date, '{"$type": "any", "value": "2024-05-01"}'),
        ("today", date | str, '"today"'),
        (date(2024, 5, 1), date | str, '{"$type": "date", "value": "2024-05-01"}'),
        (datetime(2024, 5, 1, tzinfo=UTC), date, '{"$type": "datetime", "value": "2024-05-01T00:00:00+00:00"}'),
    ],
)
def test_a_person_can_read_the_text(value: Any, hint: Any, text: str) -> None:
    codec = Codec()
    assert codec.encode(value, hint) == text
    assert codec.decode(text, hint) == value


def test_the_order_of_a_unions_members_plays_no_part() -> None:
    # `A | B == B | A`, so that either may be the one that a process has met first.
    for written, read in [(date | Line, Line | date), (Line | Order, Order | Line)]:
        assert Codec().decode(Codec().encode(Line("a", Decimal(1)), written), read) == Line("a", Decimal(1))


def test_a_subclass_of_the_hinted_class_keeps_its_type() -> None:
    @dataclasses.dataclass
    class Gift(Line):
        card: str = ""

    codec = Codec()
    with pytest.raises(PayloadError, match="register") as refused:
        codec.encode([Gift("tea", Decimal(1), "Hi")], list[Line])
    assert refused.value.path == "[0]"
    codec.register(Gift, name="gift")
    text = codec.encode([Gift("tea", Decimal(1), "Hi")], list[Line])
    assert text == '[{"$type": "gift", "value": {"name": "tea", "price": "1", "card": "Hi"}}]'
    assert codec.decode(text, list[Line]) == [Gift("tea", Decimal(1), "Hi")]


def test_a_registered_class_comes_back_without_a_hint() -> None:
    codec = Codec()
    codec.register(Line)
    codec.register(State, name="state")
    codec.register(Path)
    value = {"line": Line("a", Decimal(1)), "state": State.OPEN, "path": Path("/a")}
    text = codec.encode(value)
    assert f'"$type": "{__name__}:Line"' in text
    assert '{"$type": "state", "value": "open"}' in text
    assert codec.decode(text) == value


def test_a_class_with_functions_of_its_own_is_written_by_them() -> None:
    codec = Codec()
    codec.register(Money, name="money", encode=lambda money: {"cents": money.cents}, decode=lambda tree: Money(**tree))
    text = codec.encode([Money(5)], list[Money])
    assert text == '[{"$type": "money", "value": {"cents": 5}}]'
    assert codec.decode(text) == [Money(5)]
    with pytest.raises(PayloadError, match="would come back as a 'money'"):
        codec.encode(Euro(5))


def test_functions_serve_those_subclasses_that_they_know() -> None:
    kinds = {"Money": Money, "Euro": Euro}
    codec = Codec()
    codec.register(
        Money,
        encode=lambda money: [type(money).__name__, money.cents],
        decode=lambda tree: kinds[tree[0]](tree[1]),
    )
    assert codec.decode(codec.encode(Euro(5))) == Euro(5)


def test_registering_is_seen_by_hints_that_were_used_before() -> None:
    codec = Codec()
    assert codec.encode(Line("a", Decimal(1)), Line) == '{"name": "a", "price": "1"}'
    codec.register(Line, name="line", encode=lambda line: line.name, decode=lambda name: Line(name, Decimal(0)))
    assert codec.encode(Line("a", Decimal(1)), Line) == '{"$type": "line", "value": "a"}'


def test_a_name_stands_for_one_class() -> None:
    codec = Codec()
    codec.register(Line, name="line")
    codec.register(Line, name="line")
    with pytest.raises(AlreadyRegistered, match="another one"):
        codec.register(Order, name="line")
    with pytest.raises(AlreadyRegistered, match="a standard type"):
        codec.register(Order, name="datetime")


@pytest.mark.parametrize("arguments", [{}, {"encode": str}, {"decode": str}])
def test_a_class_that_needs_functions_is_refused_without_them(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="encode= and decode="):
        Codec().register(Money, **arguments)


def test_a_standard_type_is_not_registered() -> None:
    with pytest.raises(ConfigurationError, match="as it is"):
        Codec().register(datetime)


def test_a_dataclass_is_restored_without_its_constructor() -> None:
    calls = []

    @dataclasses.dataclass
    class Counted:
        start: int
        doubled: int = dataclasses.field(init=False)

        def __post_init__(self) -> None:
            calls.append(self.start)
            self.doubled = self.start * 2
            self.note = f"from {self.start}"

    codec = Codec()
    value = Counted(2)
    value.start = 3
    back = codec.decode(codec.encode(value, Counted), Counted)
    assert (back.start, back.doubled, back.note) == (3, 4, "from 2")
    assert calls == [2]


def test_a_field_that_was_added_later_takes_its_default() -> None:
    assert Codec().decode('{"id": 1, "lines": [], "placed_at": "2024-05-01T12:00:00"}', Order).state is State.OPEN
    with pytest.raises(PayloadError, match="was not recorded") as refused:
        Codec().decode('{"id": 1, "lines": [{"name": "tea"}]}', Order)
    assert refused.value.path == "lines[0].price"


def test_a_field_that_is_gone_is_left_out() -> None:
    assert Codec().decode('{"name": "tea", "price": "1", "old": 5}', Line) == Line("tea", Decimal(1))


class Packed:
    """Compresses, as a program's own payload codec might."""

    def encode(self, text: str) -> str:
        return base64.b64encode(zlib.compress(text.encode())).decode()

    def decode(self, text: str) -> str:
        return zlib.decompress(base64.b64decode(text)).decode()


def test_a_payload_codec_comes_last_on_writing_and_first_on_reading() -> None:
    codec = Codec(payload_codec=Packed(), max_bytes=1000)
    value = ["x" * 100_000, date(2024, 5, 1)]
    text = codec.encode(value)
    assert "x" not in text[:5]
    assert len(text) < 1000
    assert codec.decode(text) == value
    error = codec.decode_error(codec.encode_error(ValueError("x" * 100_000)))
    assert isinstance(error, ValueError)


def test_what_a_payload_codec_raises_reaches_the_caller() -> None:
    class Locked(Packed):
        def encode(self, text: str) -> str:
            raise PermissionError("no key")

    with pytest.raises(PermissionError, match="no key"):
        Codec(payload_codec=Locked()).encode(1)
