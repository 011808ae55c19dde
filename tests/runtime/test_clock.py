from __future__ import annotations

from holdfast.runtime.clock import DatabaseClock


class Elsewhere:
    """A database whose clock is read in the middle of a journey that takes two seconds each way."""

    def __init__(self) -> None:
        self.monotonic = 100.0

    @property
    def now(self) -> float:
        return 5000.0 + self.monotonic

    def read(self) -> float:
        self.monotonic += 2.0
        reading = self.now
        self.monotonic += 2.0
        return reading


def test_the_estimate_is_never_ahead_of_the_database_nor_is_the_latest_behind_it() -> None:
    database = Elsewhere()
    clock = DatabaseClock(database.read, monotonic=lambda: database.monotonic)
    clock.synchronise()
    assert database.now - 2.0 == clock.now()
    assert database.now + 2.0 == clock.latest()
    database.monotonic += 50.0
    assert clock.now() <= database.now <= clock.latest()


def test_a_duration_measured_from_the_latest_time_is_never_short() -> None:
    database = Elsewhere()
    clock = DatabaseClock(database.read, monotonic=lambda: database.monotonic)
    clock.synchronise()
    began = database.now
    deadline = clock.latest() + 10.0
    while clock.now() < deadline:
        database.monotonic += 0.5
    assert database.now - began >= 10.0
