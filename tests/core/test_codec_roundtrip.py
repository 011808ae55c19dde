"""Everything comes back as it went in, through a real database's TEXT column, with and without a type hint."""

from __future__ import annotations

import dataclasses
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.core.codec import MISSING, Codec


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Mixed(Enum):
    TEXT = "1"
    NUMBER = 1
    PAIR = (1, "2")


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class State(StrEnum):
    OPEN = "open"
    SHUT = "shut"


class Right(Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    at: date


class Movie(TypedDict):
    title: str
    released: NotRequired[date]


@dataclasses.dataclass(frozen=True, slots=True)
class Price:
    amount: Decimal
    currency: str = "EUR"


@dataclasses.dataclass
class Node:
    price: Price | None
    children: list[Node]
    tags: set[str] = dataclasses.field(default_factory=set)
    anything: Any = None


OrderId = NewType("OrderId", int)

TEXT = st.text(st.characters(exclude_categories=[]), max_size=12)
INTS = st.integers() | st.integers(-(2**5000), 2**5000)
FLOATS = st.floats()
ZONES = st.sampled_from(
    [
        None,
        UTC,
        timezone(timedelta(hours=-3, minutes=-30)),
        timezone(timedelta(seconds=1, microseconds=5)),
        ZoneInfo("Europe/Berlin"),
        ZoneInfo("UTC"),
    ]
)
MOMENTS = st.builds(
    lambda value, zone, fold: value.replace(tzinfo=zone, fold=fold), st.datetimes(), ZONES, st.integers(0, 1)
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    INTS,
    FLOATS,
    TEXT,
    st.binary(max_size=8),
    st.binary(max_size=8).map(bytearray),
    MOMENTS,
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(),
    st.uuids(),
)
HASHABLE = st.one_of(
    st.none(), INTS, TEXT, st.binary(max_size=4), st.dates(), st.uuids(), st.tuples(TEXT, st.integers()), FLOATS
)
RESERVED_KEYS = st.sampled_from(["$type", "value", "$attributes", "$unset"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(TEXT | RESERVED_KEYS, inner, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
    ),
    max_leaves=15,
)
PRICES = st.builds(Price, st.decimals(allow_nan=False), TEXT)
NODES = st.recursive(
    st.builds(Node, st.none() | PRICES, st.just([]), st.sets(TEXT, max_size=3), VALUES),
    lambda inner: st.builds(Node, st.none() | PRICES, st.lists(inner, max_size=3), st.sets(TEXT, max_size=3), VALUES),
    max_leaves=4,
)

HINTED: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, INTS),
    (float, FLOATS),
    (bytes, st.binary()),
    (datetime, MOMENTS),
    (date, st.dates()),
    (time, st.times()),
    (timedelta, st.timedeltas()),
    (Decimal, st.decimals()),
    (UUID, st.uuids()),
    (Path, st.lists(st.sampled_from("a.$~ \udc80"), max_size=5).map(lambda parts: Path(*parts))),
    (PurePosixPath, st.just(PurePosixPath("/a/b"))),
    (Colour, st.sampled_from(Colour)),
    (Mixed, st.sampled_from(Mixed)),
    (Level, st.sampled_from(Level)),
    (State, st.sampled_from(State)),
    (Right, st.sampled_from([Right(0), Right.READ, Right.WRITE, Right.READ | Right.WRITE])),
    (Point, st.builds(Point, INTS, st.dates())),
    (Movie, st.fixed_dictionaries({"title": TEXT}, optional={"released": st.dates(), "more": VALUES})),
    (Node, NODES),
    (Node | None, st.none() | NODES),
    (tuple[int, date], st.tuples(INTS, st.dates())),
    (tuple[date, ...], st.lists(st.dates()).map(tuple)),
    (tuple, st.lists(VALUES, max_size=3).map(tuple)),
    (set[UUID], st.sets(st.uuids())),
    (frozenset[Price], st.frozensets(PRICES, max_size=3)),
    (list[bytes], st.lists(st.binary(max_size=3))),
    (Sequence[Decimal], st.lists(st.decimals())),
    (dict[int, date], st.dictionaries(INTS, st.dates())),
    (dict[UUID, list[date]], st.dictionaries(st.uuids(), st.lists(st.dates(), max_size=2))),
    (dict[State, Price], st.dictionaries(st.sampled_from(State), PRICES)),
    (dict[tuple[int, str], date], st.dictionaries(st.tuples(st.integers(), TEXT), st.dates(), max_size=3)),
    (Mapping[str, date], st.dictionaries(TEXT | RESERVED_KEYS, st.dates())),
    (date | datetime, st.dates() | MOMENTS),
    (date | str | None, st.dates() | TEXT | st.none()),
    (list[date] | date, st.dates() | st.lists(st.dates())),
    (list[date] | list[UUID], st.lists(st.dates()) | st.lists(st.uuids())),
    (Price | Point | dict[str, Any], PRICES | st.builds(Point, INTS, st.dates()) | st.dictionaries(TEXT, VALUES)),
    (Level | int | bool, st.sampled_from(Level) | INTS | st.booleans()),
    (Literal["a", 1, True, Colour.RED], st.sampled_from(["a", 1, True, Colour.RED])),
    (OrderId, INTS),
    (Annotated[date, "the day"], st.dates()),
    (object, VALUES),
]


@pytest.fixture(scope="module")
def column() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE payload (id INTEGER PRIMARY KEY, body TEXT)")
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec()


def through(column: sqlite3.Connection, text: str) -> str:
    assert text.isascii()
    column.execute("INSERT OR REPLACE INTO payload VALUES (1, ?)", (text,))
    stored: str = column.execute("SELECT body FROM payload").fetchone()[0]
    return stored


def same(left: Any, right: Any) -> bool:  # noqa: PLR0911 - one for each kind of value
    """Compare more strictly than `==`: types, signs of zero, folds, zones; NaN is the same as NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    if isinstance(left, Decimal):
        return str(left) == str(right)
    if isinstance(left, dict):
        pairs = zip(left.items(), right.items(), strict=False)
        return len(left) == len(right) and all(same(a, b) for a, b in pairs)
    if isinstance(left, set | frozenset):
        return len(left) == len(right) and all(any(same(a, b) for b in right) for a in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, datetime | time):
        return (left.isoformat(), left.fold, left.tzinfo) == (right.isoformat(), right.fold, right.tzinfo)
    if dataclasses.is_dataclass(left):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in dataclasses.fields(left))
    return bool(left == right)


def check(codec: Codec, column: sqlite3.Connection, value: Any, hint: Any) -> None:
    back = codec.decode(through(column, codec.encode(value, hint)), hint)
    assert same(back, value), (back, value)


@given(value=VALUES)
@settings(max_examples=400)
def test_values_without_a_hint_come_back(codec: Codec, column: sqlite3.Connection, value: Any) -> None:
    check(codec, column, value, MISSING)


@pytest.mark.parametrize(
    ("hint", "values"), HINTED, ids=lambda each: str(each)[:50] if not isinstance(each, st.SearchStrategy) else ""
)
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_hinted_values_come_back(
    codec: Codec, column: sqlite3.Connection, hint: Any, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    check(codec, column, data.draw(values), hint)


@given(data=st.data())
@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
def test_values_that_their_hint_does_not_describe_come_back_all_the_same(
    codec: Codec, column: sqlite3.Connection, data: st.DataObject
) -> None:
    hint, _ = data.draw(st.sampled_from(HINTED))
    check(codec, column, data.draw(VALUES), hint)


@given(value=NODES)
def test_classes_found_in_a_hint_come_back_without_one(codec: Codec, column: sqlite3.Connection, value: Node) -> None:
    codec.learn(Node)
    check(codec, column, {"node": value}, MISSING)


@pytest.mark.parametrize(
    "value",
    [
        "a\x00b",
        "\ud800 alone",
        "\udcff\ud83d",
        2**63,
        -(10**4000),
        10**5000,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        math.nan,
        math.inf,
        -math.inf,
        {1: "a", "1": "b", 1.5: "c", None: "d", (1,): "e"},
        {"$type": "datetime", "value": "2024-01-01"},
        {"$type": {"$type": 1}},
        {"value": {"$type": None}},
        [True, 1, 1.0, False, 0],
        (),
        [(), set(), frozenset(), {}, []],
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime.max.replace(tzinfo=UTC),
        timedelta.min,
        timedelta.max,
        Decimal("sNaN123"),
        Decimal("-0E-400"),
        Decimal("1E+999999"),
        time(2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
    ],
    ids=lambda value: repr(value)[:40] if not isinstance(value, int) else f"{value.bit_length()} bits",
)
def test_values_that_trip_others_come_back(codec: Codec, column: sqlite3.Connection, value: Any) -> None:
    check(codec, column, value, MISSING)


def test_the_order_of_a_dict_comes_back(codec: Codec) -> None:
    assert list(codec.decode(codec.encode({"b": 1, "a": 2}))) == ["b", "a"]
    assert list(codec.decode(codec.encode({2: 1, "a": 2, 1: 3}))) == [2, "a", 1]


def test_a_value_nested_a_hundred_deep_comes_back(codec: Codec, column: sqlite3.Connection) -> None:
    value: Any = "core"
    for level in range(100):
        value = [value] if level % 2 else {"in": value}
    check(codec, column, value, MISSING)
    value = "core"
    for _ in range(100):
        value = (value,)
    check(codec, column, value, MISSING)
