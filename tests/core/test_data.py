from __future__ import annotations

from dataclasses import FrozenInstanceError, field, fields, replace

import pytest

from holdfast.core.data import dataclass, strict_dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    x: int
    y: int = 0
    names: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    x: int
    y: int = 0
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Counter:
    count: int


@strict_dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    most: int


def test_records_are_equal_by_class_and_fields() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert Point(x=1) != Point(x=2)
    other: object = Place(x=1)
    assert Point(x=1) != other
    assert len({Point(x=1), Point(x=1), Point(x=2)}) == 2


def test_what_can_change_has_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(Counter(1))


def test_a_record_shows_its_fields() -> None:
    assert repr(Point(x=1, names=("a",))) == "Point(x=1, y=0, names=('a',))"


def test_the_standard_librarys_functions_take_records() -> None:
    assert replace(Point(x=1), y=2) == Point(x=1, y=2)
    assert [each.name for each in fields(Point)] == ["x", "y", "names"]
    with pytest.raises(TypeError):
        Point(x=1, z=2)  # type: ignore[call-arg]  # wrong on purpose


def test_what_users_build_refuses_assignments() -> None:
    limit = Limit(most=1)
    with pytest.raises(FrozenInstanceError):
        limit.most = 2  # type: ignore[misc]  # wrong on purpose
    assert limit == Limit(most=1)
    assert {limit: 1}[Limit(most=1)] == 1
    assert repr(limit) == "Limit(most=1)"
