"""Writes that move a workflow from one status to another. Its row is locked; `batch.held` says how it stands."""

from __future__ import annotations

from holdfast.core.model import Fence, Kind, Status
from holdfast.store.postgres import bulk
from holdfast.store.postgres.batch import Batch, Read, nothing
from holdfast.store.postgres.pipeline import Rows
from holdfast.store.postgres.sql import Columns, columns, text_array
from holdfast.store.rows import checkpoint_values
from holdfast.store.writes import Cancel, Progressed, Release, Resume, SetAside, Settle, Suspend

_WAITS: Columns = {"target_id": text_array, "kind": text_array, "name": text_array}


def suspend(batch: Batch, fence: Fence | None, write: Suspend) -> Read:
    """Suspend unless something that is waited for is there."""
    fence = _needed(fence)
    waits = [(wait.workflow_id, wait.kind.value, wait.name) for wait in write.waits]
    asleep = batch.run(
        "suspend_workflow",
        workflow_id=fence.workflow_id,
        epoch=fence.epoch,
        wake_at=write.wake_at,
        cancel_heard=write.cancel_heard,
        **columns(_WAITS, waits),
    )
    clear_suspect(batch, fence)

    def read() -> bool:
        done = asleep.fetchone() is not None
        if done:
            batch.leave_place(fence.workflow_id)
        if done and write.wake_at is not None and write.wake_at <= batch.now:
            batch.ready = True
        # A batch that was committed before finds the workflow asleep, or woken since.
        return done or batch.held[fence.workflow_id].status is not Status.RUNNING

    return read


def release(batch: Batch, fence: Fence | None, _write: Release) -> Read:
    """Give a workflow back."""
    fence = _needed(fence)
    # Still suspected: whoever takes it next has to know.
    clear_suspect(batch, fence)
    batch.run("release_workflow", workflow_id=fence.workflow_id, epoch=fence.epoch)
    batch.ready = True
    return nothing


def set_aside(batch: Batch, fence: Fence | None, write: SetAside) -> Read:
    """Set a workflow aside with its report."""
    fence = _needed(fence)
    clear_suspect(batch, fence)
    batch.run(
        "set_aside_workflow",
        workflow_id=fence.workflow_id,
        epoch=fence.epoch,
        status=write.status.value,
        report=write.report,
        now=batch.now,
    )
    batch.leave_place(fence.workflow_id)
    batch.news.add(fence.workflow_id)
    return nothing


def progressed(batch: Batch, fence: Fence | None, _write: Progressed) -> Read:
    """Clear a suspicion."""
    fence = _needed(fence)
    batch.run("forgive_workflow", workflow_id=fence.workflow_id, epoch=fence.epoch)
    clear_suspect(batch, fence)
    return nothing


def clear_suspect(batch: Batch, fence: Fence) -> None:
    """Take back that the worker runs a suspect, if it was this workflow."""
    held = batch.held.get(fence.workflow_id)
    if held is not None and held.owner is not None and held.crashes:
        batch.run("clear_suspect", worker_id=held.owner, workflow_id=fence.workflow_id)


def resume(batch: Batch, _fence: Fence | None, write: Resume) -> Read:
    """Enqueue a workflow that was set aside."""
    was = batch.run("resume_workflow", workflow_id=write.workflow_id, now=batch.now)

    def read() -> Status | None:
        status = _only(was)
        if status in {Status.BLOCKED, Status.DEAD}:
            batch.ready = True
            batch.news.add(write.workflow_id)
        return status

    return read


def settle(batch: Batch, _fence: Fence | None, write: Settle) -> Read:
    """Record what a person has settled, and enqueue the workflow."""
    held = batch.held.get(write.workflow_id)
    if held is None or held.status is not Status.BLOCKED or held.epoch != write.epoch:
        found = batch.run("checkpoint", workflow_id=write.workflow_id, step_id=write.checkpoint.step_id)
        return lambda: found.fetchone() is not None
    row = (write.epoch, held.status.value, None, *checkpoint_values(write.workflow_id, write.checkpoint))
    bulk.record(batch.run, [row])
    resumed = resume(batch, None, Resume(workflow_id=write.workflow_id))

    def read() -> bool:
        resumed()
        return True

    return read


def cancel(batch: Batch, _fence: Fence | None, write: Cancel) -> Read:
    """Cancel a workflow, and its descendants unless they are to be left alone."""
    tree = _locked_tree(batch, write.workflow_id)
    if not tree:
        return nothing
    asked = tree if write.children else {write.workflow_id: tree[write.workflow_id]}
    touched = [name for name, (status, _) in asked.items() if not status.is_terminal]
    at_once = [name for name in touched if _has_no_code_to_tell(*tree[name])]
    others = [name for name in touched if name not in set(at_once)]
    if at_once:
        batch.run("cancel_workflow", workflow_ids=text_array(at_once), now=batch.now)
        batch.wakes.update((name, Kind.RESULT.value, "") for name in at_once)
    if others:
        batch.run("request_cancel", workflow_ids=text_array(others), now=batch.now)
        batch.ready = batch.ready or any(tree[name][0] is not Status.RUNNING for name in others)
    batch.news.update(touched)
    return lambda: touched


def terminate(batch: Batch, workflow_id: str) -> None:
    """End a tree of workflows as cancelled. The raised epoch refuses what those who run them still write."""
    ended = [name for name, (status, _) in _locked_tree(batch, workflow_id).items() if not status.is_terminal]
    if ended:
        batch.run("terminate_workflow", workflow_ids=text_array(ended), now=batch.now)
        batch.wakes.update((name, Kind.RESULT.value, "") for name in ended)
        batch.news.update(ended)


def _locked_tree(batch: Batch, workflow_id: str) -> dict[str, tuple[Status, int]]:
    """Read the tree until no child appears that is not locked yet: a locked parent creates no more."""
    while True:
        found = batch.run("descendants", workflow_id=workflow_id).fetchall()
        tree = {name: (Status(status), epoch) for name, status, epoch in found}
        if tree.keys() <= batch.held.keys():
            return tree
        batch.lock_workflows(tree)


def _has_no_code_to_tell(status: Status, epoch: int) -> bool:
    return status in {Status.BLOCKED, Status.DEAD} or epoch == 0


def _needed(fence: Fence | None) -> Fence:
    if fence is None:
        raise ValueError("this write needs a fence")
    return fence


def _only(cursor: Rows) -> Status | None:
    row = cursor.fetchone()
    return None if row is None else Status(row[0])
