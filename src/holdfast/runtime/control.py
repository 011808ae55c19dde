"""Control flow that user code must not catch: what unwinds a workflow's stack without being its outcome.

All derive from `BaseException`, so that `except Exception` in user code and frameworks lets them pass.
"""

from __future__ import annotations

from holdfast.core.model import WaitOn
from holdfast.core.replay import Mismatch


class Unwind(BaseException):
    """The workflow leaves memory; its stack is dropped."""


class Suspended(Unwind):
    """It waits for something that has not come; it is replayed when that comes."""

    def __init__(self, wake_at: float | None, waits: tuple[WaitOn, ...]) -> None:
        self.wake_at, self.waits = wake_at, waits
        super().__init__("the workflow waits; do not catch BaseException without raising it again")


class Lost(Unwind):
    """Another worker owns the workflow now: this process stops it silently."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"workflow {workflow_id!r} belongs to another worker now")


class Diverged(Unwind):
    """The code asks for something else than the journal holds; the workflow is set aside as blocked."""

    def __init__(self, mismatch: Mismatch, where: str) -> None:
        self.mismatch, self.where = mismatch, where
        super().__init__(f"{mismatch} (at {where})")


class Unreadable(Unwind):
    """What was recorded for an operation can't be decoded; the workflow is set aside as blocked."""

    def __init__(self, step_id: str, error: Exception, where: str) -> None:
        self.step_id, self.error, self.where = step_id, error, where
        super().__init__(f"what is recorded for {step_id!r} can't be read: {type(error).__name__}: {error}")


class CodeEnded(Unwind):
    """The workflow's code has failed or was cancelled, and what it did is being undone: it begins nothing more."""

    def __init__(self) -> None:
        super().__init__("the workflow has ended and undoes what it did; its code does nothing more")


class Halted(Unwind):
    """The undoing needs a person; the workflow is set aside as blocked."""

    def __init__(self, report: dict[str, str], in_short: str) -> None:
        self.report = report
        super().__init__(f"the undoing has halted: {in_short}")


class Released(Unwind):
    """This process shuts down; the workflow goes back to the queue."""

    def __init__(self) -> None:
        super().__init__("this Holdfast application shuts down; the workflow goes on elsewhere or after the restart")
