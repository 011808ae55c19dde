"""A value that its type hint does not describe is recorded as what it is, and never changes type."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.codec import Codec
from holdfast.errors import PayloadError

HINTS: tuple[Any, ...] = (
    int, float, str, bool, bytes, None, list[int], list[str], dict[str, int], dict[int, str],
    tuple[int, ...], tuple[int, str], set[int], int | str, int | None, float | bool, Any,
)  # fmt: skip

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
SURROGATES = st.text(st.characters(categories=["Cs", "Cc", "Lu", "So"]))
KEYS = st.booleans() | st.integers() | st.text() | SURROGATES | st.sampled_from(["$type", "value", "\x00", "__class__"])
VALUES = st.recursive(
    SCALARS | SURROGATES,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


def shape(value: object) -> object:
    """Return a value with the type of each of its parts: `1`, `True` and `1.0` are three."""
    if isinstance(value, dict):
        return dict, [(shape(key), shape(member)) for key, member in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [shape(member) for member in value]
    return type(value), repr(value)


@settings(max_examples=300, deadline=None)
@given(value=VALUES, hint=st.sampled_from(HINTS))
def test_whatever_the_hint_a_value_comes_back_equal_and_of_the_same_type(value: object, hint: Any) -> None:
    codec = Codec()
    assert shape(codec.decode(codec.encode(value, hint), hint)) == shape(value)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("ten", int),
        ("10", int),
        (True, int),
        (1, bool),
        (1, float),
        (1.0, int),
        (1, str),
        (None, int),
        ("1", int | None),
    ],
)
def test_what_a_caller_gives_against_a_hint_is_not_converted(value: object, hint: Any) -> None:
    codec = Codec()
    assert shape(codec.decode(codec.encode(value, hint), hint)) == shape(value)


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Table(dict[str, int]):
    pass


@dataclass
class Unknown:
    part: object


def cyclic() -> list[object]:
    members: list[object] = []
    members.append(members)
    return members


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [Text("a"), Whole(1), Table(a=1), Unknown(1), cyclic(), nested(500), object(), len])
@pytest.mark.parametrize("hint", [Any, int, str, list[int], dict[str, int]])
def test_what_would_not_come_back_is_refused_naming_the_place(value: object, hint: Any) -> None:
    with pytest.raises(PayloadError, match="deep"):
        Codec().encode({"deep": value}, dict[str, hint] if hint is not Any else Any)


@pytest.mark.parametrize(
    "value",
    [math.inf, -math.inf, -0.0, 10**5000, -(10**5000), 5e-324],
    ids=["inf", "-inf", "-0", "huge", "-huge", "tiny"],
)
def test_numbers_that_json_lacks_come_back(value: Any) -> None:
    codec = Codec()
    [found] = codec.decode(codec.encode([value]))
    assert found == value
    assert type(found) is type(value)
    if isinstance(value, float):
        assert math.copysign(1, found) == math.copysign(1, value)


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', "1e400", "[-1e400]", "NaN", "Infinity", '{"a": ', "", "[1,]", "'a'"]
)
def test_text_that_is_not_strict_json_is_refused(text: str) -> None:
    with pytest.raises(PayloadError):
        Codec().decode(text)
