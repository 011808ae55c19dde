"""What is read of schedules: the same named queries and rows for both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.core.schedule import ScheduleRecord
from holdfast.store import schedule_rows


class ScheduleReads(ABC):
    """The part of a store that reads schedules, whose contract is in `holdfast.store.base.Store`."""

    @abstractmethod
    def _read(self, query: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a named query and give its rows. Raises `StoreUnavailable`."""

    @abstractmethod
    def _texts(self, texts: Iterable[str]) -> Any:
        """Bind many texts as one value."""

    def schedule(self, name: str) -> ScheduleRecord | None:
        """Read a schedule."""
        found = self._read("schedule", name=name)
        return schedule_rows.schedule(found[0]) if found else None

    def schedules(self) -> list[ScheduleRecord]:
        """List all schedules by name."""
        return [schedule_rows.schedule(row) for row in self._read("schedules")]

    def upcoming_schedules(self, names: Sequence[str], limit: int) -> list[ScheduleRecord]:
        """List schedules that will tick, the next one first."""
        found = self._read("upcoming_schedules", names=self._texts(names), limit=limit)
        return [schedule_rows.schedule(row) for row in found]
