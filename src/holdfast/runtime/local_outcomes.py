"""What became of workflows that run in this process, kept for those who hold their handles: no query is needed then.

An outcome is put here once it is durable, and never changes. Nothing here is needed for correctness: who finds nothing
asks the database.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

from holdfast.core.model import Outcome


class LocalOutcome:
    """A place for one workflow's outcome. Lives as long as a handle."""

    __slots__ = ("__weakref__", "has_left", "outcome")

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.has_left = False
        """The workflow is not in memory any more, or not as it was begun: only the database knows more."""


class LocalOutcomes:
    """The places for outcomes, by workflow id."""

    def __init__(self) -> None:
        self._places: WeakValueDictionary[str, LocalOutcome] = WeakValueDictionary()

    def expect(self, workflow_id: str) -> LocalOutcome:
        """Make a place for a workflow that is about to begin in this process."""
        place = self._places[workflow_id] = LocalOutcome()
        return place

    def find(self, workflow_id: str) -> LocalOutcome | None:
        """Return the place of a workflow, if somebody still keeps it."""
        return self._places.get(workflow_id)

    def ended(self, workflow_id: str, outcome: Outcome) -> None:
        """Note an outcome that is durable."""
        place = self._places.get(workflow_id)
        if place is not None:
            place.outcome = outcome

    def left(self, workflow_id: str) -> bool:
        """Note that a workflow has left memory; tell whether somebody keeps its place."""
        place = self._places.get(workflow_id)
        if place is None:
            return False
        place.has_left = True
        return True
