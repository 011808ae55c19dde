"""What management can write: attributes, restored workflows, deletions, and who takes care of what."""

from __future__ import annotations

from dataclasses import field

from holdfast.core.archive import Contents
from holdfast.core.data import dataclass
from holdfast.core.model import WorkflowRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAttributes:
    """Set attributes of a workflow; a value None removes one. The same `write_id` again changes nothing. Result: None.

    Values are texts made by `attribute_text`.
    """

    workflow_id: str
    values: tuple[tuple[str, str | None], ...]
    write_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Restore:
    """Give a workflow its contents. Comes after its `Create` in the same unit, without a fence. Result: None.

    Nothing is written unless that very `Create` made the workflow in this commit: sent again, or with an id that is
    taken, it changes nothing. With `standing` the workflow has that record's status (terminal or set aside), epoch,
    outcome and report, and nobody takes it; else it stays enqueued and goes on from its journal.
    """

    workflow_id: str
    request_id: str
    """That of the `Create`."""
    contents: Contents
    standing: WorkflowRecord | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delete:
    """Delete workflows with everything recorded for them but approvals. Result: `Deleted`.

    Kept are workflows that are not terminal or set aside; those that a suspended workflow waits for; those whose
    parent is there, has no outcome, and is not deleted with them. With `children` each goes with its descendants, of
    which all can be deleted, or stays.
    """

    workflow_ids: tuple[str, ...]
    children: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Deleted:
    """What became of a `Delete`."""

    gone: tuple[str, ...]
    """Those asked for that are not there any more, or never were, and descendants deleted with them."""
    kept: dict[str, str] = field(default_factory=dict)
    """Those asked for that stay, with the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeDuty:
    """Take care of something for some seconds by the database's clock, unless another one does. Result: bool.

    Its holder may take it again before the time is over, also for 0 seconds, which gives it up.
    """

    name: str
    holder: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptVersion:
    """Say which version of its code runs a workflow that was started without one. Needs a fence. Result: None."""

    version: str
    deadline_at: float | None = None
    """Its deadline, now that its own timeout is known; None: as it is."""


ManagementWrite = SetAttributes | AdoptVersion | Restore | Delete | TakeDuty
