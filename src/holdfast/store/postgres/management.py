"""Writes of management: attributes, restored workflows, deletions, duties. The rows concerned are locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from holdfast.core.archive import Contents, StoredMessage
from holdfast.core.model import Fence, WorkflowRecord
from holdfast.store.deletion import decide
from holdfast.store.management_writes import AdoptVersion, Delete, Deleted, Restore, SetAttributes, TakeDuty
from holdfast.store.postgres.batch import Batch, Read, nothing
from holdfast.store.postgres.sql import Columns, columns, number_array, text_array
from holdfast.store.rows import checkpoint_values

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


def _columns(texts: Iterable[str], numbers: Iterable[str], order: str) -> Columns:
    kinds: dict[str, Callable[[Iterable[Any]], str]] = {
        **dict.fromkeys(texts, text_array),
        **dict.fromkeys(numbers, number_array),
    }
    return {name: kinds[name] for name in order.split()}


_JOURNAL = _columns(
    ("workflow_id", "step_id", "branch", "name", "kind", "digest", "output", "error", "attempt_errors"),
    ("seq", "attempts", "started_at", "finished_at"),
    "workflow_id step_id branch name kind seq digest output error attempts attempt_errors started_at finished_at",
)
_MESSAGES = _columns(
    ("workflow_id", "message_id", "topic", "body", "sender_id", "consumed_by"),
    ("seq", "sent_at"),
    "workflow_id message_id topic seq body sent_at sender_id consumed_by",
)
_EVENTS = _columns(
    ("workflow_id", "name", "value", "write_id"),
    ("version", "set_at"),
    "workflow_id name value write_id version set_at",
)
_WRITES = _columns(("workflow_id", "write_id"), (), "workflow_id write_id")
_STREAMS = _columns(
    ("workflow_id", "stream", "value", "write_id"), ("offset",), "workflow_id stream offset value write_id"
)
_ATTRIBUTES = _columns(("workflow_id", "name", "value"), (), "workflow_id name value")
_LINEAGE = _columns(
    ("workflow_id", "forked_from", "forked_step"), ("forked_at",), "workflow_id forked_from forked_step forked_at"
)
_NAMED = _columns(("name", "value"), (), "name value")


def set_attributes(batch: Batch, _fence: Fence | None, write: SetAttributes) -> Read:
    """Set attributes."""
    batch.run(
        "put_attributes",
        workflow_id=write.workflow_id,
        write_id=write.write_id,
        dropped=text_array(name for name, value in write.values if value is None),
        **columns(_NAMED, [(name, value) for name, value in write.values if value is not None]),
    )
    return nothing


def adopt_version(batch: Batch, fence: Fence | None, write: AdoptVersion) -> Read:
    """Set the version of a workflow that has none."""
    if fence is None:
        raise ValueError("a version is adopted under a fence")
    batch.run("adopt_version", workflow_id=fence.workflow_id, version=write.version, deadline_at=write.deadline_at)
    return nothing


def restore(batch: Batch, _fence: Fence | None, write: Restore) -> Read:
    """Give a workflow that was created in this commit its contents."""
    if (write.workflow_id, write.request_id) in batch.made:
        _fill(batch, write.workflow_id, write.contents)
        if write.standing is not None:
            _stand(batch, write.workflow_id, write.standing)
    return nothing


def _fill(batch: Batch, workflow_id: str, contents: Contents) -> None:
    def put(query: str, kinds: Columns, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            batch.run(query, **columns(kinds, rows))

    put("restore_journal", _JOURNAL, [checkpoint_values(workflow_id, each) for each in contents.journal])
    put("restore_messages", _MESSAGES, _numbered(workflow_id, contents.messages))
    put(
        "restore_events",
        _EVENTS,
        [(workflow_id, each.name, each.value, each.write_id, each.version, each.set_at) for each in contents.events],
    )
    put("restore_event_writes", _WRITES, [(workflow_id, each) for each in contents.event_writes])
    put(
        "restore_streams",
        _STREAMS,
        [(workflow_id, each.stream, each.offset, each.value, each.write_id) for each in contents.stream_items],
    )
    put("restore_attributes", _ATTRIBUTES, [(workflow_id, name, value) for name, value in contents.attributes])
    if (lineage := contents.lineage) is not None:
        put("restore_lineage", _LINEAGE, [(workflow_id, lineage.forked_from, lineage.forked_step, lineage.forked_at)])


def _numbered(workflow_id: str, messages: Iterable[StoredMessage]) -> list[tuple[Any, ...]]:
    """Return the rows of messages, numbered by topic."""
    topics: Counter[str] = Counter()
    found: list[tuple[Any, ...]] = []
    for each in messages:
        topics[each.topic] += 1
        number = topics[each.topic]
        row = (each.message_id, each.topic, number, each.body, each.sent_at, each.sender_id, each.consumed_by)
        found.append((workflow_id, *row))
    return found


def _stand(batch: Batch, workflow_id: str, record: WorkflowRecord) -> None:
    batch.run(
        "restore_standing",
        workflow_id=workflow_id,
        status=record.status.value,
        epoch=record.epoch,
        crashes=record.crashes,
        cancel_at=record.cancel_at,
    )
    if record.status.is_terminal:
        batch.run(
            "restore_outcome",
            workflow_id=workflow_id,
            status=record.status.value,
            output=record.output,
            error=record.error,
            finished_at=record.finished_at,
        )
    elif record.report is not None:
        batch.run("put_report", workflow_id=workflow_id, report=record.report, now=batch.now)
    batch.news.add(workflow_id)


def delete(batch: Batch, _fence: Fence | None, write: Delete) -> Read:
    """Delete workflows, but those that have to stay."""
    wanted = list(dict.fromkeys(write.workflow_ids))
    going, kept = decide(wanted, _candidates(batch, wanted, children=write.children))
    if going:
        for query in _DELETIONS:
            batch.run(query, workflow_ids=text_array(going))
        batch.news.update(going)
    gone = tuple(dict.fromkeys((*(each for each in wanted if each not in kept), *going)))
    return lambda: Deleted(gone=gone, kept=kept)


def _candidates(batch: Batch, wanted: list[str], *, children: bool) -> list[tuple[Any, ...]]:
    """Read the trees until all that is in them is locked, so that none of it changes until the commit."""
    while True:
        found = batch.run("deletable", workflow_ids=text_array(wanted), children=children).fetchall()
        tree = {workflow_id for _, workflow_id, *_ in found}
        if tree <= batch.held.keys():
            return found
        batch.lock_workflows(tree)


def take_duty(batch: Batch, _fence: Fence | None, write: TakeDuty) -> Read:
    """Take a duty that is free or one's own."""
    taken = batch.run("take_duty", name=write.name, holder=write.holder, seconds=write.seconds, now=batch.now)
    return lambda: taken.fetchone() is not None
