"""How long an accused workflow has its process to itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from holdfast.runtime.solitude import GROWTH, Solitude


@dataclass
class Accused:
    crashes: int = 3
    is_suspected: bool = True
    durable: bool = True

    def is_durable(self) -> bool:
        return self.durable


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def solitude(clock: Clock) -> Solitude:
    return Solitude(clock, seconds=30, accused_from=3)


def begin(solitude: Solitude, **fields: Any) -> Any:
    accused: Any = Accused(**fields)
    solitude.begin(accused)
    return accused


def is_on_at(solitude: Solitude, clock: Clock, now: float) -> bool:
    clock.now = now
    return solitude.is_on


def test_nobody_is_alone_at_first(solitude: Solitude) -> None:
    assert not solitude.is_on


def test_it_is_reserved_until_it_is_released(solitude: Solitude) -> None:
    solitude.reserve()
    assert solitude.is_on
    solitude.release()
    assert not solitude.is_on


def test_it_goes_on_when_what_was_reserved_has_begun(solitude: Solitude) -> None:
    solitude.reserve()
    begin(solitude)
    solitude.release()
    assert solitude.is_on


def test_it_ends_when_the_accused_leaves_memory_and_nobody_else_does(solitude: Solitude) -> None:
    accused = begin(solitude)
    another: Any = Accused()
    solitude.left(another)
    assert solitude.is_on
    solitude.left(accused)
    assert not solitude.is_on


def test_it_ends_when_an_outcome_of_the_accused_is_durable(solitude: Solitude) -> None:
    accused = begin(solitude, durable=False)
    accused.is_suspected = False
    assert solitude.is_on
    accused.durable = True
    assert not solitude.is_on


def test_it_ends_after_a_while_and_does_not_begin_again(solitude: Solitude, clock: Clock) -> None:
    begin(solitude)
    assert [is_on_at(solitude, clock, now) for now in (29.9, 30.0, 29.9)] == [True, False, False]


def test_each_death_that_left_a_doubt_gives_more_time(solitude: Solitude, clock: Clock) -> None:
    begin(solitude, crashes=5)
    assert is_on_at(solitude, clock, 30.0 * GROWTH**2 - 0.1)
    assert not is_on_at(solitude, clock, 30.0 * GROWTH**2)
