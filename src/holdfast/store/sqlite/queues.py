"""Writes about queues: declaring, changing and pausing them, creating a workflow by key, and admission's queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.store import rows
from holdfast.store.admission import admit
from holdfast.store.queue_keys import give_key, holder, is_sooner
from holdfast.store.queue_writes import ChangeQueue, CreateKeyed, DeclareQueue, PauseQueue
from holdfast.store.sqlite.ledger import Ledger, as_json
from holdfast.store.writes import Claim, Created


def declare_queue(ledger: Ledger, write: DeclareQueue) -> None:
    """Make a queue known, or take over its new declaration."""
    values = rows.queue_values(write.queue)
    ledger.change("put_queue", declared=json.dumps(values, sort_keys=True), **values)
    ledger.ready = True


def change_queue(ledger: Ledger, write: ChangeQueue) -> bool:
    """Set a queue's limits."""
    found = ledger.run("change_queue", **rows.queue_values(write.queue))
    ledger.ready = ledger.ready or bool(found)
    return bool(found)


def pause_queue(ledger: Ledger, write: PauseQueue) -> bool:
    """Pause a queue or resume it."""
    found = ledger.run("pause_queue", name=write.name, paused=write.paused)
    ledger.ready = ledger.ready or bool(found)
    return bool(found)


def create_keyed(ledger: Ledger, write: CreateKeyed) -> Created:
    """Create a workflow unless a live one has its key."""
    new, gate = write.workflow, Gate(ledger)
    if ledger.state(new.workflow_id) is None:
        found = holder(gate, write)
        if found is not None:
            existing = ledger.record_of(found)
            ledger.ready = ledger.ready or is_sooner(write, existing)
            return Created(existing=existing)
        give_key(gate, write, new.workflow_id, write.until)
    return ledger.create(new)


def let_in(ledger: Ledger, write: Claim) -> list[str]:
    """Let in from queues what their limits leave room for."""
    wanted = None if write.queues is None else as_json(write.queues)
    open_queues = [name for (name,) in ledger.run("open_queues", queues=wanted, now=ledger.now)]
    return admit(Gate(ledger), write, open_queues)


def take(ledger: Ledger, write: Claim, workflow_ids: Sequence[str]) -> None:
    """Give workflows to the claiming worker."""
    wanted = as_json(workflow_ids)
    ledger.change("claim_workflows", workflow_ids=wanted, worker_id=write.worker_id, claim_id=write.claim_id)
    ledger.change("begin_timeouts", workflow_ids=wanted, now=ledger.now)
    ledger.change("delete_waits", workflow_ids=wanted)
    ledger.forget()


class Gate:
    """See `holdfast.store.admission.Gate`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.bound_now = ledger.now

    def rows(self, query: str, /, **values: Any) -> Sequence[tuple[Any, ...]]:
        """Run a named query."""
        return self._ledger.run(query, **values)

    def run(self, query: str, /, **values: Any) -> None:
        """Run a named statement that gives no rows."""
        self._ledger.change(query, **values)

    def texts(self, texts: Iterable[str]) -> str:
        """Bind many texts as one value."""
        return as_json(texts)

    def take(self, claim: Claim, workflow_ids: Sequence[str]) -> set[str]:
        """Give workflows to the claiming worker: nobody else can have taken one meanwhile."""
        take(self._ledger, claim, workflow_ids)
        return set(workflow_ids)
