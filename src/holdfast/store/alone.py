"""Commits of one small unit: a workflow's creation, one checkpoint, the last checkpoint with the outcome.

A workflow that runs by itself makes no others, so each store has a shorter way for them, with the same effect. Where a
condition of it does not hold nothing is written, and the store's way for any batch finds out why.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from holdfast.core.model import Checkpoint, Fence, NewWorkflow
from holdfast.store.writes import Committed, Create, Finish, Record, Unit


class Alone(ABC):
    """One store's shorter way. Each method writes what it is named after, or writes nothing and returns None."""

    __slots__ = ()

    def write(self, units: Sequence[Unit]) -> Committed | None:
        """Write a batch of one such unit; None, with nothing written, if it is no such unit or needs a closer look."""
        if len(units) != 1:
            return None
        [unit] = units
        match unit.fence, unit.writes:
            case Fence() as fence, (Record(checkpoint=checkpoint),):
                return self.record(fence, checkpoint)
            case Fence() as fence, (Record(checkpoint=checkpoint), Finish() as finish):
                return self.finish(fence, checkpoint, finish)
            case Fence() as fence, (Finish() as finish,):
                return self.finish(fence, None, finish)
            case Fence(workflow_id=workflow_id, epoch=1), (Create(workflow=new),) if new.workflow_id == workflow_id:
                return None if new.owner is None else self.create(new)
            case _:
                return None

    @abstractmethod
    def record(self, fence: Fence, checkpoint: Checkpoint) -> Committed | None:
        """Write one checkpoint."""

    @abstractmethod
    def create(self, new: NewWorkflow) -> Committed | None:
        """Create a workflow that its creator runs."""

    @abstractmethod
    def finish(self, fence: Fence, checkpoint: Checkpoint | None, finish: Finish) -> Committed | None:
        """Write the outcome, with the last checkpoint if there is one."""
