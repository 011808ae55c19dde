"""When a workflow is cancelled for having taken too long: its own timeout and deadline, and its parent's.

A deadline is a point in time, known when the workflow is created. A timeout counts from the first execution: at once
for a workflow that its creator executes, else from the first claim, which the store notes in that very statement.
"""

from __future__ import annotations

import math

from holdfast.core.data import dataclass
from holdfast.core.options import StartOptions
from holdfast.runtime.definitions import WorkflowDefinition


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeLimits:
    """What is recorded with a new workflow."""

    deadline_at: float | None
    timeout: float | None
    """As it was given."""


def time_limits(
    definition: WorkflowDefinition,
    options: StartOptions,
    now: float,
    *,
    begins_now: bool,
    inherited: float | None = None,
) -> TimeLimits:
    """Combine what the start, the decorator and the parent say: the earliest counts."""
    timeout = definition.options.timeout if options.timeout is None else options.timeout
    if timeout is not None and math.isinf(timeout):
        timeout = None
    inherits = definition.options.inherit_deadline if options.inherit_deadline is None else options.inherit_deadline
    deadline_at = earliest(options.deadline_at, inherited if inherits else None)
    if begins_now and timeout is not None:
        deadline_at = earliest(deadline_at, now + timeout)
    return TimeLimits(deadline_at=deadline_at, timeout=timeout)


def earliest(*times: float | None) -> float | None:
    """Return the earliest of the times that there are."""
    return min((time for time in times if time is not None), default=None)
