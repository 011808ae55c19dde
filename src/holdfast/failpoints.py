"""Named points around every write and every effect, at which a test can make a process die, stop or fail.

`reached(point)` does nothing, at the cost of one look at a global, until a hook is installed: by a test in its own
process with `installed`, or in another process by the environment, for which see `holdfast.testing`. The idea is
FreeBSD's fail(9), by way of the fail points of TiKV.

The names of all points are in `POINTS`, so that a matrix over them cannot forget one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

Hook = Callable[[str, Any], object]
"""Called with the name of each point that is passed and what it is about, in the thread that passes it.

What it raises comes out there.
"""

POINTS: Mapping[str, str] = MappingProxyType(
    {
        "commit.before": "a batch of units is about to be sent to the database",
        "commit.written": "on SQLite, the rows of a transaction are written and not committed",
        "commit.after": "a batch of units is committed, and nobody has been told",
        "transaction.before": "a transaction of the application's is about to begin",
        "transaction.ran": "its body has ended, and nothing of it is committed",
        "transaction.after": "it is committed, and its workflow has not been told",
        "step.before": "a step's body is about to run",
        "step.after": "a step's body has ended, and its outcome is not recorded",
        "workflow.before": "a workflow's function is about to be called, for the first time or again",
        "workflow.after": "a workflow's function has ended, and its outcome is not recorded",
        "workflow.ended": "a workflow's outcome is written, and whoever waits for it here has not been told",
        "step.failed": "a step's body has raised, and neither another try nor the outcome is decided",
        "suspend.before": "a workflow is unwound, and not recorded as suspended",
        "suspend.after": "it is recorded as suspended, or what it waits for has come meanwhile",
        "timer.due": "the end of a wait has come, and nothing says so yet",
        "message.sent": "a message is in the mailbox, and its sender's journal does not know",
        "message.received": "a message is taken from the mailbox, or the time for it was up, and neither is durable",
        "cancel.written": "a cancellation is written, and no workflow in memory has heard of it",
        "cancel.heard": "a workflow's code is about to hear of its cancellation",
        "undo.before": "a step is about to be undone",
        "undo.after": "it is undone, and the next one has not begun",
        "claim.after": "workflows are claimed by this process, and none of them is loaded",
        "claim.loaded": "a claimed workflow's journal is loaded, and its function is not called yet",
        "heartbeat.before": "a heartbeat is about to be written",
        "heartbeat.after": "it is written, and nobody has looked for the dead",
        "takeover.before": "a worker is seen to be dead, and still owns its workflows",
        "takeover.after": "its workflows are enqueued",
        "tick.before": "schedules are due, and nothing is started",
        "tick.after": "a schedule has moved on, and its workflow is enqueued",
        "migration.before": "a change of the schema is about to be made",
        "migration.after": "a change of the schema is made and not committed",
    }
)
"""Every point's name, and the instant it stands for."""

_hook: Hook | None = None


def reached(point: str, about: Any = None) -> None:
    """Tell the hook, if there is one, that this thread has come to `point`, a name in `POINTS`.

    `about` is the units of a commit, the `StepInfo` of a step, the id of a workflow or worker, the name of a
    transaction or schedule, the workflows of a claim, the step that is undone, or the number of a migration.
    """
    if _hook is not None:
        _hook(point, about)


@contextmanager
def installed(hook: Hook) -> Iterator[None]:
    """Have `hook` called at every point, for as long as the block runs; the one installed before comes back then."""
    global _hook  # noqa: PLW0603 - one process has one set of points
    before, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = before


def install(hook: Hook) -> None:
    """Have `hook` called at every point from now on, for the rest of the process."""
    global _hook  # noqa: PLW0603 - one process has one set of points
    _hook = hook
