"""The seam between the engine and a database: what a store owes its callers. What is written: `store.writes`.

A store is synchronous. One thread at a time calls `commit`, whoever has the committer's turn; any thread may call the
reads, which use connections of their own. `migrate` and `open` are called once, at launch.

Two stores implement this, SQLite and PostgreSQL; `tests/conformance` holds both to this page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.core.archive import Contents
from holdfast.core.management import Lineage, WorkflowCount
from holdfast.core.model import (
    Approval,
    AuditEntry,
    Checkpoint,
    Claimed,
    Fence,
    MailboxMessage,
    Outcome,
    Status,
    StreamItem,
    VersionCount,
    WaitOn,
    WorkerRecord,
    WorkflowFilter,
    WorkflowRecord,
)
from holdfast.core.queues import QueueState
from holdfast.core.schedule import ScheduleRecord
from holdfast.store.overview import Inspection, Overview
from holdfast.store.writes import Committed, Unit

if TYPE_CHECKING:
    from pathlib import Path


class StoreTransaction(Protocol):
    """An open database transaction that user code shares with a checkpoint. Belongs to one thread at a time."""

    @property
    def connection(self) -> Any:
        """The driver's connection (`sqlite3.Connection`, `psycopg.Connection`), inside the transaction."""

    def begin(self, fence: Fence | None, step_id: str | None) -> Checkpoint | None:
        """Begin, check the fence and look for the recorded outcome of `step_id`, if one may be there already.

        Raises `Fenced` if the workflow is not running in that epoch. On SQLite this is BEGIN IMMEDIATE. Without a fence
        (a transaction outside any workflow) it only begins.
        """

    def commit(self, fence: Fence | None, checkpoint: Checkpoint | None) -> None:
        """Write the checkpoint, if any, and commit.

        Raises `StoreUnavailable` if nobody knows whether it went through, and `Conflict`, with nothing written, if the
        step has an outcome already.
        """

    def rollback(self) -> None:
        """Roll back; never raises."""


class Fenced(Exception):
    """The workflow is not running in the caller's epoch any more."""


class Conflict(Exception):
    """A serialization failure or a deadlock: the transaction rolled back and may be tried again."""


class Listener(Protocol):
    """A running subscription to news from other processes."""

    def stop(self) -> None:
        """End it and its thread. Idempotent."""


class WorkerLock(Protocol):
    """A lock that dies with the process that holds it."""

    is_first: bool
    """No lock was ever taken in this place: a database in which workers live came here as a copy, without theirs."""

    def release(self) -> None:
        """Give it up. Idempotent."""

    def is_free(self, worker: WorkerRecord) -> bool | None:
        """Tell whether the process behind `worker` is gone for certain; None: only its lease can tell.

        Never true for a process that lives, whatever happened to its connections.
        """


class Store(Protocol):
    """A database that holds workflows.

    Every method raises `StoreUnavailable` when the database is away, locked, full or read-only for the time being,
    and when a commit's fate is unknown; the caller waits and calls again with the same arguments, which is safe for
    all of them.
    """

    dialect: str
    """`sqlite` or `postgresql`."""

    commits_in_process: bool
    """A commit takes so little that a thread which waits for its own may carry out what others wait for as well."""

    def open(self, *, migrate: bool = True) -> None:
        """Connect and migrate the schema under a lock. Raises `ConfigurationError`, `SchemaTooNew`.

        Without `migrate`, change nothing: a database that lacks a migration, or is not there, is a
        `ConfigurationError`.
        """

    def close(self) -> None:
        """Close every connection. Idempotent."""

    def now(self) -> float:
        """Read the database's clock, in seconds since the epoch."""

    def use_clock(self, clock: Callable[[], float]) -> None:
        """Go by another clock than the database's, before `open`: for tests that skip time."""

    def commit(self, units: Sequence[Unit]) -> Committed:
        """Write all units in one transaction, with few multi-row statements, and say what became of each.

        Within a batch: fences are checked and rows locked first (in id order), then creations, then the other writes of
        each unit in order, finishes last. Refused units leave no trace; the others commit. Sending a batch again
        after `StoreUnavailable` has the effect of sending it once. Never called by two threads at a time.
        """

    def claimed(self, workflow_ids: Sequence[str]) -> list[Claimed]:
        """Load workflows with their whole journals, in one query each for all of them."""

    def get_workflow(self, workflow_id: str) -> WorkflowRecord | None:
        """Read one workflow."""

    def list_workflows(self, where: WorkflowFilter) -> list[WorkflowRecord]:
        """List workflows, newest first."""

    def count_workflows(self) -> list[WorkflowCount]:
        """Count all workflows by status, name and queue."""

    def attributes(self, workflow_id: str) -> dict[str, str]:
        """Read a workflow's attributes, the values as they are stored."""

    def lineage(self, workflow_id: str) -> Lineage | None:
        """Read where a fork comes from; None for what is none."""

    def forks(self, workflow_id: str) -> list[str]:
        """List the ids of the workflows that were forked from one, oldest first."""

    def tree(self, workflow_id: str) -> list[str]:
        """List a workflow's id and those of its descendants."""

    def contents(self, workflow_id: str) -> Contents:
        """Read all that belongs to a workflow beside its record and approvals."""

    def ended_before(self, status: Status, before: float, limit: int) -> list[str]:
        """List ids of workflows that ended with this status before a time, oldest first.

        Left out is what a `Delete` would keep.
        """

    def outcomes(self, workflow_ids: Sequence[str]) -> dict[str, Outcome]:
        """Read the outcomes of those that ended; of those set aside the status, with the report as `error`."""

    def journal(self, workflow_id: str) -> list[Checkpoint]:
        """Read a journal in the order of recording."""

    def mailbox(self, workflow_id: str, topic: str, limit: int) -> list[MailboxMessage]:
        """Read the oldest messages of a topic that are not consumed, in the order in which they were committed."""

    def event(self, workflow_id: str, name: str) -> str | None:
        """Read an event's value."""

    def stream(self, workflow_id: str, stream: str, offset: int, limit: int) -> list[StreamItem]:
        """Read a stream's items from an offset on."""

    def next_due(self, names: Sequence[str], pinned: Sequence[tuple[str, str]] = (), *, after: float) -> float | None:
        """Tell when the next suspended or delayed workflow that a `Claim` of these would take is due; None: never.

        Without those in queues, and delayed ones that were due by `after`: whoever asks has claimed since.
        """

    def accused_wait(self, names: Sequence[str], accused_from: int) -> bool:
        """Tell whether a workflow of these names with `accused_from` crashes or more waits to be run alone."""

    def count_unknown(self, names: Sequence[str], queues: Sequence[str] | None = None) -> dict[str, int]:
        """Count the enqueued workflows whose name is not in `names`, by name.

        Of those that wait in queues (in `queues`, None: in all) a sample is counted.
        """

    def queues(self) -> list[QueueState]:
        """Read all queues as they stand, by name."""

    def queue_names(self) -> list[str]:
        """Read the names of all queues."""

    def next_due_in_queues(
        self,
        names: Sequence[str],
        queues: Sequence[str] | None,
        *,
        after: float,
        pinned: Sequence[tuple[str, str]] = (),
    ) -> float | None:
        """Tell the next time later than `after` at which some of these queues (None: all) may have more to give.

        None if there is none. What is due already and waits for a place is not counted: whoever frees one tells.
        """

    def count_other_versions(self, pinned: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Count, by name and version, the enqueued workflows with a pinned name whose version does not stand there."""

    def unfinished_versions(self) -> list[VersionCount]:
        """Count the workflows without an outcome by name and the version that they were created under."""

    def cancelled_by_others(self, worker_id: str) -> list[str]:
        """List the workflows that this worker is running and whose cancellation was asked for."""

    def overview(self) -> Overview:
        """Count the workflows that have not ended, by status and by queue, and list the workers.

        May read much of the hot table: not for every second.
        """

    def workers(self) -> list[WorkerRecord]:
        """List the workers that nobody declared dead."""

    def waits(self, workflow_id: str) -> list[WaitOn]:
        """Tell what a suspended workflow waits for, besides a time."""

    def has_work(self, names: Sequence[str], horizon: float) -> bool:
        """Tell whether any workflow is running, or one with one of these names is due within `horizon` seconds."""

    def inspect(self) -> Inspection:
        """Look at the database's version, settings and permissions. Needs no `open`, and changes nothing."""

    def back_up(self, target: Path) -> int:
        """Copy a database file to a new one while others write to it; return the size of the copy in bytes.

        Needs no `open`. Raises `OSError`, `FileExistsError`; `ConfigurationError` on PostgreSQL.
        """

    def approval(self, approval_id: str) -> Approval | None:
        """Read an approval."""

    def approval_by_token(self, token_hash: str) -> tuple[Approval, str] | None:
        """Find the approval and the recipient that a link's token hash belongs to."""

    def approvals(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 100
    ) -> list[Approval]:
        """List approvals, newest first."""

    def audit(self, approval_id: str) -> list[AuditEntry]:
        """Read an approval's audit trail in order."""

    def schedule(self, name: str) -> ScheduleRecord | None:
        """Read a schedule."""

    def schedules(self) -> list[ScheduleRecord]:
        """List all schedules by name."""

    def upcoming_schedules(self, names: Sequence[str], limit: int) -> list[ScheduleRecord]:
        """List the schedules of workflows with these names that will tick, the next one first; not those paused."""

    def transaction(self, isolation: str | None = None) -> AbstractContextManager[StoreTransaction]:
        """Open a transaction for user code; leaving the context gives the connection back, rolled back if still open.

        Isolation: None (the database's default), "read committed", "repeatable read" or "serializable". A deadlock or
        serialization failure inside, also at commit, is `Conflict`.
        """

    def lock_worker(self, worker_id: str) -> WorkerLock:
        """Take the lock that tells other processes that this one lives."""

    def listen(self, on_news: Callable[[frozenset[str] | None], None]) -> Listener:
        """Call `on_news` from a thread of its own when other processes committed something.

        The argument holds the workflow ids, or None: anything may have changed, work may be ready.
        """

    def notify(self, news: Iterable[str], *, ready: bool) -> None:
        """Tell other processes.

        A hint: it may be lost, it may be late, it never blocks writers. SQLite: nothing to do.
        """
