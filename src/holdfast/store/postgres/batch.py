"""What one transaction has learnt and done so far, and which units may stand.

The database is authoritative: fences and creations noted here were read by this very transaction, under its locks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any

from holdfast.core.data import dataclass
from holdfast.core.model import NewWorkflow, Status, WorkflowRecord
from holdfast.store import rows
from holdfast.store.postgres.bulk import Part, first_epoch
from holdfast.store.postgres.pipeline import Pipeline, Rows, Statements
from holdfast.store.postgres.sql import text_array
from holdfast.store.writes import Created, Finish, Release, SetAside, Suspend

Read = Callable[[], Any]
"""Reads a write's result, once its statements were sent."""


@dataclass(frozen=True, slots=True)
class Held:
    """A workflow's row as it was when this transaction locked it."""

    status: Status
    epoch: int
    owner: str | None = None
    crashes: int = 0
    cancel_at: float | None = None
    is_limited: bool | None = None
    """It runs in a queue that may let another one in when it ends."""


@dataclass(slots=True)
class Batch:
    """One transaction under way."""

    pipeline: Pipeline
    statements: Statements
    clock_now: float | None
    """The time by a test's clock; None: the database's own clock counts."""
    now: float = 0.0
    """The time after the locks were taken, where writes need it."""
    held: dict[str, Held] = field(default_factory=dict)
    made: set[tuple[str, str]] = field(default_factory=set)
    """(id, request_id) of the workflows that this transaction created."""
    existing: dict[str, WorkflowRecord] = field(default_factory=dict)
    workers: dict[str, bool] = field(default_factory=dict)
    """Whether the workers that this transaction locked are alive."""
    doomed: set[str] = field(default_factory=set)
    """The workers to be taken over that are alive."""
    news: set[str] = field(default_factory=set)
    ready: bool = False
    woken: set[str] = field(default_factory=set)
    """The suspended workflows that this transaction enqueued."""
    strays: set[str] = field(default_factory=set)
    """What workers that are declared dead had created for themselves, and is enqueued now."""
    wakes: set[tuple[str, str, str]] = field(default_factory=set)
    """(target, kind, name) that may have come for somebody who waits."""

    def run(self, query: str, /, **parameters: Any) -> Rows:
        """Queue a named statement; its rows can be fetched later."""
        return self.pipeline.run(self.statements[query], parameters)

    def leave_place(self, workflow_id: str) -> None:
        """Tell workers if a running workflow gives up a place that another one may wait for."""
        held = self.held.get(workflow_id)
        self.ready = self.ready or (held is not None and bool(held.is_limited))

    def lock_workflows(self, workflow_ids: Iterable[str]) -> None:
        """Lock the rows that are not locked yet, by id, and learn what they say."""
        wanted = sorted(set(workflow_ids) - self.held.keys())
        if wanted:
            self.learn_held(self.run("lock_workflows", workflow_ids=text_array(wanted)))

    def learn_held(self, locked: Rows) -> None:
        """Read what a lock_workflows gave."""
        for workflow_id, status, *others in locked:
            self.held[workflow_id] = Held(Status(status), *others)

    def look_up(self, workflow_ids: Iterable[str]) -> None:
        """Read workflows whose ids were taken, or which have ended: this batch may have done that, sent before."""
        wanted = sorted(set(workflow_ids))
        if wanted:
            found = self.run("workflows_by_id", workflow_ids=text_array(wanted))
            self.existing.update((record.workflow_id, record) for record in map(rows.workflow_record, found))

    def is_ours(self, new: NewWorkflow) -> bool:
        """Tell whether this very request made the workflow, now or before."""
        if (new.workflow_id, new.request_id) in self.made:
            return True
        found = self.existing.get(new.workflow_id)
        return found is not None and found.request_id == new.request_id

    def created(self, new: NewWorkflow) -> Created:
        """Tell what became of a creation."""
        return Created(existing=None if self.is_ours(new) else self.existing.get(new.workflow_id))

    def accepts(self, part: Part) -> bool:
        """Tell whether the unit's fence holds, or its writes were committed already and only the reply was lost."""
        if part.workflow_id is None:
            return True
        if part.own is not None:
            if (part.own.workflow_id, part.own.request_id) in self.made:
                return part.epoch == first_epoch(part.own)
            if not self.is_ours(part.own):
                return False
        held = self._row(part.workflow_id)
        if held is None or held.epoch != part.epoch:
            return False
        return held.status is Status.RUNNING or self._was_applied(part, held)

    def cancel_requested(self, part: Part) -> bool:
        """Tell whether the fenced workflow's cancellation was asked for."""
        held = None if part.workflow_id is None else self._row(part.workflow_id)
        return held is not None and held.cancel_at is not None

    def _row(self, workflow_id: str) -> Held | None:
        held = self.held.get(workflow_id)
        if held is None and (found := self.existing.get(workflow_id)) is not None:
            return Held(found.status, found.epoch, cancel_at=found.cancel_at)
        return held

    def _was_applied(self, part: Part, held: Held) -> bool:
        """Tell whether the row stands as this unit left it: nobody but the epoch's holder can have brought it there."""
        for write in part.unit.writes:
            match write:
                case Finish(status=status, output=output, error=error):
                    found = self.existing.get(part.workflow_id or "")
                    return found is not None and (found.status, found.output, found.error) == (status, output, error)
                case Suspend():
                    return held.status in {Status.SUSPENDED, Status.ENQUEUED}
                case Release():
                    return held.status is Status.ENQUEUED
                case SetAside(status=status):
                    return held.status is status
                case _:
                    continue
        return False


def nothing() -> None:
    """Read the result of a write that has none."""
