"""Who has a deduplication key: the same procedure for both stores, under the key's lock."""

from __future__ import annotations

from holdfast.core.model import Status, WorkflowRecord
from holdfast.store.admission import Gate
from holdfast.store.queue_writes import CreateKeyed


def holder(gate: Gate, write: CreateKeyed) -> str | None:
    """Find the workflow that takes the place of the one to be created; a debounced one is given the new input.

    None: there is no such, and the key is to be given to the new one.
    """
    found = gate.rows("queue_key", queue=write.workflow.queue, key=write.key)
    if not found or found[0][4] is None:
        return None
    workflow_id, request_id, requested_at, until, status, waits = found[0]
    # This very request may have replaced its input, and only the reply was lost.
    is_done = request_id == write.workflow.request_id
    if write.until is None or is_done:
        return None if Status(status).is_terminal and not is_done else str(workflow_id)
    if not waits:
        return None
    if write.workflow.created_at < requested_at:
        # A later one came first: its input is the newer one.
        return str(workflow_id)
    return _debounce(gate, write, str(workflow_id), write.until if until is None else until)


def is_sooner(write: CreateKeyed, holder: WorkflowRecord) -> bool:
    """Tell whether the workflow that took a debounced one's place is due before that one would be: its time is up."""
    asked = write.workflow.wake_at
    return write.until is not None and holder.wake_at is not None and (asked is None or holder.wake_at < asked)


def give_key(gate: Gate, write: CreateKeyed, workflow_id: str, until: float | None) -> None:
    """Note whose the key is, and by which request."""
    new = write.workflow
    gate.run(
        "put_queue_key",
        queue=new.queue,
        key=write.key,
        workflow_id=workflow_id,
        request_id=new.request_id,
        requested_at=new.created_at,
        until=until,
    )


def _debounce(gate: Gate, write: CreateKeyed, workflow_id: str, until: float) -> str | None:
    new = write.workflow
    wake_at = until if new.wake_at is None else min(new.wake_at, until)
    if not gate.rows("postpone_workflow", workflow_id=workflow_id, wake_at=wake_at):
        return None
    gate.run(
        "replace_input",
        workflow_id=workflow_id,
        input=new.input,
        input_digest=new.input_digest,
        version=new.version,
    )
    give_key(gate, write, workflow_id, until)
    return workflow_id
