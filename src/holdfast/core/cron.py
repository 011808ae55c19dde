"""Cron expressions: the next time after a given one, in a time zone, through changes of the clocks.

`cronsim` reads the fields; what happens when clocks change is decided here, the way Debian's cron decides it and with
or without a field for seconds:

    minute and hour named     a time of day: `30 2 * * *`. In the night that skips it, it comes when the clocks have
                              changed; in the night that has it twice, at the first of the two
    either begins with `*`    a pace: `*/20 * * * *`. It goes on as time passes: a skipped hour has no ticks, an hour
                              that comes twice has them twice
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cronsim import CronSim

_SECOND = timedelta(seconds=1)
_START = datetime(2000, 1, 1)  # noqa: DTZ001 - where a check of the fields begins; no time of anybody's
_FIELDS = (5, 6)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone. Raises `ConfigurationError` for a name that this machine does not know."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"the time zone {name!r} is not known here: use a name as 'Europe/Berlin', and where the system has no "
            "time zones, pip install tzdata"
        ) from error


def check_expression(expression: str) -> str:
    """Return an expression of five fields, or of six with seconds first, with single spaces.

    Raises `ConfigurationError` for one that can't be read or has no time in the next 50 years; `MissingExtra`.
    """
    fields = expression.split()
    if len(fields) not in _FIELDS:
        raise ConfigurationError(
            f"the cron expression {expression!r} has {len(fields)} fields: write minute, hour, day of the month, month "
            "and day of the week, with the second before them if it matters"
        )
    if next(iter(_times(" ".join(fields), _START)), None) is None:
        raise ConfigurationError(f"the cron expression {expression!r} has no time in the next 50 years")
    return " ".join(fields)


def next_time(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first time later than `after`, in the zone; None if there is none within 50 years.

    `after` has a time zone. The answer has whole seconds. Raises `ConfigurationError`, `MissingExtra`.
    """
    local = after.astimezone(zone)
    if not _is_time_of_day(expression):
        # In UTC no time comes twice, so that the comparison is one of instants.
        found = (time.astimezone(UTC) for time in _times(expression, local))
    else:
        found = (_instant(time, zone) for time in _times(expression, local.replace(tzinfo=None, fold=0)))
    limit = after.astimezone(UTC)
    time = next((time for time in found if time > limit), None)
    return None if time is None else time.astimezone(zone)


def _is_time_of_day(expression: str) -> bool:
    minute, hour = expression.split()[-5:-3]
    return not (minute.startswith("*") or hour.startswith("*"))


def _instant(time: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clock on the wall shows a time first, or would have, had it not been put forward."""
    time = time.replace(tzinfo=zone)
    instant = time.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == time.replace(tzinfo=None):
        return instant
    # The offsets before and after the change give an instant on either side of it.
    low, high = time.replace(fold=1).astimezone(UTC), instant
    offset = high.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high


def _times(expression: str, after: datetime) -> CronSim:
    cronsim, error_type = _library()
    try:
        return cronsim(expression, after)
    except error_type as error:
        raise ConfigurationError(f"the cron expression {expression!r} can't be read: {error}") from None


@functools.cache
def _library() -> tuple[Callable[[str, datetime], CronSim], type[Exception]]:
    try:
        from cronsim import CronSim, CronSimError
    except ModuleNotFoundError:
        raise MissingExtra("a cron expression", "schedules") from None
    return CronSim, CronSimError
