"""To which parts of a workflow's code its cancellation is raised: once in each branch that was open when it came.

The branches around one that hears of it hear through its exception, and those within it belong to it; what is opened
afterwards is for cleaning up, and hears nothing. Each place is recorded, so that a replay raises it there again. Not
thread-safe.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.core.data import dataclass
from holdfast.core.model import Checkpoint, Kind
from holdfast.core.replay import CANCEL_ID, Journal, Operation, is_within
from holdfast.runtime.interruption import Interruption

_NONE: frozenset[str] = frozenset()
_NO_MARKS: dict[str, Checkpoint] = {}
AWAITED = '"awaited"'
"""The output of a mark that says: it was raised in what was awaited, outside of operations, before this one."""


@dataclass(frozen=True, slots=True)
class Heard:
    """That a branch hears of it, which is to be recorded."""

    mark: Operation
    awaited: bool
    """It was raised in what the code awaited before this operation; else it is to be raised now."""


class Delivery:
    """Who has heard of the cancellation, and who has not."""

    __slots__ = ("_has_begun", "_interruption", "_not_told", "_open", "_recorded", "is_heard")

    def __init__(self, journal: Journal, interruption: Interruption) -> None:
        self._interruption = interruption
        recorded = sorted(journal.of_kind(Kind.CANCEL), key=lambda mark: mark.seq)
        # Sets are made where there is something to put in: nearly no workflow is cancelled, or has branches.
        self._recorded = {each.digest: each for each in recorded} if recorded else _NO_MARKS
        """By the operations at which it was raised, as far as the replay has not come there."""
        self.is_heard = bool(recorded)
        """Whether the code has heard of it, now or before."""
        self._has_begun = False
        self._open = _NONE
        self._not_told = _NONE

    @property
    def is_complete(self) -> bool:
        """Whether there is nobody left to tell."""
        return self.is_heard and not self._not_told

    def opened(self, branches: Iterable[str]) -> None:
        """Note branches that run beside others from now on."""
        self._open |= frozenset(branches)

    def closed(self, branches: Iterable[str]) -> None:
        """Note branches that have ended."""
        ended = frozenset(branches)
        self._open -= ended
        self._not_told -= ended

    def was_at(self, operation: Operation, runner: object) -> Checkpoint | None:
        """Return the mark that says that it was heard at this operation before, and so is now.

        `runner` is the task or thread that asks for it.
        """
        mark = self._recorded.pop(operation.step_id, None)
        if mark is None:
            return None
        if mark.output == AWAITED and not self._interruption.has_come(runner):
            # What the code awaited came before it could be interrupted: this branch has still to hear.
            self._not_told |= {operation.branch}
            return None
        self._interruption.has_heard(runner)
        self._tell(operation.branch)
        return mark

    def due_in(self, branch: str) -> bool:
        """Tell whether a cancellation that was asked for is to be raised at an operation in this branch."""
        return not self.is_heard or any(is_within(branch, each) for each in self._not_told)

    def may_interrupt(self, branch: str) -> bool:
        """Tell whether this branch has still to hear of it, and not at an operation, as in a former stay."""
        if any(mark.output != AWAITED and is_within(mark.branch, branch) for mark in self._recorded.values()):
            return False
        return not self._has_begun or any(is_within(branch, each) for each in self._not_told)

    def hear_at(self, operation: Operation, runner: object, *, begins: bool) -> Heard | None:
        """Note that it is heard at an operation, if it is to be.

        `begins`: the code asks for the operation just now. Else it is in it: the interruption is turned into this.
        """
        awaited = begins and self._interruption.has_come(runner)
        if awaited:
            self._interruption.has_heard(runner)
        if not self.due_in(operation.branch) and (begins or not self._interruption.is_unheard(runner)):
            return None
        if not begins:
            self._interruption.was_turned(runner)
        how = "awaited before " if awaited else ""
        step_id = f"{CANCEL_ID}[{how}{operation.step_id}]" if self.is_heard else CANCEL_ID
        self._tell(operation.branch)
        mark = Operation(
            step_id=step_id, branch=operation.branch, name=CANCEL_ID, kind=Kind.CANCEL, digest=operation.step_id
        )
        return Heard(mark, awaited)

    def _tell(self, branch: str) -> None:
        if not self._has_begun:
            self._has_begun = self.is_heard = True
            self._not_told |= self._open
        self._not_told = frozenset(
            each for each in self._not_told if not is_within(each, branch) and not is_within(branch, each)
        )
