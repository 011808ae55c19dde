"""Branches that leave memory because they wait: their code is unwound, and does nothing durable on its way out."""

from __future__ import annotations

from holdfast.core.replay import is_within
from holdfast.runtime.control import Suspended


class Unwinding:
    """The branches of one workflow that are being unwound, with what each of them waits for.

    A `finally` in workflow code runs when the workflow is suspended, too. What it asks for there is for later: the
    replay comes to the same place with what the wait has given.
    """

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: dict[str, Suspended] = {}

    def begins(self, branch: str, suspended: Suspended) -> Suspended:
        """Take note that a branch is about to be unwound; return the exception, to be raised."""
        self._left.pop(branch, None)
        self._left[branch] = suspended
        return suspended

    def check(self, branch: str) -> None:
        """Raise what a branch is unwound by: its own, or that of one within it, the outermost of them."""
        if self._left:
            for left, suspended in reversed(list(self._left.items())):
                if is_within(left, branch):
                    raise suspended
