"""Schedules to rows and back. Both stores select the columns in the order that is written down here."""

from __future__ import annotations

from typing import Any

from holdfast.core.schedule import Overlap, ScheduleRecord, Timing
from holdfast.store.rows import Row


def schedule(row: Row) -> ScheduleRecord:
    """Make a schedule from the columns of `holdfast_schedules` in order."""
    return ScheduleRecord(
        name=row[0],
        workflow=row[1],
        timing=Timing.from_spec(row[2], row[3]),
        arguments=row[4],
        digest=row[5],
        overlap=Overlap(row[6]),
        catchup=row[7],
        jitter=row[8],
        queue=row[9],
        priority=row[10],
        declared=bool(row[11]),
        paused=bool(row[12]),
        revision=row[13],
        next_at=row[14],
        last_at=row[15],
        current_id=row[16],
        held_id=row[17],
        tick_id=row[18],
        started=row[19],
        skipped=row[20],
        missed=row[21],
        created_at=row[22],
        updated_at=row[23],
    )


def schedule_values(record: ScheduleRecord) -> dict[str, Any]:
    """Return the columns of `holdfast_schedules` by name."""
    return {
        "name": record.name,
        "workflow": record.workflow,
        "spec": record.timing.spec,
        "timezone": record.timing.timezone,
        "arguments": record.arguments,
        "digest": record.digest,
        "overlap": record.overlap.value,
        "catchup": record.catchup,
        "jitter": record.jitter,
        "queue": record.queue,
        "priority": record.priority,
        "declared": record.declared,
        "paused": record.paused,
        "revision": record.revision,
        "next_at": record.next_at,
        "last_at": record.last_at,
        "current_id": record.current_id,
        "held_id": record.held_id,
        "tick_id": record.tick_id,
        "started": record.started,
        "skipped": record.skipped,
        "missed": record.missed,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }
