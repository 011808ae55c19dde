"""What is read outside of commits. Each function gets the store's `read`: a query's name and values in, rows out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from holdfast.core.model import (
    Approval,
    AuditEntry,
    Checkpoint,
    Claimed,
    Outcome,
    StreamItem,
    WorkflowFilter,
    WorkflowRecord,
)
from holdfast.store import rows
from holdfast.store.sqlite.ledger import as_json


class Read(Protocol):
    """Run a named query and give its rows."""

    def __call__(self, query: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Raise `StoreUnavailable` where the database is away."""


def claimed(read: Read, workflow_ids: Sequence[str]) -> list[Claimed]:
    """Load workflows with their journals, in the order asked for."""
    wanted = as_json(workflow_ids)
    records = {row[0]: rows.workflow_record(row) for row in read("workflows_by_id", workflow_ids=wanted)}
    journals: defaultdict[str, list[Checkpoint]] = defaultdict(list)
    for workflow_id, *row in read("journals", workflow_ids=wanted):
        journals[workflow_id].append(rows.checkpoint(row))
    found = [workflow_id for workflow_id in dict.fromkeys(workflow_ids) if workflow_id in records]
    return [Claimed(record=records[each], journal=tuple(journals[each])) for each in found]


def workflow(read: Read, workflow_id: str) -> WorkflowRecord | None:
    """Read one workflow."""
    found = read("workflow", workflow_id=workflow_id)
    return rows.workflow_record(found[0]) if found else None


def list_workflows(read: Read, where: WorkflowFilter) -> list[WorkflowRecord]:
    """List workflows, newest first."""
    before_at, before_id = where.before or (None, None)
    values: dict[str, Any] = {
        "statuses": None if where.status is None else as_json(status.value for status in where.status),
        "name": where.name,
        "id_prefix": where.id_prefix,
        "created_after": where.created_after,
        "created_before": where.created_before,
        "before_at": before_at,
        "before_id": before_id,
        "limit": where.limit,
    }
    if where.parent_id is None:
        found = read("list_workflows", **values)
    else:
        found = read("list_children", parent_id=where.parent_id, **values)
    return [rows.workflow_record(row) for row in found]


def outcomes(read: Read, workflow_ids: Sequence[str]) -> dict[str, Outcome]:
    """Read outcomes, and what was set aside."""
    found = read("outcomes", workflow_ids=as_json(workflow_ids))
    return {workflow_id: rows.outcome(row) for workflow_id, *row in found}


def journal(read: Read, workflow_id: str) -> list[Checkpoint]:
    """Read a journal in the order of recording."""
    return [rows.checkpoint(row) for row in read("journal", workflow_id=workflow_id)]


def event(read: Read, workflow_id: str, name: str) -> str | None:
    """Read an event's value."""
    found = read("event", workflow_id=workflow_id, name=name)
    return found[0][0] if found else None


def stream(read: Read, workflow_id: str, name: str, *, offset: int, limit: int) -> list[StreamItem]:
    """Read a stream's items from an offset on."""
    found = read("stream", workflow_id=workflow_id, stream=name, offset=offset, limit=limit)
    return [rows.stream_item(row) for row in found]


def next_due(read: Read, names: Sequence[str], now: float) -> float | None:
    """Tell when the next suspended or delayed workflow is due."""
    [(due,)] = read("next_due", names=as_json(names), now=now)
    return None if due is None else float(due)


def count_unknown(read: Read, names: Sequence[str]) -> dict[str, int]:
    """Count enqueued workflows whose names are not among these."""
    return dict(read("count_unknown", names=as_json(names)))


def cancelled_by_others(read: Read, worker_id: str) -> list[str]:
    """List what a worker runs and should cancel."""
    return [workflow_id for (workflow_id,) in read("cancelled_by_others", worker_id=worker_id)]


def approval(read: Read, approval_id: str) -> Approval | None:
    """Read an approval."""
    found = read("approval", approval_id=approval_id)
    return rows.approval(found[0]) if found else None


def approval_by_token(read: Read, token_hash: str) -> tuple[Approval, str] | None:
    """Find the approval and the recipient of a link."""
    found = read("approval_by_token", token_hash=token_hash)
    return (rows.approval(found[0]), found[0][13]) if found else None


def approvals(read: Read, *, status: str | None, workflow_id: str | None, limit: int) -> list[Approval]:
    """List approvals, newest first."""
    found = read("approvals", status=status, workflow_id=workflow_id, limit=limit)
    return [rows.approval(row) for row in found]


def audit(read: Read, approval_id: str) -> list[AuditEntry]:
    """Read an audit trail in order."""
    return [rows.audit_entry(row) for row in read("audit", approval_id=approval_id)]
