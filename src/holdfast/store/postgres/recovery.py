"""Writes of workers: claiming what is due, leases, and taking over what a dead worker was running."""

from __future__ import annotations

from holdfast.core.model import Fence, Status, WorkerRecord
from holdfast.store import rows
from holdfast.store.blame import crash_report, fates
from holdfast.store.postgres import queues
from holdfast.store.postgres.batch import Batch, Read, nothing
from holdfast.store.postgres.sql import Columns, columns, number_array, text_array
from holdfast.store.writes import Claim, Heartbeat, Register, TakeOver

_TAKEN_OVER: Columns = {
    "workflow_id": text_array,
    "status": text_array,
    "wake_at": number_array,
    "crashes": number_array,
}


def claim(batch: Batch, _fence: Fence | None, write: Claim) -> Read:
    """Take what is due. A worker that was declared dead gets nothing: nobody would take it over again."""
    if not batch.workers.get(write.worker_id, True):
        return list
    before = batch.run("taken_by_claim", worker_id=write.worker_id, claim_id=write.claim_id)
    taken = [workflow_id for (workflow_id,) in before]
    if len(taken) >= write.limit + write.queue_limit:
        return lambda: taken
    opened = None
    if write.queue_limit and not taken:
        # Sent together with the other claim. One that comes again has let in what it may.
        wanted = None if write.queues is None else text_array(write.queues)
        opened = batch.run("open_queues", queues=wanted, now=batch.now)
    due = batch.run(
        "claim_workflows",
        now=batch.now,
        names=text_array(write.names),
        limit=max(0, write.limit - len(taken)),
        isolate_from=write.isolate_from,
        accused_from=write.accused_from,
        accused=write.accused,
        worker_id=write.worker_id,
        claim_id=write.claim_id,
        **rows.pinned_values(write.pinned, text_array),
    )
    admitted = [] if opened is None else queues.let_in(batch, write, opened)
    return lambda: taken + [workflow_id for (workflow_id,) in due] + admitted


def register(batch: Batch, _fence: Fence | None, write: Register) -> Read:
    """Write a worker's row; one that was declared dead stays dead."""
    worker = write.worker
    batch.run(
        "put_worker",
        worker_id=worker.worker_id,
        host=worker.host,
        pid=worker.pid,
        process_started=worker.process_started,
        started_at=worker.started_at,
        suspect_id=worker.suspect_id,
        now=batch.now,
        lease_until=batch.now + write.lease_seconds,
    )
    return nothing


def heartbeat(batch: Batch, _fence: Fence | None, write: Heartbeat) -> Read:
    """Extend a lease and tell who else lives."""
    extended = batch.run(
        "extend_lease", worker_id=write.worker_id, now=batch.now, lease_until=batch.now + write.lease_seconds
    )
    live = batch.run("live_workers")

    def read() -> list[WorkerRecord] | None:
        return [rows.worker(row) for row in live] if extended.fetchone() else None

    return read


def take_over(batch: Batch, _fence: Fence | None, write: TakeOver) -> Read:
    """Declare a worker dead and enqueue what it was running."""
    if write.worker_id not in batch.doomed:
        return list
    # Its row is locked, so nothing more becomes its own.
    running = batch.run("lock_running_of_worker", worker_id=write.worker_id).fetchall()
    batch.doomed.remove(write.worker_id)
    batch.run("bury_worker", worker_id=write.worker_id)
    decided = fates(write, running)
    if decided:
        values = [(fate.workflow_id, fate.status.value, fate.wake_at, fate.crashes) for fate in decided]
        batch.run("take_over_workflow", worker_id=write.worker_id, **columns(_TAKEN_OVER, values))
    for fate in decided:
        if fate.status is Status.DEAD:
            report = crash_report(fate.crashes, write.worker_id)
            batch.run("put_report", workflow_id=fate.workflow_id, report=report, now=batch.now)
            batch.news.add(fate.workflow_id)
    # Also what became dead leaves a place in its queue.
    batch.ready = batch.ready or bool(running)
    return lambda: [fate.workflow_id for fate in decided if fate.status is Status.ENQUEUED]
