"""Hints of every sort find their form, and the corners of each form."""

from __future__ import annotations

import dataclasses
import threading
import typing
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from enum import Enum, StrEnum
from functools import cached_property
from typing import Annotated, Any, Final, Generic, NamedTuple, TypedDict, TypeVar

import pytest
from typing_extensions import TypeAliasType

from holdfast.core.codec import Codec
from holdfast.errors import PayloadError

T = TypeVar("T")
Bound = TypeVar("Bound", bound=date)
Either = TypeVar("Either", date, bytes)

DAY = date(2024, 5, 1)
TEXT = '"2024-05-01"'

Day = TypeAliasType("Day", date)


def recursive_alias() -> Any:
    """Return what `type Days = dict[str, Days] | date` makes, from Python 3.12 on."""
    alias = type("TypeAliasType", (), {"__repr__": lambda self: "Days"})()
    alias.__value__ = dict[str, alias] | date  # type: ignore[valid-type]  # a stand-in for what Python 3.12 makes
    return alias


Days: Any = recursive_alias()


class Key(StrEnum):
    RESERVED = "$type"
    OTHER = "other"


class Empty(Enum):
    pass


class Picky(Enum):
    A = "a"

    @classmethod
    def _missing_(cls, value: object) -> Picky:
        raise RuntimeError("picky")


class Movie(TypedDict):
    released: date


class Point(NamedTuple):
    x: int
    on: date = DAY


class Tagged(Point):
    pass


Plain = namedtuple("Plain", "a b")  # noqa: PYI024 - one without hints


@dataclasses.dataclass(slots=True)
class Slots:
    a: int
    later: date = dataclasses.field(init=False)
    made: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Lazy:
    a: int

    @cached_property
    def double(self) -> int:
        return self.a * 2


@dataclasses.dataclass
class Pair(Generic[T]):
    left: T
    rest: list[T]
    by_name: dict[str, tuple[T, int]]


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        (Bound, DAY, TEXT),
        (Either, DAY, '{"$type": "date", "value": "2024-05-01"}'),
        (T, 1, "1"),
        (Day, DAY, TEXT),
        (list[Day], [DAY], f"[{TEXT}]"),
        (Days, {"a": {"b": DAY}}, '{"a": {"b": {"$type": "date", "value": "2024-05-01"}}}'),
        (Annotated[date, []], DAY, TEXT),
        (Final[date], DAY, TEXT),
        (typing.List[date], [DAY], f"[{TEXT}]"),  # noqa: UP006 - hints that people write
        (typing.Dict[str, date], {"a": DAY}, f'{{"a": {TEXT}}}'),  # noqa: UP006 - the old spelling is the case
        (typing.Optional[date], DAY, TEXT),  # noqa: UP045 - the old spelling is the case
        (typing.Tuple, (1,), "[1]"),  # noqa: UP006 - the old spelling is the case
        (tuple[()], (), "[]"),
        (tuple[int, *tuple[int, ...]], (1, 2), "[1, 2]"),
        (set, {1}, "[1]"),
        (list, [(1,)], '[{"$type": "tuple", "value": [1]}]'),
        (type[int], 1, "1"),
        (Callable[[], int], 1, "1"),
        (
            Pair[date],
            Pair(DAY, [DAY], {"a": (DAY, 1)}),
            f'{{"left": {TEXT}, "rest": [{TEXT}], "by_name": {{"a": [{TEXT}, 1]}}}}',
        ),
        (Pair, Pair(1, [2], {"a": (3, 4)}), '{"left": 1, "rest": [2], "by_name": {"a": [3, 4]}}'),
        (dict[Key, date], {Key.OTHER: DAY}, f'{{"other": {TEXT}}}'),
        (Plain, Plain(1, DAY), '{"a": 1, "b": {"$type": "date", "value": "2024-05-01"}}'),
        (Empty, 1, "1"),
    ],
    ids=lambda each: str(each)[:60],
)  # fmt: skip
def test_a_hint_finds_its_form(hint: Any, value: Any, text: str) -> None:
    assert Codec().encode(value, hint) == text
    assert Codec().decode(text, hint) == value


def test_a_key_whose_text_is_the_reserved_one_comes_back() -> None:
    value = {Key.RESERVED: 1, Key.OTHER: 2}
    hint = dict[Key, int]
    found = Codec().decode(Codec().encode(value, hint), hint)
    assert found == value
    assert all(type(key) is Key for key in found)


def test_a_recursive_alias_describes_its_values_wherever_it_is_met_first() -> None:
    text = Codec().encode({"a": {"b": DAY}}, Days)
    assert Codec().decode(text, dict[str, Days]) == {"a": {"b": DAY}}


def test_cached_properties_do_not_come_along() -> None:
    value = Lazy(2)
    assert value.double == 4
    assert Codec().encode(value, Lazy) == '{"a": 2}'


def test_a_field_that_was_never_set_stays_so() -> None:
    found = Codec().decode(Codec().encode(Slots(1), Slots), Slots)
    assert not hasattr(found, "later")
    assert found.made == []
    assert Codec().decode('{"a": 1}', Slots).made == []


def test_a_named_tuple_takes_the_defaults_of_fields_that_were_not_recorded() -> None:
    assert Codec().decode('{"x": 1}', Point) == Point(1)
    with pytest.raises(PayloadError, match="was not recorded"):
        Codec().decode("{}", Point)


def test_a_named_tuple_with_attributes_of_its_own_is_refused() -> None:
    value = Tagged(1)
    assert Codec().decode(Codec().encode(value, Tagged), Tagged) == value
    value.more = 1  # type: ignore[attr-defined]  # what nobody declared is the case
    with pytest.raises(PayloadError, match="beside its fields"):
        Codec().encode(value, Tagged)


@pytest.mark.parametrize(
    ("hint", "text", "path", "reason"),
    [
        (Movie, '{"released": "x"}', "released", "is no date"),
        (dict[tuple[int, int], date], '[[[1, 2], "x"]]', "[tuple]", "is no date"),
        (tuple[int, date], '[1, "x"]', "[1]", "is no date"),
        (list[date], '["2024-05-01", "x"]', "[1]", "is no date"),
        (Picky, '"b"', "", "has no member 'b'"),
        (Lazy, '{"a": 1, "$attributes": {"__class__": 1}}', "", "malformed"),
        (Lazy, '{"a": 1, "$attributes": []}', "", "malformed"),
        (dict[Key, int], '{"gone": 1}', "gone", "has no member"),
    ],
)
def test_a_refusal_on_reading_names_the_place(hint: Any, text: str, path: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason) as refused:
        Codec().decode(text, hint)
    assert refused.value.path == path


def test_attributes_beside_the_fields_are_named_when_refused() -> None:
    value = Lazy(1)
    value.connection = object()  # type: ignore[attr-defined]  # what nobody declared is the case
    with pytest.raises(PayloadError) as refused:
        Codec().encode(value, Lazy)
    assert refused.value.path == "connection"


def test_an_exhausted_stack_is_a_refusal() -> None:
    def at_the_bottom(do: Callable[[], Any]) -> Any:
        try:
            return at_the_bottom(do)
        except RecursionError:
            return do()

    nested: Any = DAY
    for _ in range(90):
        nested = (nested,)
    codec = Codec()
    text = codec.encode(nested)
    with pytest.raises(PayloadError, match="too deeply"):
        at_the_bottom(lambda: codec.encode(nested))
    with pytest.raises(PayloadError, match="too deeply"):
        at_the_bottom(lambda: codec.decode(text))


def test_many_threads_may_meet_a_hint_first() -> None:
    for _ in range(20):
        codec, ready = Codec(), threading.Barrier(4)

        def use(codec: Codec = codec, ready: threading.Barrier = ready) -> Any:
            ready.wait()
            value = {"a": Pair(DAY, [DAY], {}), "b": Lazy(1)}
            codec.learn(Pair[date], Lazy, Movie)
            return codec.decode(codec.encode(value)) == value

        with ThreadPoolExecutor(4) as pool:
            found = [each.result() for each in [pool.submit(use) for _ in range(4)]]
        assert all(found)
