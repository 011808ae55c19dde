"""Schedules: when their ticks are, which of them are due and which were missed, and what a tick's workflow is called.

Nothing here reads a clock: times come in as seconds since the epoch and go out as such. All ticks are whole seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b

from holdfast.core.cron import check_expression, next_time, zone_of
from holdfast.core.data import dataclass
from holdfast.core.identity import MAX_ID_LENGTH, check_name
from holdfast.errors import ConfigurationError

MOST_AT_ONCE = 100
"""Ticks that one write starts workflows for; a schedule that is further behind goes on with the next write."""
MOST_COUNTED = 10_000
"""Missed ticks that are counted one by one; beyond it a schedule is only known to have missed more."""
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_STAMP_LENGTH = len("@0000-00-00T00:00:00Z")


class Overlap(StrEnum):
    """What becomes of a tick whose schedule's latest workflow has not ended. One set aside counts as ended."""

    ALLOW = "allow"
    """Start another one beside it."""
    SKIP = "skip"
    """Leave the tick out, and count it."""
    BUFFER_ONE = "buffer_one"
    """Start it when the other one ends. One tick waits so; further ones are left out."""
    CANCEL_OTHER = "cancel_other"
    """Cancel the other one, and start when it has ended: its code may clean up."""
    TERMINATE_OTHER = "terminate_other"
    """End the other one at once, as cancelled, and start. Its code is not told: whatever it records from then on is
    refused, so it stops at its next durable operation."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What a scheduled workflow is started for; it gets it as its first argument if that is annotated with `Tick`."""

    schedule: str
    """The schedule's name."""
    at: datetime
    """The tick's own time, in the schedule's time zone; however late the workflow starts, and without its jitter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """When a schedule ticks: a cron expression in a time zone, or every so many seconds."""

    cron: str | None = None
    every: int | None = None
    """Seconds. Ticks are at multiples of it since 1970 in UTC, plus `offset`: all workers agree without a beginning."""
    offset: int = 0
    timezone: str = "UTC"

    @classmethod
    def checked(cls, *, cron: str | None, every: float | None, offset: float, timezone: str) -> Timing:
        """Build one from what a user wrote. Raises `ConfigurationError`, `MissingExtra`."""
        if (cron is None) == (every is None):
            raise ConfigurationError("a schedule has either a cron expression or every=…")
        zone_of(timezone)
        if cron is not None:
            if offset:
                raise ConfigurationError("offset= belongs to every=; a cron expression names its times itself")
            return cls(cron=check_expression(cron), timezone=timezone)
        interval = _whole("every", every or 0)
        if interval < 1:
            raise ConfigurationError(f"every= must be at least a second, not {every!r}")
        return cls(every=interval, offset=_whole("offset", offset) % interval, timezone=timezone)

    @classmethod
    def from_spec(cls, spec: str, timezone: str) -> Timing:
        """Read what `spec` wrote."""
        return cls(timezone=timezone, **json.loads(spec))

    @property
    def spec(self) -> str:
        """The JSON that a database keeps, beside the time zone."""
        return json.dumps({"cron": self.cron} if self.cron else {"every": self.every, "offset": self.offset})

    def next_after(self, after: float) -> float | None:
        """Return the first tick later than `after`; None if there is none within 50 years.

        Raises `ConfigurationError`, `MissingExtra` where this machine can't tell.
        """
        if self.every is not None:
            return float((math.floor(after - self.offset) // self.every + 1) * self.every + self.offset)
        found = next_time(self.cron or "", zone_of(self.timezone), datetime.fromtimestamp(after, UTC))
        return None if found is None else found.timestamp()

    def ticks(self, start: float, end: float) -> Iterator[float]:
        """Give the ticks from `start` on, before `end`."""
        at = self.next_after(math.ceil(start) - 1)
        while at is not None and at < end:
            yield at
            at = self.next_after(at)

    def local(self, at: float) -> datetime:
        """Return a tick's time in the schedule's time zone."""
        return datetime.fromtimestamp(at, zone_of(self.timezone))


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleRecord:
    """A schedule as it stands in the store. Times are seconds since the epoch, durations seconds."""

    name: str
    workflow: str
    """The name of the workflow that its ticks start."""
    timing: Timing
    arguments: str
    """The workflow's arguments as the codec made them; the tick in them stands for the one to come."""
    digest: str
    """Fingerprint of the arguments."""
    overlap: Overlap = Overlap.SKIP
    catchup: float = 60.0
    """A tick that could not be started within so many seconds is missed."""
    jitter: float = 0.0
    """A tick's workflow starts so many seconds later at most, by a hash of the tick."""
    queue: str | None = None
    priority: int = 0
    declared: bool = False
    """By the decorator `@schedule`."""
    paused: bool = False
    revision: str = ""
    """Names the request that wrote this definition."""
    next_at: float | None = None
    """The next tick; None: it has no more."""
    last_at: float | None = None
    """The last tick that was dealt with, whatever became of it."""
    current_id: str | None = None
    """The latest workflow that was started."""
    held_id: str | None = None
    """A workflow that waits for the current one to end."""
    tick_id: str | None = None
    """Names the request that dealt with the last tick."""
    started: int = 0
    """Ticks that started a workflow, or hold one."""
    skipped: int = 0
    """Ticks left out by the overlap policy."""
    missed: int = 0
    """Ticks left out because nobody started them within the catch-up window."""
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def definition(self) -> tuple[object, ...]:
        """All that a declaration says; two that are equal here are the same."""
        return (
            self.workflow, self.timing, self.digest, self.overlap, self.catchup, self.jitter, self.queue, self.priority
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """What a schedule's clock has come to."""

    ticks: tuple[float, ...]
    """To be started, oldest first."""
    missed: int
    next_at: float | None
    """The tick after those."""

    @property
    def count(self) -> int:
        """How many ticks it goes past."""
        return len(self.ticks) + self.missed


def due(timing: Timing, next_at: float, now: float, catchup: float) -> Due:
    """Tell which ticks are due at `now`, from the one at `next_at` on, and which are older than the catch-up window."""
    at, missed = _past_missed(timing, next_at, now - catchup)
    ticks: list[float] = []
    while at is not None and at <= now and len(ticks) < MOST_AT_ONCE:
        ticks.append(at)
        at = timing.next_after(at)
    return Due(ticks=tuple(ticks), missed=missed, next_at=at)


def _past_missed(timing: Timing, next_at: float, oldest: float) -> tuple[float | None, int]:
    """Return the first tick that is not older than `oldest`, and how many are."""
    if timing.every is not None and next_at < oldest:
        missed = math.ceil((oldest - next_at) / timing.every)
        return next_at + missed * timing.every, missed
    at: float | None = next_at
    missed = 0
    while at is not None and at < oldest:
        missed += 1
        at = timing.next_after(at if missed < MOST_COUNTED else math.ceil(oldest) - 1)
    return at, missed


def tick_id(schedule: str, at: float) -> str:
    """Return the id of a tick's workflow, the same for every worker: `<schedule>@2026-03-01T08:00:00Z`."""
    return f"{schedule}@{datetime.fromtimestamp(at, UTC).strftime(_STAMP)}"


def jitter_of(schedule: str, at: float, jitter: float) -> float:
    """Return how many seconds later a tick's workflow starts, from 0 to `jitter`, the same for every worker."""
    digest = blake2b(tick_id(schedule, at).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 * jitter


def check_schedule_name(name: str) -> str:
    """Return a schedule's name. Raises `UsageError`, `ConfigurationError`."""
    check_name("a schedule", name)
    if len(name) > MAX_ID_LENGTH - _STAMP_LENGTH:
        raise ConfigurationError(
            f"a schedule's name has at most {MAX_ID_LENGTH - _STAMP_LENGTH} characters, its workflows' ids add the "
            f"time: {name[:60]!r}…"
        )
    return name


def _whole(what: str, seconds: float) -> int:
    if seconds != int(seconds):
        raise ConfigurationError(f"{what}= must be whole seconds, not {seconds!r}")
    return int(seconds)
