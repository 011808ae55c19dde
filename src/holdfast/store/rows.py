"""Rows to records. Both stores select the columns in the order that is written down here.

A row is a plain tuple, the drivers' fastest; the order of columns is the order of the record's fields unless a function
says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from holdfast.core.model import (
    Approval,
    AuditEntry,
    Checkpoint,
    Kind,
    Outcome,
    Status,
    StreamItem,
    VersionCount,
    WorkerRecord,
    WorkflowRecord,
)
from holdfast.core.queues import Queue, QueueState, Rate
from holdfast.errors import DamagedRecord

Row = Sequence[Any]


def workflow_record(row: Row) -> WorkflowRecord:
    """Make a workflow from the columns of `holdfast_records`, which are its fields in order. Raises `DamagedRecord`."""
    try:
        status = Status(row[2])
    except ValueError as error:
        raise DamagedRecord(row[0], str(error)) from error
    return WorkflowRecord(
        workflow_id=row[0],
        name=row[1],
        status=status,
        version=row[3],
        epoch=row[4],
        owner=row[5],
        parent_id=row[6],
        input=row[7],
        input_digest=row[8],
        request_id=row[9],
        created_at=row[10],
        wake_at=row[11],
        deadline_at=row[12],
        cancel_at=row[13],
        crashes=row[14],
        traceparent=row[15],
        queue=row[16],
        priority=row[17],
        output=row[18],
        error=row[19],
        finished_at=row[20],
        report=row[21],
        timeout=row[22],
        partition=row[23],
    )


def journal(workflow_id: str, found: Iterable[Row]) -> list[Checkpoint]:
    """Make a workflow's journal. Raises `DamagedRecord`."""
    checkpoints = []
    for row in found:
        try:
            checkpoints.append(checkpoint(row))
        except ValueError as error:
            raise DamagedRecord(workflow_id, f"{row[0]!r}: {error}") from error
    return checkpoints


def checkpoint(row: Row) -> Checkpoint:
    """Make a checkpoint from the columns of `holdfast_journal` after `workflow_id`. Raises `ValueError`."""
    return Checkpoint(
        step_id=row[0],
        branch=row[1],
        name=row[2],
        kind=Kind(row[3]),
        seq=row[4],
        digest=row[5],
        output=row[6],
        error=row[7],
        attempts=row[8],
        attempt_errors=row[9],
        started_at=row[10],
        finished_at=row[11],
    )


def checkpoint_values(workflow_id: str, recorded: Checkpoint) -> tuple[Any, ...]:
    """Return the columns of `holdfast_journal`, `workflow_id` first."""
    return (
        workflow_id,
        recorded.step_id,
        recorded.branch,
        recorded.name,
        recorded.kind._value_,
        recorded.seq,
        recorded.digest,
        recorded.output,
        recorded.error,
        recorded.attempts,
        recorded.attempt_errors,
        recorded.started_at,
        recorded.finished_at,
    )


def pinned_values(pinned: Iterable[tuple[str, str]], bind: Callable[[Iterable[str]], Any]) -> dict[str, Any]:
    """Return the two lists by which queries know pinned workflows: names, and names with versions in one text each.

    A line feed joins them: neither may hold one.
    """
    pairs = list(pinned)
    return {
        "pinned_names": bind(dict.fromkeys(name for name, _ in pairs)),
        "pinned": bind(f"{name}\n{version}" for name, version in pairs),
    }


def version_count(row: Row) -> VersionCount:
    """Make a count from its fields in order."""
    return VersionCount(
        name=row[0], version=row[1], enqueued=row[2], suspended=row[3], running=row[4], set_aside=row[5]
    )


def outcome(row: Row) -> Outcome:
    """Make an outcome from (status, output, error or report)."""
    return Outcome(status=Status(row[0]), output=row[1], error=row[2])


def stream_item(row: Row) -> StreamItem:
    """Make a stream item from (offset, value)."""
    return StreamItem(offset=row[0], value=row[1])


def worker(row: Row) -> WorkerRecord:
    """Make a worker from the columns of `holdfast_workers` in order."""
    return WorkerRecord(
        worker_id=row[0],
        host=row[1],
        pid=row[2],
        process_started=row[3],
        started_at=row[4],
        heartbeat_at=row[5],
        lease_until=row[6],
        suspect_id=row[7],
        alive=bool(row[8]),
    )


def approval(row: Row) -> Approval:
    """Make an approval from the columns of `holdfast_approvals` in order."""
    return Approval(
        approval_id=row[0],
        workflow_id=row[1],
        subject=row[2],
        details=row[3],
        digest=row[4],
        requested_at=row[5],
        expires_at=row[6],
        recipients=tuple(json.loads(row[7])),
        status=row[8],
        decided_by=row[9],
        decided_at=row[10],
        comment=row[11],
        via=row[12],
    )


def approval_values(asked: Approval) -> dict[str, Any]:
    """Return the columns of `holdfast_approvals` by name."""
    return {
        "approval_id": asked.approval_id,
        "workflow_id": asked.workflow_id,
        "subject": asked.subject,
        "details": asked.details,
        "digest": asked.digest,
        "requested_at": asked.requested_at,
        "expires_at": asked.expires_at,
        "recipients": json.dumps(asked.recipients),
        "status": asked.status,
        "decided_by": asked.decided_by,
        "decided_at": asked.decided_at,
        "comment": asked.comment,
        "via": asked.via,
    }


def queue_of(row: Row) -> Queue:
    """Make a queue from its name and its limits in the order of `holdfast_queues`."""
    return Queue(
        row[0],
        concurrency=row[1],
        worker_concurrency=row[2],
        rate=None if row[3] is None else Rate(row[3], row[4]),
        partition_concurrency=row[5],
        partition_rate=None if row[6] is None else Rate(row[6], row[7]),
        hold_while_suspended=bool(row[8]),
    )


def queue_values(queue: Queue) -> dict[str, Any]:
    """Return a queue's columns of `holdfast_queues` by name."""
    rate, partition_rate = queue.rate, queue.partition_rate
    return {
        "name": queue.name,
        "concurrency": queue.concurrency,
        "worker_concurrency": queue.worker_concurrency,
        "rate_limit": rate and rate.limit,
        "rate_period": rate and rate.seconds,
        "partition_concurrency": queue.partition_concurrency,
        "partition_rate_limit": partition_rate and partition_rate.limit,
        "partition_rate_period": partition_rate and partition_rate.seconds,
        "hold_while_suspended": queue.hold_while_suspended,
        "is_limited": queue.is_limited,
    }


def queue_state(row: Row) -> QueueState:
    """Make a queue's state from its limits, paused, (in line, due, delayed, running, suspended), the oldest's age."""
    in_line, due, delayed = row[10:13]
    age = row[15]
    return QueueState(
        queue=queue_of(row),
        paused=bool(row[9]),
        depth=in_line + due + delayed,
        delayed=delayed,
        running=row[13],
        suspended=row[14],
        oldest_age=None if age is None or age == float("-inf") else max(0.0, age),
    )


def audit_entry(row: Row) -> AuditEntry:
    """Make a line of an audit trail from (approval_id, at, event, actor, detail)."""
    return AuditEntry(approval_id=row[0], at=row[1], event=row[2], actor=row[3], detail=json.loads(row[4]))
