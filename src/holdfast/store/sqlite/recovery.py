"""Writes of workers: claiming what is due, leases, and taking over what a dead worker was running."""

from __future__ import annotations

from holdfast.core.model import Status, WorkerRecord
from holdfast.store import rows
from holdfast.store.blame import crash_report, fates
from holdfast.store.sqlite import queues
from holdfast.store.sqlite.ledger import Ledger, as_json
from holdfast.store.writes import Claim, Heartbeat, Register, TakeOver


def claim(ledger: Ledger, write: Claim) -> list[str]:
    """Take what is due. A worker that was declared dead gets nothing: nobody would take it over again."""
    if write.worker_id in ledger.dead_workers:
        return []
    found = ledger.run("taken_by_claim", worker_id=write.worker_id, claim_id=write.claim_id)
    taken = [workflow_id for (workflow_id,) in found]
    chosen = _choose(ledger, write, write.limit - len(taken))
    if chosen:
        queues.take(ledger, write, chosen)
    # A claim that comes again has let in what it may.
    admitted = queues.let_in(ledger, write) if write.queue_limit and not taken else []
    return taken + chosen + admitted


def _choose(ledger: Ledger, write: Claim, room: int) -> list[str]:
    if room <= 0:
        return []
    fitting = {
        "now": ledger.now,
        "names": as_json(write.names),
        "isolate_from": write.isolate_from,
        **rows.pinned_values(write.pinned, as_json),
    }
    due = [] if write.accused else ledger.run("due_workflows", limit=room, **fitting)
    suspects = ledger.run("due_suspect", accused_from=write.accused_from, accused=write.accused, **fitting)
    if suspects and ledger.run("suspect_of_worker", worker_id=write.worker_id) in ([], [(None,)]):
        chosen = sorted(due + suspects, key=lambda found: (found[1], found[0]))[:room]
        if suspects[0] in chosen:
            ledger.change("set_suspect", worker_id=write.worker_id, workflow_id=suspects[0][0])
    else:
        chosen = due
    return [workflow_id for workflow_id, _ in chosen]


def register(ledger: Ledger, write: Register) -> None:
    """Write a worker's row; one that was declared dead stays dead."""
    worker = write.worker
    ledger.change(
        "put_worker",
        worker_id=worker.worker_id,
        host=worker.host,
        pid=worker.pid,
        process_started=worker.process_started,
        started_at=worker.started_at,
        suspect_id=worker.suspect_id,
        now=ledger.now,
        lease_until=ledger.now + write.lease_seconds,
    )


def heartbeat(ledger: Ledger, write: Heartbeat) -> list[WorkerRecord] | None:
    """Extend a lease and tell who else lives."""
    extended = ledger.change(
        "extend_lease", worker_id=write.worker_id, now=ledger.now, lease_until=ledger.now + write.lease_seconds
    )
    return [rows.worker(row) for row in ledger.run("live_workers")] if extended else None


def take_over(ledger: Ledger, write: TakeOver) -> list[str]:
    """Declare a worker dead and enqueue what it was running."""
    if not ledger.change("bury_worker", worker_id=write.worker_id):
        return []
    running = ledger.run("running_of_worker", worker_id=write.worker_id)
    enqueued = []
    for fate in fates(write, running):
        ledger.change(
            "take_over_workflow",
            workflow_id=fate.workflow_id,
            worker_id=write.worker_id,
            status=fate.status.value,
            wake_at=fate.wake_at,
            crashes=fate.crashes,
        )
        if fate.status is Status.DEAD:
            report = crash_report(fate.crashes, write.worker_id)
            ledger.change("put_report", workflow_id=fate.workflow_id, report=report, now=ledger.now)
            ledger.news.add(fate.workflow_id)
        else:
            enqueued.append(fate.workflow_id)
    # Also what became dead leaves a place in its queue.
    ledger.ready = ledger.ready or bool(running)
    ledger.dead_workers |= {write.worker_id}
    ledger.forget()
    return enqueued
