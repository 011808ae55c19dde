"""Writes by which workflows and the outside talk: messages, events, streams."""

from __future__ import annotations

from holdfast.core.model import Fence, Kind, Status
from holdfast.store.sqlite.ledger import Ledger, State
from holdfast.store.writes import Append, Consume, PutEvent, Send


def send(ledger: Ledger, write: Send) -> Status | None:
    """Put a message in a mailbox and wake its owner if that is what it waits for."""
    message = write.message
    state = ledger.state(message.workflow_id)
    if state is None:
        return None
    inserted = ledger.change(
        "insert_message",
        workflow_id=message.workflow_id,
        message_id=message.message_id,
        topic=message.topic,
        body=message.body,
        sent_at=message.sent_at,
        sender_id=message.sender_id,
    )
    if inserted:
        _wake_waiters(ledger, message.workflow_id, Kind.RECEIVE, message.topic)
    return Status(state.status)


def consume(ledger: Ledger, write: Consume, fence: Fence, _state: State) -> None:
    """Take a message out of the mailbox."""
    workflow_id = fence.workflow_id
    ledger.change("consume_message", workflow_id=workflow_id, message_id=write.message_id, step_id=write.step_id)


def put_event(ledger: Ledger, write: PutEvent) -> None:
    """Set an event, unless this very write has been applied."""
    if ledger.change("insert_event_write", workflow_id=write.workflow_id, write_id=write.write_id):
        ledger.change(
            "put_event",
            workflow_id=write.workflow_id,
            name=write.name,
            value=write.value,
            write_id=write.write_id,
            now=ledger.now,
        )
        _wake_waiters(ledger, write.workflow_id, Kind.GET_EVENT, write.name)


def append(ledger: Ledger, write: Append) -> int:
    """Append to a stream, unless this very write has been applied; return its offset either way."""
    offset: int
    inserted = ledger.run(
        "insert_stream_item",
        workflow_id=write.workflow_id,
        stream=write.stream,
        value=write.value,
        write_id=write.write_id,
    )
    if inserted:
        ledger.news.add(write.workflow_id)
        [(offset,)] = inserted
    else:
        [(offset,)] = ledger.run("stream_offset", workflow_id=write.workflow_id, write_id=write.write_id)
    return offset


def _wake_waiters(ledger: Ledger, workflow_id: str, kind: Kind, name: str) -> None:
    ledger.news.add(workflow_id)
    waiters = ledger.run("waiters", target_id=workflow_id, kind=kind.value, name=name)
    ledger.wake(waiter for (waiter,) in waiters)
