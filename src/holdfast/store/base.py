"""The seam between the engine and a database: what can be written, and what a store owes for it.

A store is synchronous. One thread, the committer's, calls `commit`; any thread may call the reads, which use
connections of their own. `migrate` and `open` are called once, at launch.

Two stores implement this, SQLite and PostgreSQL; `tests/conformance` holds both to this page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from holdfast.core.model import (
    Approval,
    AuditEntry,
    Checkpoint,
    Claimed,
    Fence,
    Message,
    NewWorkflow,
    Outcome,
    Status,
    StreamItem,
    WaitOn,
    WorkerRecord,
    WorkflowFilter,
    WorkflowRecord,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Create:
    """Create a workflow unless its id is taken. Result: `Created`."""

    workflow: NewWorkflow


@dataclass(frozen=True, kw_only=True, slots=True)
class Created:
    """What became of a `Create`: `existing` is None if this very request created the row (now or in a lost try)."""

    existing: WorkflowRecord | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Append a checkpoint; one that is there already stays as it is. Needs a fence. Result: None."""

    checkpoint: Checkpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class Finish:
    """Record the outcome, give up ownership, wake who waits for it. Needs a fence. Result: None."""

    status: Status
    output: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspend:
    """Leave memory until one of `waits` comes or `wake_at` passes. Needs a fence. Result: bool.

    False, with nothing changed, if one of the waits is there already (an unconsumed message, an outcome, an event) or
    the workflow's cancellation was asked for meanwhile. Clears `crashes` and the worker's suspect if it was this one.
    """

    wake_at: float | None
    waits: tuple[WaitOn, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """Give a running workflow back unfinished (status enqueued, owner none): shutdown. Needs a fence. Result: None."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAside:
    """Set the workflow aside as blocked or dead, with a JSON report. Needs a fence. Result: None."""

    status: Status
    report: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Progressed:
    """The workflow was suspected of killing its worker and has passed a step: clear `crashes` and the worker's suspect.

    Needs a fence. Result: None.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    """Put a message in a workflow's mailbox, unless its id is there already, consumed or not.

    Enqueues the destination if it is suspended on the topic. Result: the destination's `Status`, or None if there is no
    such workflow (nothing is written). Messages of one (workflow, topic) keep the order in which they were committed.
    """

    message: Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Receive:
    """Consume the oldest message of the topic and record the checkpoint with its body, in one. Needs a fence.

    Result: `Received`. If the checkpoint is recorded already, its output is given again and nothing is consumed.
    If there is no message: with `expired`, the checkpoint is recorded with output None; else `timer`, if given, is
    recorded, so that the wait's end is durable, and nothing else.
    """

    topic: str
    checkpoint: Checkpoint
    timer: Checkpoint | None = None
    expired: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """`settled` tells whether the receive is recorded; `body` None then means that it timed out."""

    settled: bool
    body: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PutEvent:
    """Set an event's value; wakes who waits for it. The same `write_id` again changes nothing. Result: None."""

    workflow_id: str
    name: str
    value: str
    write_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Append:
    """Append to a stream (value None closes it). The same `write_id` again changes nothing. Result: the offset, from 0.

    Offsets of one (workflow, stream) are without gaps and in the order of commits.
    """

    workflow_id: str
    stream: str
    value: str | None
    write_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancel:
    """Ask for the cancellation of a workflow and of all its descendants. Result: ids touched, or None if unknown.

    One that never started, or is blocked or dead, is cancelled at once (outcome recorded, who waits for it woken);
    a suspended one is enqueued with `cancel_at` set; a running one keeps running with `cancel_at` set.
    """

    workflow_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Resume:
    """Enqueue a blocked or dead workflow again, its crashes forgotten.

    Result: the status it had, or None if unknown.
    """

    workflow_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """Take up to `limit` workflows that are due: enqueued ones, and suspended ones whose time has come.

    Only names in `names` are taken. Sets status running, owner, epoch + 1, clears `wake_at`. Oldest `wake_at` first;
    those left by dead workers (wake_at 0) before all. A workflow with crashes > 0 is a suspect: at most one is
    taken, only if `suspects` is true, and it is recorded as the worker's `suspect_id` in the same commit.
    Result: list of ids. A Claim sent again with the same `claim_id` also returns what its lost first try took.
    """

    claim_id: str
    worker_id: str
    names: tuple[str, ...]
    limit: int
    suspects: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Register:
    """Write a worker's row. Result: None."""

    worker: WorkerRecord
    lease_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Heartbeat:
    """Extend a worker's lease by the database's clock. Result: list of all rows of workers that are alive.

    None instead if the worker's own row is not alive any more: it was taken for dead and lost its workflows.
    """

    worker_id: str
    lease_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeOver:
    """Declare a worker dead and enqueue what it was running. Result: list of ids enqueued (not those now dead).

    Raises each workflow's epoch, sets `wake_at` to 0. Blame: if the worker had a suspect and still ran it, only that
    one gets crashes + 1, else every one it ran. One whose crashes reach `crash_limit` becomes dead, with a report.
    With `blame` false (a clean shutdown that left work) nobody's crashes change. A worker not alive: nothing happens.
    """

    worker_id: str
    crash_limit: int
    blame: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class AskApproval:
    """Store an approval unless its id is there; appends the audit line `requested`. Result: None."""

    approval: Approval


@dataclass(frozen=True, kw_only=True, slots=True)
class AddLink:
    """Store the hash of a link's token for one recipient. Result: None."""

    approval_id: str
    token_hash: str
    recipient: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Decide:
    """Decide a pending approval, first one wins, and send its message in the same commit; audit line included.

    Result: the `Approval` as it stands afterwards (compare `decided_at`/`decided_by`/`via` to see who won), or None if
    unknown. `expected_digest` that differs, or an expiry that has passed by the database's clock (unless `status` is
    expired), changes nothing but the audit trail (`refused`).
    """

    approval_id: str
    status: str
    decided_by: str
    comment: str | None
    via: str
    expected_digest: str | None
    message: Message
    detail: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """Append to an approval's audit trail. Result: None."""

    entry: AuditEntry


Write = (
    Create
    | Record
    | Finish
    | Suspend
    | Release
    | SetAside
    | Progressed
    | Send
    | Receive
    | PutEvent
    | Append
    | Cancel
    | Resume
    | Claim
    | Register
    | Heartbeat
    | TakeOver
    | AskApproval
    | AddLink
    | Decide
    | Audit
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """Writes that stand or fall together.

    With a fence they are accepted only if the workflow is running in exactly that epoch. A unit that creates the
    workflow it writes to (`Create` first, then its Records and Finish) carries the new workflow's fence as well; it
    is accepted if the Create made the row.
    """

    writes: tuple[Write, ...]
    fence: Fence | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What became of a unit. `results` has one entry for each write, in order; empty if refused."""

    accepted: bool
    results: tuple[Any, ...] = ()
    cancel_requested: bool = False
    """The fenced workflow's cancellation was asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """What one commit did, and who should hear of it."""

    receipts: list[Receipt]
    news: frozenset[str] = frozenset()
    """Workflows about which there is something new: finished, set aside, a message, an event, a stream item, a
    cancel."""
    ready: bool = False
    """Some workflow has become claimable."""


class StoreTransaction(Protocol):
    """An open database transaction that user code shares with a checkpoint. Belongs to one thread at a time."""

    @property
    def connection(self) -> Any:
        """The driver's connection (`sqlite3.Connection`, `psycopg.Connection`), inside the transaction."""

    def begin(self, fence: Fence | None, step_id: str | None) -> Checkpoint | None:
        """Begin, lock the workflow's row and look for the step's own recorded outcome.

        Raises `Fenced` if the workflow is not running in that epoch. On SQLite this is BEGIN IMMEDIATE. Without a fence
        (a transaction outside any workflow) it only begins.
        """

    def commit(self, fence: Fence | None, checkpoint: Checkpoint | None) -> None:
        """Write the checkpoint, if any, and commit.

        Raises `StoreUnavailable` if nobody knows whether it went through.
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

    def open(self) -> None:
        """Connect and migrate the schema under a lock. Raises `ConfigurationError`, `SchemaTooNew`."""

    def close(self) -> None:
        """Close every connection. Idempotent."""

    def now(self) -> float:
        """Read the database's clock, in seconds since the epoch."""

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

    def outcomes(self, workflow_ids: Sequence[str]) -> dict[str, Outcome]:
        """Read the outcomes of those that ended; of those set aside the status, with the report as `error`."""

    def journal(self, workflow_id: str) -> list[Checkpoint]:
        """Read a journal in the order of recording."""

    def event(self, workflow_id: str, name: str) -> str | None:
        """Read an event's value."""

    def stream(self, workflow_id: str, stream: str, offset: int, limit: int) -> list[StreamItem]:
        """Read a stream's items from an offset on."""

    def next_due(self, names: Sequence[str]) -> float | None:
        """Tell when the next suspended or delayed workflow with one of these names is due; None if there is none."""

    def count_unknown(self, names: Sequence[str]) -> dict[str, int]:
        """Count the enqueued workflows whose name is not in `names`, by name."""

    def cancelled_by_others(self, worker_id: str) -> list[str]:
        """List the workflows that this worker is running and whose cancellation was asked for."""

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
