"""Writes of management: attributes, restored workflows, deletions, duties."""

from __future__ import annotations

from typing import Any

from holdfast.core.archive import Contents
from holdfast.core.model import Fence, WorkflowRecord
from holdfast.store.deletion import decide
from holdfast.store.management_writes import AdoptVersion, Delete, Deleted, Restore, SetAttributes, TakeDuty
from holdfast.store.rows import checkpoint_values
from holdfast.store.sqlite.ledger import Ledger, State, as_json

_DELETIONS = (
    "delete_from_journal",
    "delete_from_messages",
    "delete_from_events",
    "delete_from_event_writes",
    "delete_from_streams",
    "delete_from_attributes",
    "delete_from_lineage",
    "delete_from_queue_keys",
    "delete_waits",
    "delete_from_outcomes",
    "delete_from_reports",
    "delete_from_workflow_info",
    "delete_from_workflows",
)


def set_attributes(ledger: Ledger, write: SetAttributes) -> None:
    """Set attributes, unless this very write has been applied."""
    workflow_id = write.workflow_id
    if not ledger.change("insert_event_write", workflow_id=workflow_id, write_id=write.write_id):
        return
    for name, value in write.values:
        if value is None:
            ledger.change("drop_attribute", workflow_id=workflow_id, name=name)
        else:
            ledger.change("put_attribute", workflow_id=workflow_id, name=name, value=value)


def adopt_version(ledger: Ledger, write: AdoptVersion, fence: Fence, _state: State) -> None:
    """Set the version of a workflow that has none."""
    ledger.change("adopt_version", workflow_id=fence.workflow_id, version=write.version, deadline_at=write.deadline_at)


def restore(ledger: Ledger, write: Restore) -> None:
    """Give a workflow that was created in this commit its contents."""
    if not ledger.is_new(write.workflow_id, write.request_id):
        return
    _fill(ledger, write.workflow_id, write.contents)
    if write.standing is not None:
        _stand(ledger, write.workflow_id, write.standing)


def _fill(ledger: Ledger, workflow_id: str, contents: Contents) -> None:
    def put(query: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            ledger.change_many(query, rows)

    put("restore_journal", [checkpoint_values(workflow_id, each) for each in contents.journal])
    put(
        "restore_messages",
        [
            (workflow_id, each.message_id, each.topic, each.body, each.sent_at, each.sender_id, each.consumed_by)
            for each in contents.messages
        ],
    )
    put(
        "restore_events",
        [(workflow_id, each.name, each.value, each.write_id, each.version, each.set_at) for each in contents.events],
    )
    put("restore_event_writes", [(workflow_id, each) for each in contents.event_writes])
    put(
        "restore_streams",
        [(workflow_id, each.stream, each.offset, each.value, each.write_id) for each in contents.stream_items],
    )
    put("restore_attributes", [(workflow_id, name, value) for name, value in contents.attributes])
    if (lineage := contents.lineage) is not None:
        put("restore_lineage", [(workflow_id, lineage.forked_from, lineage.forked_step, lineage.forked_at)])


def _stand(ledger: Ledger, workflow_id: str, record: WorkflowRecord) -> None:
    ledger.change(
        "restore_standing",
        workflow_id=workflow_id,
        status=record.status.value,
        epoch=record.epoch,
        crashes=record.crashes,
        cancel_at=record.cancel_at,
    )
    if record.status.is_terminal:
        ledger.change(
            "restore_outcome",
            workflow_id=workflow_id,
            status=record.status.value,
            output=record.output,
            error=record.error,
            finished_at=record.finished_at,
        )
    elif record.report is not None:
        ledger.change("put_report", workflow_id=workflow_id, report=record.report, now=ledger.now)
    ledger.news.add(workflow_id)
    ledger.forget()


def delete(ledger: Ledger, write: Delete) -> Deleted:
    """Delete workflows, but those that have to stay."""
    wanted = list(dict.fromkeys(write.workflow_ids))
    rows = ledger.run("deletable", workflow_ids=as_json(wanted), children=write.children)
    going, kept = decide(wanted, rows)
    if going:
        for query in _DELETIONS:
            ledger.change(query, workflow_ids=as_json(going))
        ledger.news.update(going)
        ledger.forget()
    return Deleted(gone=tuple(dict.fromkeys((*(each for each in wanted if each not in kept), *going))), kept=kept)


def take_duty(ledger: Ledger, write: TakeDuty) -> bool:
    """Take a duty that is free or one's own."""
    taken = ledger.run("take_duty", name=write.name, holder=write.holder, seconds=write.seconds, now=ledger.now)
    return bool(taken)
