"""Option objects: frozen, built once, passed whole. Durations are seconds or `timedelta`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict, get_args

from holdfast.core.data import dataclass, strict_dataclass
from holdfast.core.identity import check_text
from holdfast.core.retry import RetryPolicy
from holdfast.errors import ConfigurationError

Duration = float | int | timedelta
MAX_PRIORITY = 2**31 - 1

OnNewVersion = Literal["resume", "pin"]
"""What becomes of workflows recorded under another version of their code: resumed by the names of their steps, or kept
for workers that have that version."""


def check_on_new_version(value: object) -> None:
    """Check an option's value. Raises `ConfigurationError`."""
    if value not in get_args(OnNewVersion):
        raise ConfigurationError(f"on_new_version must be 'resume' or 'pin', not {value!r}")


def seconds(duration: Duration) -> float:
    """Convert a duration to seconds. Raises `ConfigurationError` if it is negative or not a number."""
    value = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if not value >= 0:
        raise ConfigurationError(f"a duration must not be negative or NaN: {duration!r}")
    return value


def point_in_time(when: datetime | float) -> float:
    """Convert a time to seconds since the epoch.

    Raises `ConfigurationError` if it is a datetime without a time zone, or not a number.
    """
    if isinstance(when, datetime):
        if when.utcoffset() is None:
            raise ConfigurationError(f"a deadline needs a time zone, such as datetime.now(UTC): {when!r}")
        return when.timestamp()
    value = float(when)
    if math.isnan(value):
        raise ConfigurationError("a deadline must be a datetime, or seconds since the epoch, not NaN")
    return value


@strict_dataclass(frozen=True, kw_only=True, slots=True)
class StepOptions:
    """How a step is named, retried and limited."""

    name: str | None = None
    """Default: the function's qualified name."""
    key: str | Callable[..., str] | None = None
    """An identity of its own, independent of order and branch: a text, or a function of the arguments."""
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float | None = None
    """Seconds for one attempt. Enforced for `async def`; a `def` can't be interrupted, its late result still counts."""
    at_most_once: bool = False
    """Never run the body a second time; an interrupted one raises `StepOutcomeUnknown`."""
    check: Callable[..., Any] | None = None
    """Called with the arguments when an at-most-once step was interrupted: finds out and returns its outcome, or
    raises."""
    undo: Callable[..., Any] | None = None
    """Called with the result and the arguments if the workflow fails or is cancelled later."""
    irreversible: bool = False
    """Undoing what came before it needs a person's word."""

    def __post_init__(self) -> None:
        if self.at_most_once and self.policy.retries:
            raise ConfigurationError("a step with at_most_once=True can't have retries")
        if self.check is not None and not self.at_most_once:
            raise ConfigurationError("check= belongs to a step with at_most_once=True")
        _check_undo(self.undo, irreversible=self.irreversible)


@dataclass(frozen=True, kw_only=True, slots=True)
class TransactionOptions:
    """How a transaction is named and run."""

    name: str | None = None
    database: str | None = None
    """A name from `Holdfast(databases=…)`; None is the store's own database."""
    isolation: str | None = None
    """`read committed`, `repeatable read` or `serializable`; None is the database's default."""
    conflict_retries: int = 20
    """Further tries after a serialization failure or deadlock."""
    undo: Callable[..., Any] | None = None
    """Called with the result and the arguments if the workflow fails or is cancelled later."""
    irreversible: bool = False
    """Undoing what came before it needs a person's word."""

    def __post_init__(self) -> None:
        _check_undo(self.undo, irreversible=self.irreversible)


def _check_undo(undo: object, *, irreversible: bool) -> None:
    if undo is not None and irreversible:
        raise ConfigurationError("what is irreversible=True can't have an undo= function")


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkflowOptions:
    """How a workflow is named and run."""

    name: str | None = None
    """Default: module and qualified name; it is stored, so it must stay what it is."""
    version: str | None = None
    """Default: a hash of the function's source."""
    on_new_version: OnNewVersion | None = None
    """Default: that of `Config`."""
    timeout: float | None = None
    """Seconds from its first execution after which it is cancelled, unless it is started with another timeout."""
    inherit_deadline: bool = True
    """As a child, it is cancelled at its parent's deadline, too."""
    suspend: bool = True
    """False: waits stay in memory, for frameworks that keep state of their own in mid-call."""

    def __post_init__(self) -> None:
        if self.version is not None:
            check_text("a workflow's version", self.version)
        if self.on_new_version is not None:
            check_on_new_version(self.on_new_version)


class StartFields(TypedDict, total=False):
    """The start options as a program gives them; `StartOptions` says what each means."""

    id: str | None
    timeout: Duration | None
    delay: Duration | None
    deadline: datetime | float | None
    """A point in time, with a time zone, or in seconds since the epoch."""
    inherit_deadline: bool | None
    queue: str | None
    priority: int
    partition: str | None
    dedup: str | None
    debounce: Duration | None
    debounce_max: Duration | None


@strict_dataclass(frozen=True, kw_only=True, slots=True)
class StartOptions:
    """How one workflow is started."""

    id: str | None = None
    """The workflow's id; the same id again is the same workflow. Default: a new unique one."""
    timeout: float | None = None
    """Seconds from its first execution after which it is cancelled. Default: the workflow's own; infinity: none."""
    delay: float | None = None
    """Seconds before it may start."""
    deadline_at: float | None = None
    """When it is cancelled, begun or not, in seconds since the epoch."""
    inherit_deadline: bool | None = None
    """Whether a child is cancelled at its parent's deadline, too. Default: what its decorator says."""
    queue: str | None = None
    """The queue in which it waits until the queue's limits let it start."""
    priority: int = 0
    """Smaller goes first, within its queue and partition."""
    partition: str | None = None
    """Whose turn it takes in the queue: a tenant, a customer. Partitions take turns; a queue may limit each."""
    dedup: str | None = None
    """A key: while a workflow with it has no outcome in this queue, starting another one gives that one's handle."""
    debounce: float | None = None
    """Seconds to wait for a later start with the same `dedup`, which replaces the input and begins the wait anew."""
    debounce_max: float | None = None
    """Seconds after which it starts at the latest, however often it was replaced. Default: ten times `debounce`."""

    def __post_init__(self) -> None:
        if self.queue is None:
            self._need_a_queue()
        else:
            check_text("a queue's name", self.queue)
        for name in ("partition", "dedup"):
            if getattr(self, name) is not None:
                check_text(f"{name}=", getattr(self, name))
        priority: object = self.priority
        if not isinstance(priority, int) or abs(priority) > MAX_PRIORITY:
            raise ConfigurationError(f"priority must be a whole number within ±{MAX_PRIORITY}, not {priority!r}")
        if self.debounce is None:
            if self.debounce_max is not None:
                raise ConfigurationError("debounce_max= belongs to debounce=")
        elif self.dedup is None or self.delay is not None:
            raise ConfigurationError("debounce= needs dedup=, the key that says what replaces what, and no delay=")

    @classmethod
    def of(cls, fields: StartFields) -> StartOptions:
        """Make start options of what a program gives. Raises `ConfigurationError`, `TypeError`."""
        values: dict[str, Any] = dict(fields)
        if unknown := values.keys() - StartFields.__annotations__.keys():
            raise TypeError(f"no start option is called {min(unknown)!r}: {', '.join(StartFields.__annotations__)}")
        for name in ("timeout", "delay", "debounce", "debounce_max"):
            if values.get(name) is not None:
                values[name] = seconds(values[name])
        deadline = values.pop("deadline", None)
        return cls(**values, deadline_at=None if deadline is None else point_in_time(deadline))

    def _need_a_queue(self) -> None:
        given = [name for name in ("partition", "dedup", "debounce") if getattr(self, name) is not None]
        given += ["priority"] if self.priority else []
        if given:
            raise ConfigurationError(f"{given[0]}= belongs to a workflow that is started with queue=")


@strict_dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """For how long workflows that have ended are kept; what is left None is kept for ever.

    A workflow is deleted with everything recorded for it but approvals, once it ended so long ago, unless its parent
    has no outcome yet or another workflow waits for it.
    """

    succeeded: Duration | None = None
    """Since it succeeded (seconds or `timedelta`)."""
    failed: Duration | None = None
    cancelled: Duration | None = None
    batch: int = 100
    """Workflows deleted in one commit."""
    pause: Duration = 0.1
    """Between such commits, for others to write in."""
    interval: Duration = 600.0
    """Between looks; of all workers with a policy, one looks at a time."""

    def __post_init__(self) -> None:
        if all(age is None for age in (self.succeeded, self.failed, self.cancelled)):
            raise ConfigurationError("a retention needs an age: Retention(succeeded=timedelta(days=30))")
        for name in ("succeeded", "failed", "cancelled", "pause", "interval"):
            if getattr(self, name) is not None:
                seconds(getattr(self, name))
        if seconds(self.interval) == 0 or self.batch < 1:
            raise ConfigurationError("a retention's interval and batch must be more than nothing")


@strict_dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How a Holdfast application runs. Durations in seconds."""

    suspend_after: float = 2.0
    """How long a workflow waits in memory before it is unwound."""
    max_threads: int = 32
    """Threads for workflows written as `def`."""
    max_running: int = 10_000
    """Workflows in memory at once; more stay enqueued in the database."""
    lease: float = 30.0
    """A worker that can't be asked whether it lives is taken for dead after so long without a heartbeat."""
    heartbeat: float = 1.0
    """Between heartbeats, which also look for dead workers; five times that while there are none, and nothing runs."""
    poll: float = 5.0
    """The safety net under the wake-ups: between looks at the database without a hint."""
    crash_limit: int = 3
    """A workflow that took its worker down so often, at last with nothing else running there, is set aside as dead."""
    shutdown_timeout: float = 10.0
    """How long `close()` lets running steps end."""
    max_payload: int = 16 * 1024 * 1024
    """Bytes of one recorded value."""
    on_new_version: OnNewVersion = "resume"
    """What becomes of workflows recorded under another version of their code, unless their decorator says it."""
    serves: tuple[str, ...] | None = None
    """The queues from which this worker takes workflows; None: all, (): none. Workflows without a queue it always
    takes."""

    @property
    def isolate_from(self) -> int:
        """From so many crashes on, one more of which would be too many, a workflow runs as its worker's one suspect."""
        return max(1, self.crash_limit - 1)

    def __post_init__(self) -> None:
        if self.lease < 3 * self.heartbeat:
            raise ConfigurationError(
                f"lease ({self.lease} s) must be at least three heartbeats ({self.heartbeat} s each), "
                "or healthy workers would be taken for dead"
            )
        check_on_new_version(self.on_new_version)
        if isinstance(self.serves, str):
            raise ConfigurationError(f"serves must be a tuple of queues' names: serves=({self.serves!r},)")
        for name in ("max_threads", "max_running", "crash_limit"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
