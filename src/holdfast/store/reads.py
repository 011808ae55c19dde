"""What is read outside of commits: the same named queries and rows for both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.core.model import (
    Approval,
    AuditEntry,
    Checkpoint,
    Claimed,
    MailboxMessage,
    Outcome,
    StreamItem,
    VersionCount,
    WorkflowRecord,
)
from holdfast.store import rows


class ReadingStore(ABC):
    """The reading half of a store, whose contract is in `holdfast.store.base.Store`."""

    @abstractmethod
    def _read(self, query: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a named query and give its rows. Raises `StoreUnavailable`."""

    @abstractmethod
    def _texts(self, texts: Iterable[str]) -> Any:
        """Bind many texts as one value, in the form that the dialect's queries take apart."""

    @abstractmethod
    def _bound_now(self) -> float | None:
        """Return the time that queries are to go by; None: the database's own clock."""

    def claimed(self, workflow_ids: Sequence[str]) -> list[Claimed]:
        """Load workflows with their journals, in the order asked for."""
        wanted = self._texts(workflow_ids)
        records = {row[0]: rows.workflow_record(row) for row in self._read("workflows_by_id", workflow_ids=wanted)}
        journals: defaultdict[str, list[Checkpoint]] = defaultdict(list)
        damage: dict[str, str] = {}
        for workflow_id, *row in self._read("journals", workflow_ids=wanted):
            try:
                journals[workflow_id].append(rows.checkpoint(row))
            except ValueError as error:
                damage.setdefault(workflow_id, f"{row[0]!r}: {error}")
        found = [workflow_id for workflow_id in dict.fromkeys(workflow_ids) if workflow_id in records]
        return [Claimed(record=records[each], journal=tuple(journals[each]), damage=damage.get(each)) for each in found]

    def get_workflow(self, workflow_id: str) -> WorkflowRecord | None:
        """Read one workflow."""
        found = self._read("workflow", workflow_id=workflow_id)
        return rows.workflow_record(found[0]) if found else None

    def outcomes(self, workflow_ids: Sequence[str]) -> dict[str, Outcome]:
        """Read outcomes, and what was set aside."""
        found = self._read("outcomes", workflow_ids=self._texts(workflow_ids))
        return {workflow_id: rows.outcome(row) for workflow_id, *row in found}

    def journal(self, workflow_id: str) -> list[Checkpoint]:
        """Read a journal in the order of recording."""
        return rows.journal(workflow_id, self._read("journal", workflow_id=workflow_id))

    def mailbox(self, workflow_id: str, topic: str, limit: int) -> list[MailboxMessage]:
        """Read the oldest messages of a topic that are not consumed."""
        found = self._read("mailbox", workflow_id=workflow_id, topic=topic, limit=limit)
        return [MailboxMessage(message_id=message_id, body=body) for message_id, body in found]

    def event(self, workflow_id: str, name: str) -> str | None:
        """Read an event's value."""
        found = self._read("event", workflow_id=workflow_id, name=name)
        return found[0][0] if found else None

    def stream(self, workflow_id: str, stream: str, offset: int, limit: int) -> list[StreamItem]:
        """Read a stream's items from an offset on."""
        found = self._read("stream", workflow_id=workflow_id, stream=stream, offset=offset, limit=limit)
        return [rows.stream_item(row) for row in found]

    def next_due(self, names: Sequence[str], pinned: Sequence[tuple[str, str]] = (), *, after: float) -> float | None:
        """Tell when the next suspended or delayed workflow is due."""
        pins = rows.pinned_values(pinned, self._texts)
        [(due,)] = self._read("next_due", names=self._texts(names), after=after, **pins)
        return None if due is None else float(due)

    def accused_wait(self, names: Sequence[str], accused_from: int) -> bool:
        """Tell whether one with so many crashes or more waits to be claimed."""
        [(found,)] = self._read("accused_wait", names=self._texts(names), accused_from=accused_from)
        return bool(found)

    def count_unknown(self, names: Sequence[str], queues: Sequence[str] | None = None) -> dict[str, int]:
        """Count enqueued workflows whose names are not among these."""
        wanted = None if queues is None else self._texts(queues)
        return dict(self._read("count_unknown", names=self._texts(names), queues=wanted))

    def count_other_versions(self, pinned: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Count enqueued workflows with a pinned name under a version that is not pinned here."""
        found = self._read("count_other_versions", **rows.pinned_values(pinned, self._texts))
        return {(name, version): count for name, version, count in found}

    def unfinished_versions(self) -> list[VersionCount]:
        """Count unfinished workflows by name and version."""
        return [rows.version_count(row) for row in self._read("unfinished_versions")]

    def cancelled_by_others(self, worker_id: str) -> list[str]:
        """List what a worker runs and is asked to cancel."""
        return [workflow_id for (workflow_id,) in self._read("cancelled_by_others", worker_id=worker_id)]

    def approval(self, approval_id: str) -> Approval | None:
        """Read an approval."""
        found = self._read("approval", approval_id=approval_id)
        return rows.approval(found[0]) if found else None

    def approval_by_token(self, token_hash: str) -> tuple[Approval, str] | None:
        """Find the approval and the recipient that a link's token hash belongs to."""
        found = self._read("approval_by_token", token_hash=token_hash)
        return (rows.approval(found[0]), found[0][13]) if found else None

    def approvals(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 100
    ) -> list[Approval]:
        """List approvals, newest first."""
        found = self._read("approvals", status=status, workflow_id=workflow_id, limit=limit)
        return [rows.approval(row) for row in found]

    def audit(self, approval_id: str) -> list[AuditEntry]:
        """Read an audit trail in order."""
        return [rows.audit_entry(row) for row in self._read("audit", approval_id=approval_id)]
