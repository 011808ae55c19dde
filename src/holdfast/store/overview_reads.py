"""What operators read: counts, workers, and what a suspended workflow waits for. For both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from holdfast.core.model import Kind, Status, WaitOn, WorkerRecord
from holdfast.store import rows
from holdfast.store.overview import Line, Overview


class OverviewReads(ABC):
    """The operators' half of a store's reads, whose contract is in `holdfast.store.base.Store`."""

    @abstractmethod
    def _read(self, query: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a named query and give its rows. Raises `StoreUnavailable`."""

    @abstractmethod
    def _texts(self, texts: Any) -> Any:
        """Bind many texts as one value."""

    @abstractmethod
    def _bound_now(self) -> float | None:
        """Return the time that queries are to go by; None: the database's own clock."""

    @abstractmethod
    def now(self) -> float:
        """Read the database's clock."""

    def overview(self) -> Overview:
        """Count what has not ended, by status and by queue."""
        counts = dict.fromkeys((status for status in Status if not status.is_terminal), 0)
        counts |= {Status(status): count for status, count in self._read("status_counts")}
        lines = [
            Line(queue=queue or "", depth=depth, oldest_at=oldest_at)
            for queue, depth, oldest_at in self._read("line_counts", now=self._bound_now())
        ]
        return Overview(now=self.now(), counts=counts, lines=tuple(lines), workers=tuple(self.workers()))

    def workers(self) -> list[WorkerRecord]:
        """List the workers that nobody declared dead."""
        return [rows.worker(row) for row in self._read("live_workers")]

    def waits(self, workflow_id: str) -> list[WaitOn]:
        """Tell what a suspended workflow waits for."""
        found = self._read("waits", workflow_id=workflow_id)
        return [WaitOn(workflow_id=target_id, kind=Kind(kind), name=name) for target_id, kind, name in found]

    def has_work(self, names: Sequence[str], horizon: float) -> bool:
        """Tell whether a workflow is running, or one with one of these names is due within `horizon` seconds."""
        [(busy,)] = self._read("has_work", names=self._texts(names), horizon=horizon, now=self._bound_now())
        return bool(busy)
