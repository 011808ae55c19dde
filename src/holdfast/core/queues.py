"""Queues as they are declared and as they stand: named lines of workflows with limits."""

from __future__ import annotations

from dataclasses import KW_ONLY
from datetime import timedelta

from holdfast.core.data import strict_dataclass
from holdfast.core.identity import check_text
from holdfast.errors import ConfigurationError


@strict_dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` starts in any window of `period` seconds."""

    limit: int
    period: float | timedelta

    def __post_init__(self) -> None:
        if isinstance(self.period, timedelta):
            object.__setattr__(self, "period", self.period.total_seconds())
        _check_count("the limit of a Rate", self.limit)
        if not 0 < self.seconds < float("inf"):
            raise ConfigurationError(f"the period of a Rate must be more than 0 seconds, not {self.period!r}")

    @property
    def seconds(self) -> float:
        """The period in seconds."""
        return float(self.period)  # type: ignore[arg-type]  # made a number above


@strict_dataclass(frozen=True, slots=True)
class Queue:
    """A named line in which workflows wait until its limits let them start. A limit left None does not limit.

    All limits hold at once, across all workers, and through crashes. Raises `ConfigurationError` for a bad limit.
    """

    name: str
    _: KW_ONLY
    concurrency: int | None = None
    """How many of its workflows run at once, over all workers."""
    worker_concurrency: int | None = None
    """How many of its workflows run at once in one worker."""
    rate: Rate | None = None
    """How many of its workflows may start within a period. One that goes on after a wait or a crash is no start."""
    partition_concurrency: int | None = None
    """How many run at once of those that were started with the same `partition`."""
    partition_rate: Rate | None = None
    """How many of those that were started with the same `partition` may start within a period."""
    hold_while_suspended: bool = False
    """Let a workflow that waits out of memory keep its place among those that `concurrency` counts."""

    def __post_init__(self) -> None:
        check_text("a queue's name", self.name)
        for field in ("concurrency", "worker_concurrency", "partition_concurrency"):
            value = getattr(self, field)
            if value is not None:
                _check_count(f"{field} of queue {self.name!r}", value)
        for field in ("rate", "partition_rate"):
            if not isinstance(getattr(self, field), Rate | None):
                raise ConfigurationError(f"{field} of queue {self.name!r} must be a Rate(limit, period)")

    @property
    def is_limited(self) -> bool:
        """Tell whether a workflow that ends may let another one start."""
        limits = (self.concurrency, self.worker_concurrency, self.partition_concurrency)
        return any(limit is not None for limit in limits)


@strict_dataclass(frozen=True, kw_only=True, slots=True)
class QueueState:
    """A queue as it stands in the database."""

    queue: Queue
    """Its limits, which may have been changed since it was declared."""
    paused: bool
    depth: int
    """How many wait for their first start, delayed ones included."""
    delayed: int
    """How many of these wait for their time."""
    running: int
    suspended: int
    oldest_age: float | None
    """Seconds for which the oldest that may start has waited; None if none waits."""


def _check_count(what: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{what} must be a whole number of at least 1, not {value!r}")
