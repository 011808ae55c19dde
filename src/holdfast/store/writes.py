"""What the engine can write: requests, alone or in units that stand or fall together, and what became of them.

What a store owes for each is said here; how it is handed in and read back, in `holdfast.store.base`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from holdfast.core.data import dataclass
from holdfast.core.model import (
    Approval,
    AuditEntry,
    Checkpoint,
    Fence,
    Message,
    NewWorkflow,
    Status,
    WaitOn,
    WorkerRecord,
    WorkflowRecord,
)
from holdfast.store.management_writes import ManagementWrite
from holdfast.store.queue_writes import ChangeQueue, CreateKeyed, DeclareQueue, PauseQueue
from holdfast.store.schedule_writes import ScheduleWrite


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
    the workflow's cancellation was asked for meanwhile, unless its code has heard of it (`cancel_heard`). Clears
    `crashes` and the worker's suspect if it was this one.
    """

    wake_at: float | None
    waits: tuple[WaitOn, ...] = ()
    cancel_heard: bool = False


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
class Consume:
    """Take a message out of its workflow's mailbox. Needs a fence. Result: None.

    It goes in one unit with the `Record` of the receive that took it. The same again changes nothing.
    """

    message_id: str
    step_id: str
    """That of the receive."""


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

    Without `children` its descendants are left alone.

    One that never started, or is blocked or dead, is cancelled at once (outcome recorded, who waits for it woken);
    a suspended one is enqueued with `cancel_at` set; a running one keeps running with `cancel_at` set.
    """

    workflow_id: str
    children: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Resume:
    """Enqueue a blocked or dead workflow again, its crashes forgotten.

    Result: the status it had, or None if unknown.
    """

    workflow_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Settle:
    """Append a checkpoint for a workflow that was set aside as blocked in `epoch`, and enqueue it again, in one.

    Result: whether that is done, now or before.
    """

    workflow_id: str
    epoch: int
    checkpoint: Checkpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """Take up to `limit` workflows that are due: enqueued ones, and suspended ones whose time has come.

    Only names in `names` are taken; of those that `pinned` names too, only what was recorded under a version that
    stands there with the name, in a pair. Sets status running, owner, epoch + 1, clears `wake_at`. Oldest `wake_at`
    first; those left by dead workers (wake_at 0) before all. A workflow with `isolate_from` crashes or more is a
    suspect: at most one is taken, and it is recorded as the worker's `suspect_id` in the same commit. One with
    `accused_from` crashes or more is left to a claim that is `accused`, which takes nothing but such a one.
    Result: list of ids. A Claim sent again with the same `claim_id` also returns what its lost first try took.

    `limit` is for workflows without a queue. From the queues named in `queues` (None: from all) up to `queue_limit`
    more are let in, as far as the queues' limits leave room for: first those that have begun before, then partition by
    partition in turn, and of each the smallest `priority`, then the oldest. No limit is ever exceeded, whoever claims.
    """

    claim_id: str
    worker_id: str
    names: tuple[str, ...]
    limit: int
    isolate_from: int = 1
    accused_from: int = 1_000_000
    accused: bool = False
    pinned: tuple[tuple[str, str], ...] = ()
    queues: tuple[str, ...] | None = None
    queue_limit: int = 0


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

    Raises each workflow's epoch, sets `wake_at` to 0. Blame: every one it ran gets crashes + 1. One whose crashes reach
    `crash_limit` becomes dead, with a report, if it was all that the worker ran: else another may have done it, and it
    stays enqueued.
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
    | Consume
    | PutEvent
    | Append
    | Cancel
    | Resume
    | Settle
    | Claim
    | Register
    | Heartbeat
    | TakeOver
    | AskApproval
    | AddLink
    | Decide
    | Audit
    | ScheduleWrite
    | DeclareQueue
    | ChangeQueue
    | PauseQueue
    | CreateKeyed
    | ManagementWrite
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
    """What became of a unit. `results` has one entry for each write, in order; empty if refused.

    A unit that begins with the creation of its own workflow has that one's result all the same. It is refused with the
    workflow created if its owner was declared dead meanwhile: then it is enqueued, for others.
    """

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
    """Some workflow has become claimable, or a place in a queue has become free."""
