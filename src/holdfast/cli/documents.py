"""Workflows, checkpoints and what belongs to them as documents for programs, and as phrases for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from holdfast.cli.output import at, iso
from holdfast.core.management import Lineage
from holdfast.core.model import Approval, AuditEntry, Checkpoint, Kind, Status, WaitOn, WorkerRecord, WorkflowRecord

_APPROVAL_TOPIC = "approval:"


def payload(text: str | None) -> Any:
    """Read a recorded value as JSON; one that a payload codec sealed stays a text. Nothing is ever constructed."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def workflow_document(record: WorkflowRecord, *, payloads: bool = True) -> dict[str, Any]:
    """Describe a workflow."""
    document: dict[str, Any] = {
        "id": record.workflow_id,
        "name": record.name,
        "status": record.status.value,
        "version": record.version,
        "created_at": iso(record.created_at),
        "finished_at": iso(record.finished_at),
        "wake_at": iso(record.wake_at or None),
        "deadline_at": iso(record.deadline_at),
        "cancel_asked_at": iso(record.cancel_at),
        "parent_id": record.parent_id,
        "queue": record.queue,
        "priority": record.priority,
        "worker": record.owner,
        "epoch": record.epoch,
        "crashes": record.crashes,
    }
    if payloads:
        document |= {
            "input": payload(record.input),
            "output": payload(record.output),
            "error": payload(record.error),
            "report": payload(record.report),
        }
    return document


def lineage_document(lineage: Lineage | None) -> dict[str, Any] | None:
    """Describe where a fork comes from."""
    if lineage is None:
        return None
    return {
        "forked_from": lineage.forked_from,
        "forked_step": lineage.forked_step,
        "forked_at": iso(lineage.forked_at),
    }


def checkpoint_document(checkpoint: Checkpoint) -> dict[str, Any]:
    """Describe a checkpoint."""
    return {
        "step_id": checkpoint.step_id,
        "branch": checkpoint.branch,
        "name": checkpoint.name,
        "kind": checkpoint.kind.value,
        "seq": checkpoint.seq,
        "attempts": checkpoint.attempts,
        "attempt_errors": payload(checkpoint.attempt_errors),
        "started_at": iso(checkpoint.started_at),
        "finished_at": iso(checkpoint.finished_at),
        "seconds": round(checkpoint.finished_at - checkpoint.started_at, 6),
        "output": payload(checkpoint.output),
        "error": payload(checkpoint.error),
    }


def wait_document(wait: WaitOn) -> dict[str, Any]:
    """Describe what a suspended workflow waits for."""
    return {"for": wait.kind.value, "workflow_id": wait.workflow_id, "name": wait.name}


def worker_document(worker: WorkerRecord, now: float) -> dict[str, Any]:
    """Describe a worker."""
    return {
        "id": worker.worker_id,
        "host": worker.host.partition("/")[0],
        "pid": worker.pid,
        "started_at": iso(worker.started_at),
        "heartbeat_at": iso(worker.heartbeat_at),
        "lease_ended": worker.lease_until < now,
        "suspect_id": worker.suspect_id,
    }


def approval_document(approval: Approval) -> dict[str, Any]:
    """Describe an approval."""
    document = asdict(approval)
    document |= {name: iso(document[name]) for name in ("requested_at", "expires_at", "decided_at")}
    return {**document, "id": document.pop("approval_id"), "details": payload(approval.details)}


def audit_document(entry: AuditEntry) -> dict[str, Any]:
    """Describe a line of an audit trail."""
    return {"at": iso(entry.at), "event": entry.event, "actor": entry.actor, "detail": entry.detail}


def wait_phrase(wait: WaitOn) -> str:
    """Say what a workflow waits for."""
    if wait.kind is Kind.RECEIVE and wait.name.startswith(_APPROVAL_TOPIC):
        return f"a decision on approval {wait.name.removeprefix(_APPROVAL_TOPIC)}"
    if wait.kind is Kind.RECEIVE:
        return f"a message on topic {wait.name!r}" if wait.name else "a message"
    if wait.kind is Kind.GET_EVENT:
        return f"event {wait.name!r} of {wait.workflow_id}"
    return f"the outcome of {wait.workflow_id}"


def standing(record: WorkflowRecord, waits: list[WaitOn], now: float) -> str:
    """Say in a few words what a workflow is waiting for or doing; empty if it has ended."""
    match record.status:
        case Status.ENQUEUED if record.wake_at is not None and record.wake_at > now:
            said = f"its time: {at(record.wake_at, now)}"
        case Status.ENQUEUED:
            said = "a free worker" if record.queue is None else f"its turn in queue {record.queue}"
        case Status.SUSPENDED:
            said = _suspended(waits, None if record.wake_at is None else at(record.wake_at, now))
        case Status.BLOCKED | Status.DEAD:
            said = "somebody to mend and resume it"
        case _:
            said = ""
    return said


def _suspended(waits: list[WaitOn], until: str | None) -> str:
    phrases = " or ".join(wait_phrase(wait) for wait in waits)
    if until is None:
        return phrases
    return f"{phrases} until {until}" if phrases else f"its time: {until}"


def error_phrase(text: str | None) -> str:
    """Say in one line what a recorded error says."""
    document = payload(text)
    if isinstance(document, dict) and "message" in document:
        name = str(document.get("type", "error")).rpartition(".")[2].rpartition(":")[2]
        return f"{name}: {document['message']}"
    return text or ""


def report_phrase(text: str | None) -> str:
    """Say in one line why a workflow was set aside."""
    document = payload(text)
    if isinstance(document, dict):
        return "; ".join(f"{name}: {value}" for name, value in document.items() if value)
    return text or ""
