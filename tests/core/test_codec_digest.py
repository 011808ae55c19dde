"""Fingerprints: equal for equal arguments in every process, different for different ones, and never an error."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import pydantic
import pytest

from holdfast.core.codec import Codec
from tests.helpers import run_script


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Line:
    name: str
    more: Any = None


class Model(pydantic.BaseModel):
    name: str
    more: Any = None


class Hostile:
    @property  # type: ignore[misc]  # hostile on purpose
    def __class__(self) -> Any:
        raise KeyError

    def __repr__(self) -> str:
        raise KeyError

    __str__ = __hash__ = __eq__ = __iter__ = __repr__  # type: ignore[assignment]  # hostile on purpose


def cycle() -> list[Any]:
    value: list[Any] = [1]
    value += [value, value, {"again": value}]
    return value


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


DIFFERENT: list[Any] = [
    None, 0, 1, "1", 1.5, "", [], {}, [1, 2], [2, 1], {"a": 1}, {"a": 2}, {1: "a"}, {(1, 2): "a"}, {1: "a", "b": 2},
    b"1", date(2024, 1, 1), Decimal("1.0"), {1, 2, 3}, {1, 2}, {"a", "b"}, Colour.RED, Colour.BLUE, Line("a"),
    Line("b"), Line("a", {1, 2}), Line("a", [Line("c")]), Model(name="a"), Model(name="b"), Model(name="a", more={1}),
    10**5000, "\ud800", float("nan"), len, max, int, object(), threading.Lock(),
]  # fmt: skip


def test_different_arguments_have_different_fingerprints() -> None:
    codec = Codec()
    digests = [codec.digest((each,), {}) for each in DIFFERENT]
    assert len(set(digests)) == len(DIFFERENT)
    assert all(len(each) == 16 for each in digests)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1: 1, "b": 2}, {"b": 2, 1: 1}),
        ({"x", "y", "z"}, {"z", "y", "x"}),
        ({"deep": [{"b": {1, 2}, "a": 0}]}, {"deep": [{"a": 0, "b": {2, 1}}]}),
        (Line("a", {"x": 1, "y": 2}), Line("a", {"y": 2, "x": 1})),
        (object(), object()),
    ],
)
def test_equal_arguments_have_equal_fingerprints(left: Any, right: Any) -> None:
    assert Codec().digest((left,), {}) == Codec().digest((right,), {})


def test_a_fingerprint_does_not_depend_on_what_is_registered() -> None:
    knows = Codec()
    knows.register(Line, name="line")
    assert knows.digest(Line("a")) == Codec().digest(Line("a"))


ANYTHING: list[Callable[[], Any]] = [
    cycle, lambda: deep(5000), Hostile, lambda: [Hostile()], lambda: {1: cycle()}, lambda: Line("a", cycle()),
    lambda: {Line: Hostile()}, lambda: [{2**70000, "x"}], lambda: {"x": {1: deep(99), "y": Hostile()}},
]  # fmt: skip


@pytest.mark.parametrize("make", ANYTHING, ids=range(len(ANYTHING)))
def test_a_fingerprint_can_be_taken_of_anything(make: Callable[[], Any]) -> None:
    assert Codec().digest((make(),), {"k": make()}) == Codec().digest((make(),), {"k": make()})


PROGRAM = """
import dataclasses, uuid
from datetime import date
from decimal import Decimal
from enum import Enum
from holdfast.core.codec import Codec

class Colour(Enum):
    RED = "red"

@dataclasses.dataclass(frozen=True)
class Line:
    name: str
    tags: frozenset = frozenset({"a", "b", "c"})

codec = Codec()
codec.learn(Line)
value = {"set": {"a", "b", "c", date(2024, 1, 1), Decimal(1), None}, "line": Line("x"), "colour": Colour.RED, 1: print,
         "object": object(), "frozen": frozenset({("a", 1), ("b", 2)}), "lines": {Line("x"), Line("y")}}
print(codec.digest((value,), {"k": {"x", "y"}}), codec.encode({key: value[key] for key in ("set", "lines", "frozen")}))
"""


def test_fingerprints_and_texts_are_the_same_in_every_process() -> None:
    said = {run_script(PROGRAM, env={"PYTHONHASHSEED": seed}) for seed in ("0", "1", "42", "1234")}
    assert len(said) == 1
