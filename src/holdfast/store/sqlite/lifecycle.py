"""Writes that move a workflow between its statuses: suspended, released, set aside, cancelled, resumed."""

from __future__ import annotations

from holdfast.core.model import Fence, Kind, Status, WaitOn
from holdfast.store.sqlite.ledger import ENQUEUED, SUSPENDED, Ledger, State, as_json
from holdfast.store.writes import Cancel, Progressed, Release, Resume, SetAside, Settle, Suspend

_NOBODY_RUNS = frozenset({Status.BLOCKED.value, Status.DEAD.value})
_HAS_COME = {Kind.RECEIVE: "message_waits", Kind.RESULT: "outcome_waits", Kind.GET_EVENT: "event_waits"}


def suspend(ledger: Ledger, write: Suspend, fence: Fence, state: State) -> bool:
    """Suspend, unless what it would wait for has come."""
    if (state.cancel_at is not None and not write.cancel_heard) or any(_has_come(ledger, wait) for wait in write.waits):
        return False
    workflow_id = fence.workflow_id
    ledger.clear_suspect(workflow_id, state)
    ledger.change("suspend_workflow", workflow_id=workflow_id, epoch=fence.epoch, wake_at=write.wake_at)
    for wait in write.waits:
        ledger.change(
            "insert_wait",
            workflow_id=workflow_id,
            target_id=wait.workflow_id,
            kind=wait.kind.value,
            name=wait.name,
        )
    ledger.leave_place(state)
    state.status, state.owner = SUSPENDED, None
    ledger.ready = ledger.ready or (write.wake_at is not None and write.wake_at <= ledger.now)
    return True


def _has_come(ledger: Ledger, wait: WaitOn) -> bool:
    query = _HAS_COME[wait.kind]
    if wait.kind is Kind.RESULT:
        [(come,)] = ledger.run(query, target_id=wait.workflow_id)
    else:
        [(come,)] = ledger.run(query, target_id=wait.workflow_id, name=wait.name)
    return bool(come)


def release(ledger: Ledger, _write: Release | None, fence: Fence, state: State) -> None:
    """Give it back; it keeps its place before all that was never begun."""
    if state.crashes and state.owner is not None:
        # Still suspected: whoever takes it next has to know.
        ledger.change("clear_suspect", workflow_id=fence.workflow_id, worker_id=state.owner)
    ledger.change("release_workflow", workflow_id=fence.workflow_id, epoch=fence.epoch)
    state.status, state.owner = ENQUEUED, None
    ledger.ready = True


def set_aside(ledger: Ledger, write: SetAside, fence: Fence, state: State) -> None:
    """Set aside with a report. Who waits for its outcome goes on waiting: it may be resumed."""
    workflow_id = fence.workflow_id
    if state.crashes and state.owner is not None:
        ledger.change("clear_suspect", workflow_id=workflow_id, worker_id=state.owner)
    ledger.change("set_aside_workflow", workflow_id=workflow_id, epoch=fence.epoch, status=write.status.value)
    ledger.change("put_report", workflow_id=workflow_id, report=write.report, now=ledger.now)
    ledger.leave_place(state)
    state.status, state.owner = write.status.value, None
    ledger.news.add(workflow_id)


def progressed(ledger: Ledger, _write: Progressed, fence: Fence, state: State) -> None:
    """Clear a suspicion."""
    if state.crashes:
        ledger.change("forgive_workflow", workflow_id=fence.workflow_id, epoch=fence.epoch)
        ledger.clear_suspect(fence.workflow_id, state)


def cancel(ledger: Ledger, write: Cancel) -> list[str] | None:
    """Ask for the cancellation of a tree of workflows; those that nobody runs end here."""
    tree = ledger.run("descendants", workflow_id=write.workflow_id)
    if not tree:
        return None
    touched, asleep = [], []
    for workflow_id, status, epoch in tree if write.children else tree[:1]:
        if Status(status).is_terminal:
            continue
        touched.append(workflow_id)
        ledger.news.add(workflow_id)
        if status in _NOBODY_RUNS or epoch == 0:
            ledger.change("cancel_workflow", workflow_id=workflow_id, now=ledger.now)
            ledger.change("delete_report", workflow_id=workflow_id)
            ledger.change("delete_waits", workflow_ids=as_json([workflow_id]))
            ledger.end(workflow_id, epoch, Status.CANCELLED)
            continue
        ledger.change("request_cancel", workflow_id=workflow_id, now=ledger.now)
        if status == SUSPENDED:
            asleep.append(workflow_id)
    ledger.wake(asleep)
    ledger.forget()
    return touched


def terminate(ledger: Ledger, workflow_id: str) -> None:
    """End a tree of workflows as cancelled. The raised epoch refuses what those who run them still write."""
    for each, status, epoch in ledger.run("descendants", workflow_id=workflow_id):
        if Status(status).is_terminal:
            continue
        if (state := ledger.state(each)) is not None:
            ledger.clear_suspect(each, state)
        ledger.change("terminate_workflow", workflow_id=each, now=ledger.now)
        ledger.change("delete_report", workflow_id=each)
        ledger.change("delete_waits", workflow_ids=as_json([each]))
        ledger.end(each, epoch + 1, Status.CANCELLED)
    ledger.forget()


def resume(ledger: Ledger, write: Resume) -> Status | None:
    """Enqueue a workflow that was set aside."""
    workflow_id = write.workflow_id
    state = ledger.state(workflow_id)
    if state is None:
        return None
    before = Status(state.status)
    if state.status in _NOBODY_RUNS:
        ledger.change("resume_workflow", workflow_id=workflow_id, now=ledger.now)
        ledger.change("delete_report", workflow_id=workflow_id)
        state.status, state.crashes = ENQUEUED, 0
        ledger.ready = True
        ledger.news.add(workflow_id)
    return before


def settle(ledger: Ledger, write: Settle) -> bool:
    """Record what a person has settled, and enqueue the workflow."""
    state = ledger.state(write.workflow_id)
    if state is None or state.status != Status.BLOCKED or state.epoch != write.epoch:
        return ledger.recorded(write.workflow_id, write.checkpoint.step_id) is not None
    ledger.record(Fence(workflow_id=write.workflow_id, epoch=write.epoch), write.checkpoint)
    resume(ledger, Resume(workflow_id=write.workflow_id))
    return True
