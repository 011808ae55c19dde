"""To which parts of a workflow's code its cancellation is raised: once in each branch that was open when it came.

The branches around one that hears of it hear through its exception, and those within it belong to it; what is opened
afterwards is for cleaning up, and hears nothing. Each place is recorded, so that a replay raises it there again. Not
thread-safe.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.core.model import Kind
from holdfast.core.replay import CANCEL_ID, Journal, Operation, is_within

_NONE: frozenset[str] = frozenset()


class Delivery:
    """Who has heard of the cancellation, and who has not."""

    __slots__ = ("_has_begun", "_not_told", "_open", "_recorded", "is_heard")

    def __init__(self, journal: Journal) -> None:
        recorded = journal.of_kind(Kind.CANCEL)
        # Sets are made where there is something to put in: nearly no workflow is cancelled, or has branches.
        self._recorded = frozenset(each.digest for each in recorded) if recorded else _NONE
        """The operations at which it was raised, as far as the replay has not come there."""
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

    def was_at(self, operation: Operation) -> bool:
        """Tell whether it was raised at this operation before, and is to be raised there again now."""
        if operation.step_id not in self._recorded:
            return False
        self._recorded -= {operation.step_id}
        self._tell(operation.branch)
        return True

    def due_in(self, branch: str) -> bool:
        """Tell whether a cancellation that was asked for is to be raised in this branch."""
        return not self.is_heard or any(is_within(branch, each) for each in self._not_told)

    def begin_in(self, branch: str) -> str:
        """Note that it is raised in a branch; return the identity under which that is recorded."""
        is_first = not self.is_heard
        self._tell(branch)
        return CANCEL_ID if is_first else f"{CANCEL_ID}[{branch}]"

    def _tell(self, branch: str) -> None:
        if not self._has_begun:
            self._has_begun = self.is_heard = True
            self._not_told = self._open
        self._not_told = frozenset(
            each for each in self._not_told if not is_within(each, branch) and not is_within(branch, each)
        )
