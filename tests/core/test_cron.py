"""Cron expressions: which time comes next, through month ends, leap years and changes of the clocks."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import cron
from holdfast.core.cron import check_expression, next_time, zone_of
from holdfast.errors import ConfigurationError, MissingExtra

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clocks change by half an hour
SANTIAGO = ZoneInfo("America/Santiago")  # its clocks change at midnight
ZONES = [ZoneInfo("UTC"), BERLIN, LORD_HOWE, SANTIAGO, ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Apia")]


def times(expression: str, after: str, count: int = 3, zone: ZoneInfo = BERLIN) -> list[str]:
    """The next times after a local one."""
    time = datetime.fromisoformat(after).replace(tzinfo=zone)
    found = []
    for _ in range(count):
        following = next_time(expression, zone, time)
        assert following is not None
        time = following
        found.append(time.isoformat())
    return found


def test_the_next_time_is_later_than_the_given_one() -> None:
    assert times("0 9 * * *", "2026-03-02T09:00", 1) == ["2026-03-03T09:00:00+01:00"]
    assert times("0 9 * * *", "2026-03-02T08:59:59.999999", 1) == ["2026-03-02T09:00:00+01:00"]


def test_seconds_come_first_in_six_fields() -> None:
    assert times("*/20 * * * * *", "2026-03-02T09:00:01") == [
        "2026-03-02T09:00:20+01:00",
        "2026-03-02T09:00:40+01:00",
        "2026-03-02T09:01:00+01:00",
    ]
    assert times("15 30 8 * * *", "2026-03-02T09:00", 1) == ["2026-03-03T08:30:15+01:00"]


def test_month_ends_and_leap_years() -> None:
    assert times("0 0 31 * *", "2026-03-01T00:00") == [
        "2026-03-31T00:00:00+02:00",
        "2026-05-31T00:00:00+02:00",
        "2026-07-31T00:00:00+02:00",
    ]
    assert times("0 12 L * *", "2028-01-15T00:00", 2) == ["2028-01-31T12:00:00+01:00", "2028-02-29T12:00:00+01:00"]
    assert times("0 0 29 2 *", "2026-01-01T00:00", 2) == ["2028-02-29T00:00:00+01:00", "2032-02-29T00:00:00+01:00"]
    # 2100 is no leap year.
    assert times("0 0 29 2 *", "2096-03-01T00:00", 1) == ["2104-02-29T00:00:00+01:00"]


def test_the_same_time_of_day_is_another_instant_in_another_zone() -> None:
    assert times("0 9 * * 1-5", "2026-03-06T12:00", 1) == ["2026-03-09T09:00:00+01:00"]
    assert times("0 9 * * 1-5", "2026-03-06T12:00", 1, ZoneInfo("Asia/Kolkata")) == ["2026-03-09T09:00:00+05:30"]


# When clocks are put forward, at 2:00 on 2026-03-29 in Berlin


def test_a_time_of_day_that_is_skipped_comes_when_the_clocks_have_changed() -> None:
    assert times("30 2 * * *", "2026-03-28T12:00", 2) == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    assert times("15 30 2 * * *", "2026-03-28T12:00", 2) == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:15+02:00"]
    assert times("15 2 * * *", "2026-10-03T12:00", 2, LORD_HOWE) == [
        "2026-10-04T02:30:00+11:00",
        "2026-10-05T02:15:00+11:00",
    ]
    assert times("0 0 * * *", "2026-09-05T12:00", 2, SANTIAGO) == [
        "2026-09-06T01:00:00-03:00",
        "2026-09-07T00:00:00-03:00",
    ]


def test_several_skipped_times_of_day_come_once_together() -> None:
    assert times("0,30 2,3 * * *", "2026-03-29T00:00", 3) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:30:00+02:00",
        "2026-03-30T02:00:00+02:00",
    ]


def test_a_day_that_a_country_skips_has_its_time_when_it_is_over() -> None:
    # Samoa had no 2011-12-30.
    assert times("0 9 30 12 *", "2011-12-01T00:00", 2, ZoneInfo("Pacific/Apia")) == [
        "2011-12-31T00:00:00+14:00",
        "2012-12-30T09:00:00+14:00",
    ]


def test_a_pace_leaves_out_the_skipped_hour() -> None:
    assert times("30 * * * *", "2026-03-29T01:00", 2) == ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]


# When clocks are put back, at 3:00 on 2026-10-25 in Berlin


def test_a_time_of_day_that_comes_twice_counts_the_first_time() -> None:
    for expression in ("30 2 * * *", "0 30 2 * * *"):
        assert times(expression, "2026-10-24T12:00", 2) == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


def test_a_pace_goes_on_through_the_hour_that_comes_twice() -> None:
    assert times("30 * * * *", "2026-10-25T02:00", 3) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ]
    assert times("*/30 1 * * *", "2026-04-05T00:50", 4, LORD_HOWE) == [
        "2026-04-05T01:00:00+11:00",
        "2026-04-05T01:30:00+11:00",
        "2026-04-05T01:30:00+10:30",
        "2026-04-06T01:00:00+10:30",
    ]


def test_a_start_within_the_second_pass_does_not_go_back_to_the_first() -> None:
    second = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1)
    found = next_time("30 2 * * *", BERLIN, second)
    assert found is not None
    assert found.isoformat() == "2026-10-26T02:30:00+01:00"


# In general

fields = st.tuples(
    st.sampled_from(["", "*", "0", "30", "*/15"]),
    st.sampled_from(["*", "0", "30", "*/7", "0,15,45", "59"]),
    st.sampled_from(["*", "0", "1", "2", "3", "*/2", "0-3", "23"]),
    st.sampled_from(["*", "1", "29", "31", "L", "*/5"]),
    st.sampled_from(["*", "2", "3,4", "9-11", "12"]),
    st.sampled_from(["*", "0", "1-5", "7", "1#1", "5L"]),
).map(lambda parts: " ".join(parts).strip())
instants = st.datetimes(datetime(2011, 1, 1), datetime(2040, 1, 1)).map(lambda time: time.replace(tzinfo=UTC))  # noqa: DTZ001 - hypothesis takes limits without a zone


@given(fields, st.sampled_from(ZONES), instants)
def test_next_times_strictly_increase_and_do_not_depend_on_where_one_asks(
    expression: str, zone: ZoneInfo, after: datetime
) -> None:
    try:
        check_expression(expression)
    except ConfigurationError:
        return
    first = next_time(expression, zone, after)
    if first is None:
        return
    assert first > after
    assert first.microsecond == 0
    between = after + (first - after) / 2
    assert next_time(expression, zone, between) == first
    second = next_time(expression, zone, first)
    assert second is None or second.astimezone(UTC) > first.astimezone(UTC)


@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from(ZONES), instants)
def test_a_time_of_day_comes_once_each_day(hour: int, minute: int, zone: ZoneInfo, after: datetime) -> None:
    days = []
    time: datetime | None = after
    for _ in range(5):
        assert time is not None
        time = next_time(f"{minute} {hour} * * *", zone, time)
        assert time is not None
        days.append(time.date())
        if zone.key != "Pacific/Apia":  # which left out a whole day
            shown = timedelta(hours=time.hour, minutes=time.minute) - timedelta(hours=hour, minutes=minute)
            assert timedelta(0) <= shown <= timedelta(hours=1)
    assert days == sorted(set(days))


# What is refused


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "* 25 * * *", "x * * * *", "0 0 30 2 *", "@daily"])
def test_what_can_not_be_read_is_refused(expression: str) -> None:
    with pytest.raises(ConfigurationError, match="cron expression"):
        check_expression(expression)


def test_an_expression_without_any_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="50 years"):
        check_expression("* * */20 * 1L")


def test_spaces_do_not_count() -> None:
    assert check_expression("  0  9 * * *\t") == "0 9 * * *"


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", "", "Europe"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="time zone"):
        zone_of(name)


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    cron._library.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r"holdfast\[schedules\]"):
            check_expression("0 9 * * *")
    finally:
        cron._library.cache_clear()
