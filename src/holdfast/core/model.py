"""The records that the engine and its stores exchange: workflows, checkpoints, messages, approvals.

Plain frozen data. Every payload (`input`, `output`, `error`, `body`, `value`) is the text that the codec made;
nothing here encodes or decodes. Times are seconds since the epoch by the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Self

from holdfast.core.data import dataclass

AttributeValue = str | int | float | bool
"""What an attribute of a workflow may be."""


class Status(StrEnum):
    """Where a workflow stands. Only the three outcomes are terminal."""

    ENQUEUED = "enqueued"
    """Waits for a worker: new, woken, or left by a worker that died."""
    RUNNING = "running"
    """In the memory of the worker that owns it."""
    SUSPENDED = "suspended"
    """Out of memory until a message, an event, an outcome or a time comes."""
    BLOCKED = "blocked"
    """Set aside: its code asks for something else than its journal holds. Resumable."""
    DEAD = "dead"
    """Set aside: it took its worker down again and again. Resumable."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Tell whether the outcome is recorded and final."""
        return self in _TERMINAL


_TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})


class Kind(StrEnum):
    """What a checkpoint records the outcome of."""

    STEP = "step"
    TRANSACTION = "transaction"
    INTENT = "intent"
    """A step that may run at most once is about to run."""
    CHILD = "child"
    START = "start"
    RESULT = "result"
    SEND = "send"
    RECEIVE = "receive"
    TIMER = "timer"
    """A wait's absolute end, so that a restart does not begin it anew."""
    SLEEP = "sleep"
    EVENT = "event"
    GET_EVENT = "get_event"
    STREAM = "stream"
    BRANCH = "branch"
    CANCEL = "cancel"
    """The place at which a cancellation was raised in the workflow's code."""
    VERSION = "version"
    """From here on another version of the code recorded; or, at the end, what that version did not ask for."""
    UNDO = "undo"
    """The workflow has failed or was cancelled, and begins to undo what it did."""
    ON_UNDO = "on_undo"
    """The code asked for something to be done in that case."""
    SKIPPED = "skipped"
    """A person has settled what could not be undone."""
    PATCH = "patch"
    """What `patched` answered in a branch."""
    ATTRIBUTES = "attributes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fence:
    """The right to write to one workflow: its id and the epoch in which the writer took it over."""

    workflow_id: str
    epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NewWorkflow:
    """A workflow to create, at most once per `workflow_id`."""

    workflow_id: str
    name: str
    version: str
    input: str
    input_digest: str
    request_id: str
    """Names this very creation, so that a batch sent twice recognises the row as its own."""
    created_at: float
    owner: str | None = None
    """The worker that executes it at once (status running, epoch 1), or None (enqueued, epoch 0)."""
    parent_id: str | None = None
    wake_at: float | None = None
    """When an enqueued workflow may start; None means at once."""
    deadline_at: float | None = None
    timeout: float | None = None
    """Seconds from its first execution. They are in `deadline_at` already for one that is executed at once; for others
    they come in with the first claim. Infinity takes back what its function's decorator says."""
    traceparent: str | None = None
    queue: str | None = None
    """Waits there until it is let in; needs `owner` None."""
    priority: int = 0
    """Within its queue and partition; smaller goes first."""
    partition: str = ""
    """Whose turn it takes in its queue."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """One recorded outcome in a workflow's journal. The first one for a `step_id` is final."""

    step_id: str
    """`branch/name#occurrence`, or `name[key]`: unique within the workflow."""
    branch: str
    name: str
    kind: Kind
    seq: int
    """Order of recording within the workflow, from 1."""
    digest: str = ""
    """Fingerprint of the arguments; empty where there is nothing to compare."""
    output: str | None = None
    error: str | None = None
    attempts: int = 1
    attempt_errors: str | None = None
    """JSON list of the errors, each a text that the codec made, of the attempts that failed before the last."""
    started_at: float = 0.0
    finished_at: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkflowRecord:
    """A workflow as it stands in the store."""

    workflow_id: str
    name: str
    status: Status
    version: str
    epoch: int
    owner: str | None
    parent_id: str | None
    input: str
    input_digest: str
    request_id: str
    created_at: float
    wake_at: float | None
    deadline_at: float | None
    """When it is cancelled; a timeout counts in once the workflow has begun."""
    cancel_at: float | None
    """When its cancellation was asked for; the status follows once its code has ended."""
    crashes: int
    traceparent: str | None
    queue: str | None
    priority: int
    output: str | None
    error: str | None
    finished_at: float | None
    report: str | None
    """JSON: why it was set aside (blocked, dead), else None."""
    timeout: float | None = None
    """Seconds from its first execution; infinity takes back what its function's decorator says."""
    partition: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A workflow that a worker has just taken, with all it needs to go on."""

    record: WorkflowRecord
    journal: tuple[Checkpoint, ...]
    damage: str | None = None
    """What of its journal can't be read, if anything; `journal` lacks that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a workflow ended."""

    status: Status
    output: str | None
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message on its way to one workflow; `message_id` is unique within the destination."""

    workflow_id: str
    message_id: str
    topic: str
    body: str
    sent_at: float
    sender_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MailboxMessage:
    """A message that its workflow has not received yet, as it lies in the mailbox."""

    message_id: str
    body: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamItem:
    """One item of a stream; `value` None marks the end of a closed stream."""

    offset: int
    value: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitOn:
    """What a suspended workflow waits for: one of these comes, and it is enqueued."""

    workflow_id: str
    """Itself for messages; the other workflow for its outcome or event."""
    kind: Kind
    """RECEIVE, RESULT or GET_EVENT."""
    name: str = ""
    """The topic or the event's key; empty for an outcome."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRecord:
    """A process that runs workflows, or did."""

    worker_id: str
    host: str
    pid: int
    process_started: str
    """Tells two processes with the same pid apart (kernel start time)."""
    started_at: float
    heartbeat_at: float
    lease_until: float
    suspect_id: str | None
    """The workflow it runs that is suspected of having killed a worker before."""
    alive: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkflowFilter:
    """Which workflows to list; a field left None does not restrict. Newest first. Times are seconds since the epoch."""

    status: tuple[Status, ...] | None = None
    name: str | None = None
    queue: str | None = None
    id_prefix: str | None = None
    parent_id: str | None = None
    forked_from: str | None = None
    created_after: float | None = None
    created_before: float | None = None
    finished_after: float | None = None
    finished_before: float | None = None
    attributes: Mapping[str, AttributeValue] | None = None
    """What the workflow has set with `set_attributes`; all of these."""
    error: str | None = None
    """Part of the error that it failed with, or of the report why it was set aside, in lower or upper case.

    Errors that a payload codec encrypts can't be searched.
    """
    limit: int = 100
    before: tuple[float, str] | None = None
    """Keyset page: (created_at, workflow_id) of the last row seen."""

    def after(self, last: WorkflowRecord) -> Self:
        """Return the filter for the page after the one that ends with `last`."""
        return replace(self, before=(last.created_at, last.workflow_id))


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionCount:
    """How many unfinished workflows were recorded under one version of a workflow's code."""

    name: str
    version: str
    enqueued: int
    suspended: int
    running: int
    set_aside: int
    """Blocked or dead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """A question put to a person, and its one decision."""

    approval_id: str
    workflow_id: str
    subject: str
    details: str
    """JSON of exactly what is shown."""
    digest: str
    """SHA-256 of subject and details: the decision is bound to it."""
    requested_at: float
    expires_at: float
    recipients: tuple[str, ...] = ()
    status: str = "pending"
    """pending, approved, rejected, expired or cancelled."""
    decided_by: str | None = None
    decided_at: float | None = None
    comment: str | None = None
    via: str | None = None
    """How the decision came: link, code, timeout, …"""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """One line of an approval's append-only audit trail."""

    approval_id: str
    at: float
    event: str
    """requested, sent, viewed, decided, refused, expired, …"""
    actor: str | None = None
    detail: dict[str, str] = field(default_factory=dict)
