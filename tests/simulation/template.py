"""The database that every seed begins with: migrated, and with triggers that report each changed row."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from holdfast.store.sqlite.store import SqliteStore

Note = tuple[Any, ...]

_WORKFLOW = "{0}.status, {0}.owner, {0}.epoch, {0}.crashes, {0}.stage, {0}.queue, {0}.wake_at, {0}.cancel_at"
_COUNTS = "NEW.started - OLD.started, NEW.skipped - OLD.skipped, NEW.missed - OLD.missed"
_SHOWN = "{0}.subject, {0}.details, {0}.digest, {0}.expires_at"
_IS_WHAT_WAS_SHOWN = f"({_SHOWN.format('OLD')}) = ({_SHOWN.format('NEW')})"
_NOTES = (
    ("workflow+", "INSERT", "workflows", "NEW.id, NEW.name, " + _WORKFLOW.format("NEW") + ", NEW.partition_key"),
    ("workflow", "UPDATE", "workflows", f"NEW.id, {_WORKFLOW.format('OLD')}, {_WORKFLOW.format('NEW')}"),
    ("gone", "DELETE", "workflows", "OLD.id"),
    ("info", "INSERT", "workflow_info", "NEW.id, NEW.parent_id, NEW.deadline_at, NEW.timeout"),
    ("deadline", "UPDATE", "workflow_info", "NEW.id, OLD.deadline_at, NEW.deadline_at"),
    (
        "journal+",
        "INSERT",
        "journal",
        "NEW.workflow_id, NEW.step_id, NEW.branch, NEW.name, NEW.kind, NEW.output, NEW.error, NEW.attempts",
    ),
    ("journal", "UPDATE", "journal", "NEW.workflow_id, NEW.step_id"),
    ("journal", "DELETE", "journal", "OLD.workflow_id, OLD.step_id"),
    ("outcome+", "INSERT", "outcomes", "NEW.id, NEW.status, NEW.output, NEW.error"),
    ("outcome", "UPDATE", "outcomes", "NEW.id"),
    ("outcome", "DELETE", "outcomes", "OLD.id"),
    (
        "message+",
        "INSERT",
        "messages",
        "NEW.seq, NEW.workflow_id, NEW.message_id, NEW.topic, NEW.body, NEW.sender_id, NEW.consumed_by",
    ),
    ("message", "UPDATE", "messages", "NEW.seq, NEW.workflow_id, OLD.consumed_by, NEW.consumed_by"),
    ("gone", "DELETE", "messages", "OLD.message_id"),
    ("stream+", "INSERT", "streams", 'NEW.workflow_id, NEW.stream, NEW."offset", NEW.value'),
    ("gone", "UPDATE", "streams", "NEW.workflow_id"),
    ("gone", "DELETE", "streams", "OLD.workflow_id"),
    ("event", "INSERT", "events", "NEW.workflow_id, NEW.name, NEW.value"),
    ("event", "UPDATE", "events", "NEW.workflow_id, NEW.name, NEW.value"),
    (
        "approval+",
        "INSERT",
        "approvals",
        "NEW.id, NEW.workflow_id, NEW.subject, NEW.status, NEW.expires_at",
    ),
    (
        "approval",
        "UPDATE",
        "approvals",
        "NEW.id, OLD.status, NEW.status, NEW.decided_by, NEW.decided_at, " + _IS_WHAT_WAS_SHOWN,
    ),
    ("gone", "DELETE", "approvals", "OLD.id"),
    ("audit+", "INSERT", "approval_audit", "NEW.approval_id, NEW.event"),
    (
        "schedule",
        "UPDATE",
        "schedules",
        "NEW.name, OLD.next_at, NEW.next_at, " + _COUNTS,
    ),
    ("worker+", "INSERT", "workers", "NEW.worker_id, NEW.alive"),
    ("worker", "UPDATE", "workers", "NEW.worker_id, OLD.alive, NEW.alive, OLD.suspect_id, NEW.suspect_id"),
)
_EFFECTS = """
CREATE TABLE simulated_effects (workflow_id TEXT NOT NULL, label TEXT NOT NULL, token TEXT NOT NULL);
CREATE TRIGGER simulated_effect AFTER INSERT ON simulated_effects BEGIN
    SELECT simulated_note('effect+', NEW.workflow_id, NEW.label, NEW.token);
END;
"""


def make_template(folder: Path) -> Path:
    """Make the database that every seed begins with: migrated, and with triggers that report what changes."""
    path = folder / "template.db"
    store = SqliteStore(path)
    store.open()
    store.close()
    connection = sqlite3.connect(path)
    connection.executescript(_EFFECTS)
    for number, (kind, event, table, columns) in enumerate(_NOTES):
        connection.execute(
            f"CREATE TRIGGER simulated_{number} AFTER {event} ON holdfast_{table} "
            f"BEGIN SELECT simulated_note('{kind}', {columns}); END"
        )
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path
