"""What the engine can write about queues. What a store owes for each is said here, as in `store.writes`."""

from __future__ import annotations

from holdfast.core.data import dataclass
from holdfast.core.model import NewWorkflow
from holdfast.core.queues import Queue


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclareQueue:
    """Make a queue known with these limits. Result: None.

    Limits that were changed since stay as they are, unless the declaration is another than the one before. Whether it
    is paused stays as it is.
    """

    queue: Queue


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeQueue:
    """Set a queue's limits from now on. Workers are told. Result: bool, whether there is such a queue."""

    queue: Queue


@dataclass(frozen=True, kw_only=True, slots=True)
class PauseQueue:
    """Let no workflow start from a queue any more, or again; what has begun goes on. Result: as of `ChangeQueue`."""

    name: str
    paused: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateKeyed:
    """Create a workflow in a queue, unless a live one was created there with the same key. Result: `Created`.

    `existing` is the live one then, which has another id. Live is what has no outcome yet. With `until`, live is only
    what still waits for its time: its input is replaced by the new one, and its time by the new one's `wake_at`, but
    not beyond the `until` it was created with.
    """

    workflow: NewWorkflow
    key: str
    until: float | None = None
