"""Which workflow, branch and step the running code is in: the one ContextVar."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextvars import ContextVar
from typing import TYPE_CHECKING

from holdfast.core.data import dataclass
from holdfast.errors import OutsideWorkflow, UsageError

if TYPE_CHECKING:
    from holdfast.runtime.execution import Execution


@dataclass(frozen=True, kw_only=True, slots=True)
class StepInfo:
    """What a step's body may ask about itself."""

    workflow_id: str
    name: str
    attempt: int
    """From 1; counted anew after a crash."""
    idempotency_key: str
    """The same for every attempt and every replay: hand it to payment providers and the like."""


@dataclass(eq=False, slots=True)
class Frame:
    """A place in a workflow's code. Copied contexts share it, so what it refers to is shared too."""

    execution: Execution
    branch: str
    runner: object
    """The asyncio task or thread that runs this branch."""
    step: StepInfo | None = None
    foreign: bool = False
    """A thread or task that the engine did not start: it must wait in memory."""
    _counts: Counter[str] | None = None
    """How often the step's body has sent, started, … so far: names what it does the same way in every attempt."""

    def next_in_step(self, what: str) -> int:
        """Count one more `what` in this step's body; from 1."""
        if self._counts is None:
            self._counts = Counter()
        self._counts[what] += 1
        return self._counts[what]


current: ContextVar[Frame | None] = ContextVar("holdfast_frame", default=None)


def runner_here() -> object:
    """Name the asyncio task, or else the thread, that is running."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - documented; get_running_loop() raises, which costs a microsecond
    if loop is not None:
        task = asyncio.current_task(loop)
        if task is not None:
            return task
    return threading.get_ident()


def workflow_frame(verb: str) -> Frame:
    """Return the frame for a verb that works in workflow code only. Raises `OutsideWorkflow`, `UsageError`."""
    frame = current.get()
    if frame is None:
        raise OutsideWorkflow(verb)
    if frame.step is not None:
        raise UsageError(
            f"{verb} does not work inside step {frame.step.name!r}: a step is one recorded unit. "
            f"Call it in the workflow's code (workflow {frame.execution.workflow_id!r})"
        )
    return frame
