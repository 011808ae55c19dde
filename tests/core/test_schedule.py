"""Which ticks are due and which were missed, intervals, ids and jitter."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.schedule import (
    MOST_AT_ONCE,
    MOST_COUNTED,
    Due,
    Timing,
    check_schedule_name,
    due,
    jitter_of,
    tick_id,
)
from holdfast.errors import ConfigurationError, UsageError

HOUR = 3600
timings = st.one_of(
    st.builds(lambda every, offset: Timing(every=every, offset=offset % every), st.integers(1, 10**6), st.integers(0)),
    st.sampled_from(["* * * * *", "0 9 * * *", "*/10 * * * * *", "30 2 * * 0"]).map(
        lambda cron: Timing(cron=cron, timezone="Europe/Berlin")
    ),
)
instants = st.floats(1.7e9, 1.9e9)


def test_intervals_count_from_1970_so_that_all_workers_agree() -> None:
    assert Timing(every=HOUR).next_after(1_800_000_000.5) == 1_800_000_000 + HOUR
    assert Timing(every=HOUR).next_after(1_800_000_000 - 1) == 1_800_000_000
    assert Timing(every=HOUR).next_after(1_800_000_000) == 1_800_000_000 + HOUR
    assert Timing(every=HOUR, offset=600).next_after(1_800_000_000) == 1_800_000_600


@given(timings)
def test_a_timing_comes_back_from_what_the_database_keeps(timing: Timing) -> None:
    assert Timing.from_spec(timing.spec, timing.timezone) == timing


@given(timings, instants)
def test_ticks_strictly_increase_and_are_whole_seconds(timing: Timing, start: float) -> None:
    ticks = [start]
    for _ in range(4):
        following = timing.next_after(ticks[-1])
        assert following is not None
        assert following > ticks[-1]
        assert following == int(following)
        ticks.append(following)
    assert list(timing.ticks(ticks[1], ticks[4])) == ticks[1:4]


@given(timings, instants, st.floats(0, 10**7), st.floats(1, 10**6))
def test_every_tick_is_started_or_missed_and_none_is_early(
    timing: Timing, start: float, late: float, catchup: float
) -> None:
    next_at = timing.next_after(start)
    assert next_at is not None
    now = next_at + late
    come = due(timing, next_at, now, catchup)
    assert all(now - catchup <= at <= now for at in come.ticks)
    assert come.next_at is not None
    assert come.next_at > now or len(come.ticks) == MOST_AT_ONCE
    if come.missed < MOST_COUNTED and timing.every is not None:
        assert come.count == (come.next_at - next_at) / timing.every
    if not come.missed and come.ticks:
        assert come.ticks[0] == next_at


def test_what_is_not_yet_due_stays_next() -> None:
    assert due(Timing(every=HOUR), 7200.0, 7199.9, 60) == Due(ticks=(), missed=0, next_at=7200.0)


def test_ticks_older_than_the_window_are_missed_and_counted() -> None:
    for timing in (Timing(every=HOUR), Timing(cron="0 * * * *")):
        come = due(timing, 0.0, 10 * HOUR + 5.0, HOUR)
        assert come == Due(ticks=(10.0 * HOUR,), missed=10, next_at=11.0 * HOUR)
        come = due(timing, 0.0, 10 * HOUR + 5.0, 3 * HOUR)
        assert come == Due(ticks=(8.0 * HOUR, 9.0 * HOUR, 10.0 * HOUR), missed=8, next_at=11.0 * HOUR)


def test_a_tick_at_the_windows_very_edge_is_started() -> None:
    for timing in (Timing(every=60), Timing(cron="* * * * *")):
        assert due(timing, 0.0, 60.0, 60).ticks == (0.0, 60.0)
        assert due(timing, 0.0, 60.5, 60).missed == 1


def test_a_long_absence_costs_a_bounded_effort() -> None:
    come = due(Timing(cron="* * * * * *"), 0.0, 10**6, 60)
    assert come.missed == MOST_COUNTED
    assert come.ticks == tuple(10.0**6 - 60 + n for n in range(61))
    assert due(Timing(every=1), 0.0, 10**6, 60).missed == 10**6 - 60


def test_many_ticks_are_started_in_parts() -> None:
    come = due(Timing(every=1), 0.0, 1000.0, HOUR)
    assert len(come.ticks) == MOST_AT_ONCE
    assert come.next_at == MOST_AT_ONCE


def test_a_ticks_id_tells_the_schedule_and_the_time() -> None:
    assert tick_id("daily report", 1_800_000_000.0) == "daily report@2027-01-15T08:00:00Z"


@given(st.text(), st.integers(0, 4 * 10**9), st.floats(0, 10**6))
def test_jitter_is_the_same_for_everybody_and_within_its_bounds(name: str, at: int, jitter: float) -> None:
    found = jitter_of(name.encode("ascii", "ignore").decode(), at, jitter)
    assert 0 <= found <= jitter
    assert found == jitter_of(name.encode("ascii", "ignore").decode(), at, jitter)


def test_jitter_spreads() -> None:
    spread = [jitter_of("report", at, 100) for at in range(1000)]
    assert min(spread) < 5
    assert max(spread) > 95
    assert 45 < math.fsum(spread) / 1000 < 55


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "either a cron expression or every"),
        ({"cron": "* * * * *", "every": 5}, "either a cron expression or every"),
        ({"every": 0}, "at least a second"),
        ({"every": 1.5}, "whole seconds"),
        ({"every": 60, "offset": 0.5}, "whole seconds"),
        ({"cron": "* * * * *", "offset": 5}, "belongs to every="),
        ({"every": 60, "timezone": "Nowhere"}, "time zone"),
    ],
)
def test_a_timing_that_makes_no_sense_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Timing.checked(**{"cron": None, "every": None, "offset": 0, "timezone": "UTC", **given})


def test_a_name_must_leave_room_for_the_time() -> None:
    assert check_schedule_name("daily report") == "daily report"
    for name in ("x" * 495, "a/b"):
        with pytest.raises(ConfigurationError):
            check_schedule_name(name)
    with pytest.raises(UsageError):
        check_schedule_name("")
