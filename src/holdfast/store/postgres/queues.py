"""Writes about queues: declaring, changing and pausing them, creating a workflow by key, and admission's queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.core.model import Fence
from holdfast.store import rows
from holdfast.store.admission import admit
from holdfast.store.postgres import bulk
from holdfast.store.postgres.batch import Batch, Read, nothing
from holdfast.store.postgres.bulk import Part
from holdfast.store.postgres.pipeline import Rows
from holdfast.store.postgres.sql import text_array
from holdfast.store.queue_keys import give_key, holder, is_sooner
from holdfast.store.queue_writes import ChangeQueue, CreateKeyed, DeclareQueue, PauseQueue
from holdfast.store.writes import Claim, Create, Created, Unit


def declare_queue(batch: Batch, _fence: Fence | None, write: DeclareQueue) -> Read:
    """Make a queue known, or take over its new declaration."""
    values = rows.queue_values(write.queue)
    batch.run("put_queue", declared=json.dumps(values, sort_keys=True), **values)
    batch.ready = True
    return nothing


def change_queue(batch: Batch, _fence: Fence | None, write: ChangeQueue) -> Read:
    """Set a queue's limits."""
    return _found(batch, batch.run("change_queue", **rows.queue_values(write.queue)))


def pause_queue(batch: Batch, _fence: Fence | None, write: PauseQueue) -> Read:
    """Pause a queue or resume it."""
    return _found(batch, batch.run("pause_queue", name=write.name, paused=write.paused))


def _found(batch: Batch, cursor: Rows) -> Read:
    batch.ready = True
    return lambda: cursor.fetchone() is not None


def create_keyed(batch: Batch, _fence: Fence | None, write: CreateKeyed) -> Read:
    """Create a workflow unless a live one has its key. The key's row is locked until the commit."""
    new, gate = write.workflow, Gate(batch)
    batch.run("lock_queue_key", queue=new.queue, key=write.key)
    batch.look_up([new.workflow_id])
    if new.workflow_id not in batch.existing:
        found = holder(gate, write)
        if found is not None:
            batch.look_up([found])
            created = Created(existing=batch.existing[found])
            batch.ready = batch.ready or is_sooner(write, batch.existing[found])
            return lambda: created
        give_key(gate, write, new.workflow_id, write.until)
        part = Part.of(Unit(writes=(Create(workflow=new),)))
        batch.made.update(bulk.create(batch.run, *bulk.create_rows([part]), now=batch.clock_now))
        batch.ready = True
    # Somebody may have taken the id since it was looked up.
    if not batch.is_ours(new):
        batch.look_up([new.workflow_id])
    return lambda: batch.created(new)


def let_in(batch: Batch, write: Claim, opened: Rows) -> list[str]:
    """Let in from queues what their limits leave room for."""
    return admit(Gate(batch), write, [name for (name,) in opened])


class Gate:
    """See `holdfast.store.admission.Gate`."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.bound_now = batch.clock_now

    def rows(self, query: str, /, **values: Any) -> Sequence[tuple[Any, ...]]:
        """Run a named query."""
        return self._batch.run(query, **values).fetchall()

    def run(self, query: str, /, **values: Any) -> None:
        """Run a named statement that gives no rows."""
        self._batch.run(query, **values)

    def texts(self, texts: Iterable[str]) -> str:
        """Bind many texts as one value."""
        return text_array(texts)

    def take(self, claim: Claim, workflow_ids: Sequence[str]) -> set[str]:
        """Give workflows to the claiming worker, but for those that another transaction is changing."""
        wanted = text_array(workflow_ids)
        taken = self.rows(
            "admit_workflows",
            workflow_ids=wanted,
            worker_id=claim.worker_id,
            claim_id=claim.claim_id,
            now=self.bound_now,
        )
        return {workflow_id for (workflow_id,) in taken}
