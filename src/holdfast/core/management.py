"""What management asks and answers: attributes, counts, details, what became of a change to many.

Plain frozen data. Payloads are the texts that the codec made, as in `holdfast.core.model`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import field

from holdfast.core.data import dataclass
from holdfast.core.identity import check_text
from holdfast.core.model import Approval, AttributeValue, Checkpoint, Status, WorkflowRecord
from holdfast.errors import UsageError

MAX_ATTRIBUTE_LENGTH = 512
"""Characters of an attribute that is a text."""
MAX_ATTRIBUTE_BITS = 1024
"""Of an attribute that is a whole number: as many as a float's."""

SET_ASIDE = (Status.BLOCKED, Status.DEAD)
OPEN = (Status.ENQUEUED, Status.RUNNING, Status.SUSPENDED, *SET_ASIDE)
"""The statuses of what has no outcome yet."""
DELETABLE = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, *SET_ASIDE)
"""The statuses in which a workflow does nothing by itself any more."""


def attribute_text(name: str, value: object) -> str:
    """Return the text by which an attribute is stored and found: equal for equal values, so 1 is found as 1.0 too.

    Raises `UsageError` for a name or value that can't be one.
    """
    check_text("an attribute's name", name)
    if isinstance(value, str) and len(value) > MAX_ATTRIBUTE_LENGTH:
        raise UsageError(f"attribute {name!r} has {len(value)} characters; at most {MAX_ATTRIBUTE_LENGTH} are allowed")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"attribute {name!r} can't be {value!r}: it could never be found again")
    if not isinstance(value, str | int | float):
        raise UsageError(f"attribute {name!r} must be a text, number or bool, not {type(value).__name__}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and value.bit_length() > MAX_ATTRIBUTE_BITS:
        raise UsageError(f"attribute {name!r} has more than {MAX_ATTRIBUTE_BITS} bits")
    return json.dumps(value)


def attribute_value(text: str) -> AttributeValue:
    """Return the value of a stored attribute."""
    value: AttributeValue = json.loads(text)
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkflowCount:
    """How many workflows share a status, name and queue. What was not asked for is None."""

    status: Status | None
    name: str | None
    queue: str | None
    """None also stands for workflows that are in no queue."""
    count: int
    oldest_at: float | None
    """When the oldest of them that has no outcome yet was created (seconds since the epoch); None if all ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """Where a fork comes from."""

    forked_from: str
    forked_step: str | None
    """The step from which on it runs anew; None: from the beginning, or after all that was recorded."""
    forked_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkflowDetails:
    """All that one looks at in a workflow."""

    record: WorkflowRecord
    journal: tuple[Checkpoint, ...]
    """In the order of recording."""
    children: tuple[WorkflowRecord, ...]
    """Newest first, at most 1000."""
    approvals: tuple[Approval, ...]
    """Newest first."""
    attributes: Mapping[str, AttributeValue]
    lineage: Lineage | None
    """Set if it is a fork."""
    forks: tuple[str, ...]
    """The ids of the workflows that were forked from it, oldest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """What became of a change to one or many workflows."""

    workflow_ids: tuple[str, ...]
    """Those that were changed, in a dry run those that would be. Of retries and imports: the new ones' ids."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Those that were left as they are, each with the reason."""
    more: bool = False
    """The limit was reached, and more workflows match the filter."""
    dry_run: bool = False

    def __len__(self) -> int:
        return len(self.workflow_ids)
