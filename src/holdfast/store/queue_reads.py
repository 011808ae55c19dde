"""What is read of queues outside of commits."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.queues import QueueState
from holdfast.store import rows
from holdfast.store.reads import ReadingStore


class QueueReads(ReadingStore):
    """The part of a store that reads queues; its contract is in `holdfast.store.base.Store`."""

    def queues(self) -> list[QueueState]:
        """Read all queues as they stand, by name."""
        return [rows.queue_state(row) for row in self._read("queue_states", now=self._bound_now())]

    def queue_names(self) -> list[str]:
        """Read the names of all queues."""
        return [name for (name,) in self._read("queue_names")]

    def next_due_in_queues(
        self,
        names: Sequence[str],
        queues: Sequence[str] | None,
        *,
        after: float,
        pinned: Sequence[tuple[str, str]] = (),
    ) -> float | None:
        """Tell when a queue has more to give than before."""
        wanted = None if queues is None else self._texts(queues)
        known = {"names": self._texts(names), **rows.pinned_values(pinned, self._texts)}
        [(due,)] = self._read("next_due_in_queues", queues=wanted, after=after, **known)
        return None if due is None else float(due)
