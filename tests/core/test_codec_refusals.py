"""What would not come back equal is refused on writing, a corrupt row on reading; both name the place."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest

from holdfast.core.codec import Codec
from holdfast.errors import PayloadError


class Level(IntEnum):
    LOW = 1


class Name(str):
    __slots__ = ()


class Wandering(tzinfo):
    def utcoffset(self, value: datetime | None) -> timedelta | None:
        return None if value is None else timedelta(hours=value.hour)

    def tzname(self, value: datetime | None) -> str | None:
        return None

    def dst(self, value: datetime | None) -> timedelta | None:
        return None


@dataclasses.dataclass
class Line:
    name: str
    price: Any


@dataclasses.dataclass
class Order:
    items: list[Line]
    by_day: dict[int, Line] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Listing(list[int]):
    title: str = ""


@dataclasses.dataclass
class Node:
    next: Any = None


class Slotted:
    __slots__ = ("hidden",)


@dataclasses.dataclass
class Partly(Slotted):
    shown: int


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def cycle() -> Any:
    value: list[Any] = []
    value += [value, value]
    return value


def circle() -> Node:
    node = Node()
    node.next = {"back": node}
    return node


LINES = [Line("a", 1), Line("b", 2), Line("c", 3), Line("d", Fraction(1, 3))]


@pytest.mark.parametrize(
    ("value", "hint", "path", "reason"),
    [
        (Order(LINES), Order, "items[3].price", "a Fraction can't be recorded"),
        (Order([], {5: Line("x", 1j)}), Order, "by_day[5].price", "a complex can't be recorded"),
        ({"a b": [1, {"c": object()}]}, Any, "['a b'][1].c", "a object can't be recorded"),
        ((1, Level.LOW), tuple[int, int], "[1]", "a Level would come back as a plain int"),
        ([Level.LOW], list[int], "[0]", "a Level would come back as a plain int"),
        (Name("x"), str, "", "a Name would come back as a plain str"),
        ({Name("x"): 1}, Any, "[Name]", "a Name would come back as a plain str"),
        ({"n": collections.OrderedDict(a=1)}, Any, "n", "a OrderedDict would come back as a plain dict"),
        ({"a": {Fraction(1, 2)}}, Any, "a{…}", "a Fraction"),
        (LINES[0], Any, "", "codec.register(Line)"),
        (Line, Any, "", "a type can't be recorded"),
        (len, Any, "", "can't be recorded"),
        (ValueError("x"), Any, "", "a ValueError can't be recorded"),
        (datetime(2024, 1, 1, tzinfo=Wandering()), datetime, "", "time zone"),
        (Listing("x"), Listing, "", "also a list"),
        (Partly(1), Partly, "", "slot 'hidden'"),
        (deep(101), Any, "[0][0][0][0][0][0]…[0][0][0]", "100 levels"),
        (deep(5000), Any, "[0][0][0][0][0][0]…[0][0][0]", "100 levels"),
        (cycle(), list[Any], "[0][0][0][0][0][0]…[0][0][0]", "contains itself"),
        (circle(), Node, "next.back.next.back.next.back…", "contains itself"),
    ],
)
def test_a_value_that_would_not_come_back_equal_is_refused(value: Any, hint: Any, path: str, reason: str) -> None:
    with pytest.raises(PayloadError) as refused:
        Codec().encode(value, hint)
    assert reason in str(refused.value)
    assert refused.value.path.startswith(path)
    assert (refused.value.path == "") == (path == "")
    assert str(refused.value).startswith(f"{refused.value.path}: " if path else refused.value.reason)


def test_a_refusal_carries_the_type_and_the_reason() -> None:
    with pytest.raises(PayloadError) as refused:
        Codec().encode({"items": [0, 1, 2, {"price": Fraction(1, 2)}]})
    error = refused.value
    assert (error.path, error.type_name) == ("items[3].price", "fractions:Fraction")
    assert str(error) == f"items[3].price: {error.reason}"


def test_what_an_encode_function_raises_is_the_cause() -> None:
    def fail(_: object) -> object:
        raise LookupError("gone")

    codec = Codec()
    codec.register(Fraction, encode=fail, decode=Fraction)
    with pytest.raises(PayloadError, match="encode function of 'fractions:Fraction' failed") as refused:
        codec.encode([Fraction(1)])
    assert isinstance(refused.value.__cause__, LookupError)


def test_two_classes_of_one_name_are_not_taken_for_each_other() -> None:
    def define() -> type[Any]:
        @dataclasses.dataclass
        class Twin:
            x: int

        return Twin

    old, new = define(), define()
    codec = Codec()
    codec.learn(old, new)
    assert codec.decode(codec.encode(new(1))) == new(1)
    with pytest.raises(PayloadError, match="defined twice"):
        codec.encode(old(1))


def test_the_limit_of_size_holds() -> None:
    codec = Codec(max_bytes=100)
    assert codec.encode("x" * 98)
    with pytest.raises(PayloadError, match="101 bytes, more than the limit of 100"):
        codec.encode("x" * 99)
    with pytest.raises(PayloadError, match="122 bytes"):
        codec.encode("é" * 20)


@pytest.mark.parametrize(
    ("text", "hint", "reason"),
    [
        ('{"a": 1, "a": 2}', Any, "'a' occurs twice"),
        ('[{"b": {"a": 1, "c": 3, "a": 1}}]', Any, "'a' occurs twice"),
        ("NaN", float, "NaN is not JSON"),
        ("[-Infinity]", Any, "-Infinity is not JSON"),
        ("1e400", float, "1e400 is no number"),
        ("1" * 5000, int, "not valid JSON"),
        ("", Any, "not valid JSON"),
        ("{", Any, "not valid JSON"),
        ("1 2", Any, "not valid JSON"),
        ("[" * 100_000, Any, "nested too deeply"),
        ('{"$type": "nothing", "value": 1}', Any, "'nothing', which this program has not registered"),
        ('{"$type": "date"}', Any, "malformed"),
        ('{"$type": 5, "value": 1}', Any, "malformed"),
        ('{"$type": "date", "value": "2024-01-01", "more": 1}', Any, "malformed"),
        ('{"$type": "date", "value": 5}', Any, "is no date"),
        ('{"$type": "tuple", "value": "abc"}', Any, "should be an array"),
        ('{"$type": "set", "value": [[1]]}', Any, "not hashable"),
        ('{"$type": "set", "value": [1, 1]}', Any, "occurs twice"),
        ('{"$type": "dict", "value": [[1]]}', Any, "pairs is expected"),
        ('{"$type": "dict", "value": [[[], 1]]}', Any, "not hashable"),
        ('{"$type": "dict", "value": [[1, 1], [1, 2]]}', Any, "occurs twice"),
        ('{"$type": "float", "value": "1e999"}', Any, "is no float"),
        ('{"$type": "int", "value": "12"}', Any, "is no int"),
        ('{"$type": "Decimal", "value": "one"}', Any, "is no Decimal"),
        ('{"$type": "datetime", "value": "2024-01-01T00:00:00[No/Such_Zone]"}', Any, "is no datetime"),
        ('"yesterday"', datetime, "is no datetime"),
        ("[1]", tuple[int, int], "has 1 members"),
        ('{"01": 1}', dict[int, datetime], "is no int"),
        ("7", Level, "has no member 7"),
        ('{"$type": "any", "value": 1, "value": 2}', Any, "occurs twice"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_corrupt_text_is_refused_when_it_is_read(text: str, hint: Any, reason: str) -> None:
    with pytest.raises(PayloadError) as refused:
        Codec().decode(text, hint)
    assert reason in str(refused.value)


def test_a_corrupt_text_is_refused_with_the_path() -> None:
    with pytest.raises(PayloadError) as refused:
        Codec().decode('{"items": [{"name": "a", "price": {"$type": "date", "value": "x"}}]}', Order)
    assert refused.value.path == "items[0].price"


@pytest.mark.parametrize("read", [Codec().decode, Codec().decode_error])
def test_what_is_no_text_is_refused(read: Callable[[Any], Any]) -> None:
    for payload in (None, 5, b"1"):
        with pytest.raises(PayloadError):
            read(payload)


def test_nan_and_the_infinities_are_the_one_exception() -> None:
    assert Codec().encode([float("nan"), float("-inf")]) == (
        '[{"$type": "float", "value": "nan"}, {"$type": "float", "value": "-inf"}]'
    )
    assert Codec().encode(Decimal("NaN"), Decimal) == '"NaN"'
    assert Codec().encode(datetime(2024, 1, 1, tzinfo=UTC), datetime)
