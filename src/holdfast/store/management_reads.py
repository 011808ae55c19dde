"""What management reads: lists by filter, counts, and all that belongs to a workflow. The same for both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from holdfast.core.archive import Contents, StoredEvent, StoredItem, StoredMessage
from holdfast.core.management import Lineage, WorkflowCount
from holdfast.core.model import Status, WorkflowFilter, WorkflowRecord
from holdfast.store import rows
from holdfast.store.listing import listing


class ManagementReads(ABC):
    """The part of a store that management reads, whose contract is in `holdfast.store.base.Store`."""

    @abstractmethod
    def _read(self, query: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a named query and give its rows. Raises `StoreUnavailable`."""

    @abstractmethod
    def _texts(self, texts: Iterable[str]) -> Any:
        """Bind many texts as one value."""

    def list_workflows(self, where: WorkflowFilter) -> list[WorkflowRecord]:
        """List workflows, newest first."""
        query, values = listing(where, self._texts)
        return [rows.workflow_record(row) for row in self._read(query, **values)]

    def count_workflows(self) -> list[WorkflowCount]:
        """Count all workflows."""
        return [
            WorkflowCount(status=Status(status), name=name, queue=queue, count=count, oldest_at=oldest_at)
            for status, name, queue, count, oldest_at in self._read("count_workflows")
        ]

    def attributes(self, workflow_id: str) -> dict[str, str]:
        """Read a workflow's attributes."""
        return dict(self._read("attributes", workflow_id=workflow_id))

    def lineage(self, workflow_id: str) -> Lineage | None:
        """Read where a fork comes from."""
        for forked_from, forked_step, forked_at in self._read("lineage", workflow_id=workflow_id):
            return Lineage(forked_from=forked_from, forked_step=forked_step, forked_at=forked_at)
        return None

    def forks(self, workflow_id: str) -> list[str]:
        """List the forks of a workflow."""
        return [fork for (fork,) in self._read("forks", workflow_id=workflow_id)]

    def tree(self, workflow_id: str) -> list[str]:
        """List a workflow's id and those of its descendants."""
        return [each for (each,) in self._read("tree", workflow_id=workflow_id)]

    def contents(self, workflow_id: str) -> Contents:
        """Read all that belongs to a workflow."""
        # The journal first: what comes in meanwhile is then there without its checkpoint, never the other way round.
        journal = tuple(rows.journal(workflow_id, self._read("journal", workflow_id=workflow_id)))
        return Contents(
            journal=journal,
            messages=tuple(
                StoredMessage(
                    message_id=row[0], topic=row[1], body=row[2], sent_at=row[3], sender_id=row[4], consumed_by=row[5]
                )
                for row in self._read("messages", workflow_id=workflow_id)
            ),
            events=tuple(
                StoredEvent(name=row[0], value=row[1], write_id=row[2], version=row[3], set_at=row[4])
                for row in self._read("events", workflow_id=workflow_id)
            ),
            event_writes=tuple(each for (each,) in self._read("event_writes", workflow_id=workflow_id)),
            stream_items=tuple(
                StoredItem(stream=row[0], offset=row[1], value=row[2], write_id=row[3])
                for row in self._read("stream_items", workflow_id=workflow_id)
            ),
            attributes=tuple(self.attributes(workflow_id).items()),
            lineage=self.lineage(workflow_id),
        )

    def ended_before(self, status: Status, before: float, limit: int) -> list[str]:
        """List what ended so before a time and can be deleted."""
        found = self._read("ended_before", status=status.value, before=before, limit=limit)
        return [workflow_id for (workflow_id,) in found]
