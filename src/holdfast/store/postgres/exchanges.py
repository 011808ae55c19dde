"""Messages, events and streams: writes that others wait for. The rows of the workflows concerned are locked."""

from __future__ import annotations

from typing import Any

from holdfast.core.model import Checkpoint, Fence, Kind, Message, Status
from holdfast.store.postgres.batch import Batch, Read
from holdfast.store.rows import checkpoint_values
from holdfast.store.writes import Append, PutEvent, Send

CHECKPOINT = (
    "workflow_id",
    "step_id",
    "branch",
    "name",
    "kind",
    "seq",
    "digest",
    "output",
    "error",
    "attempts",
    "attempt_errors",
    "started_at",
    "finished_at",
)


def send(batch: Batch, _fence: Fence | None, write: Send) -> Read:
    """Put a message in a mailbox."""
    return put_message(batch, write.message)


def put_message(batch: Batch, message: Message) -> Read:
    """Put a message in a mailbox and wake who waits for it. Reads the destination's status."""
    placed = batch.run(
        "insert_message",
        workflow_id=message.workflow_id,
        message_id=message.message_id,
        topic=message.topic,
        body=message.body,
        sent_at=message.sent_at,
        sender_id=message.sender_id,
    )
    batch.wakes.add((message.workflow_id, Kind.RECEIVE.value, message.topic))

    def read() -> Status | None:
        row = placed.fetchone()
        if row is None:
            return None
        if row[1]:
            batch.news.add(message.workflow_id)
        return Status.ENQUEUED if message.workflow_id in batch.woken else Status(row[0])

    return read


def put_event(batch: Batch, _fence: Fence | None, write: PutEvent) -> Read:
    """Set an event's value."""
    put = batch.run(
        "put_event",
        workflow_id=write.workflow_id,
        name=write.name,
        value=write.value,
        write_id=write.write_id,
        now=batch.now,
    )
    batch.wakes.add((write.workflow_id, Kind.GET_EVENT.value, write.name))

    def read() -> None:
        if put.fetchone() is not None:
            batch.news.add(write.workflow_id)

    return read


def append(batch: Batch, _fence: Fence | None, write: Append) -> Read:
    """Append to a stream."""
    placed = batch.run(
        "insert_stream_item",
        workflow_id=write.workflow_id,
        stream=write.stream,
        value=write.value,
        write_id=write.write_id,
    )

    def read() -> int:
        ((offset, is_new),) = placed
        if is_new:
            batch.news.add(write.workflow_id)
        return int(offset)

    return read


def checkpoint_parameters(workflow_id: str, checkpoint: Checkpoint) -> dict[str, Any]:
    """Name the journal's columns, for statements that write one row."""
    return dict(zip(CHECKPOINT, checkpoint_values(workflow_id, checkpoint), strict=True))
