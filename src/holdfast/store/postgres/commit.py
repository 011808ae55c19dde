"""One commit: a batch of units as one transaction, sent as a pipeline.

Statements are queued, and their results read later. Where nothing has to be known in between (units made of Create,
Record and Finish: nearly all there are) the whole commit is one round trip: its first statement locks the rows, and
each of the others checks the fences by itself. Other writes must know first which units stand. That costs round trips,
not another path.

The order of both: lock workers, lock workflows by id, create, record, the other writes in turn, finish, wake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from holdfast.core.model import Fence, Kind, Status
from holdfast.store.base import (
    Append,
    Cancel,
    Claim,
    Committed,
    Create,
    Decide,
    Finish,
    PutEvent,
    Receipt,
    Resume,
    Send,
    Suspend,
    TakeOver,
    Unit,
    Write,
)
from holdfast.store.postgres import bulk
from holdfast.store.postgres.batch import Batch, Held, Read, nothing
from holdfast.store.postgres.sql import Columns, columns, text_array

Handler = Callable[[Batch, Fence | None, Any], Read]
_WAKES: Columns = {"target_id": text_array, "kind": text_array, "name": text_array}


class Commit:
    """One try to write one batch of units."""

    def __init__(self, batch: Batch, units: Sequence[Unit], handlers: Mapping[type, Handler]) -> None:
        self._batch, self._units, self._handlers = batch, units, handlers
        self._plan = bulk.Plan(units)
        self._takers: set[str] = set()
        """Workers that take or create workflows for themselves."""

    def write(self) -> Committed:
        """Write and commit, in one round trip where that is possible."""
        with self._batch.connection.pipeline():
            receipts = self._write_blindly() if self._plan.needs_no_answers else self._write_knowingly()
        for unit, receipt in zip(self._units, receipts, strict=True):
            if receipt.accepted:
                self._tell(unit, receipt)
        return Committed(receipts=receipts, news=frozenset(self._batch.news), ready=self._batch.ready)

    def _write_blindly(self) -> list[Receipt]:
        batch, plan, units = self._batch, self._plan, self._units
        batch.run("begin")
        self._lock_workers()
        locked = batch.run("lock_workflows", workflow_ids=text_array(plan.fenced)) if plan.fenced else None
        made = bulk.create(batch.run, *plan.create_rows(units), now=batch.clock_now) if plan.creates else None
        bulk.record(batch.run, plan.record_rows(units))
        bulk.finish(batch.run, *plan.finish_rows(units), now=batch.clock_now)
        woken = self._wake(units)
        strays = self._release_strays()
        batch.run("commit")
        if locked is not None:
            batch.learn_held(locked)
        if made is not None:
            batch.made.update(made)
        self._learn_ready(woken, strays)
        batch.look_up(self._doubtful(units))
        return [self._receipt(unit, [nothing] * len(unit.writes) if batch.accepts(unit) else None) for unit in units]

    def _write_knowingly(self) -> list[Receipt]:
        batch, plan, units = self._batch, self._plan, self._units
        batch.run("begin")
        self._lock_workers()
        self._lock_workflows()
        self._create_in_turn()
        batch.look_up(self._doubtful(units))
        standing = [unit for unit in units if batch.accepts(unit)]
        bulk.record(batch.run, plan.record_rows(standing))
        reads = {id(unit): [self._apply(unit, write) for write in unit.writes] for unit in standing}
        bulk.finish(batch.run, *plan.finish_rows(standing), now=batch.now)
        woken = self._wake(standing)
        strays = self._release_strays()
        batch.run("commit")
        self._learn_ready(woken, strays)
        return [self._receipt(unit, reads.get(id(unit))) for unit in units]

    def _lock_workers(self) -> None:
        takers = self._takers
        for write in self._writes():
            match write:
                case Create(workflow=new) if new.owner is not None:
                    takers.add(new.owner)
                case Claim(worker_id=worker_id):
                    takers.add(worker_id)
                case TakeOver(worker_id=worker_id) if worker_id not in self._batch.suspects:
                    for (suspect_id,) in self._batch.run("suspect_of_worker", worker_id=worker_id):
                        self._batch.suspects[worker_id] = suspect_id
                case _:
                    pass
        if takers:
            locked = self._batch.run("lock_workers", worker_ids=text_array(sorted(takers)))
            if not self._plan.needs_no_answers:
                self._batch.workers.update(locked)

    def _lock_workflows(self) -> None:
        batch = self._batch
        wanted = set(self._plan.fenced)
        targets: set[str] = set()
        for write in self._writes():
            match write:
                case Send(message=message) | Decide(message=message):
                    wanted.add(message.workflow_id)
                case PutEvent(workflow_id=workflow_id):
                    targets.add(workflow_id)
                case Append(workflow_id=workflow_id) | Resume(workflow_id=workflow_id):
                    wanted.add(workflow_id)
                case Suspend(waits=waits):
                    wanted.update(wait.workflow_id for wait in waits)
                case Cancel(workflow_id=workflow_id):
                    targets.update(row[0] for row in batch.run("descendants", workflow_id=workflow_id))
                case TakeOver(worker_id=worker_id):
                    wanted.update(row[0] for row in batch.run("running_of_worker", worker_id=worker_id))
                case _:
                    pass
        targets.update(unit.fence.workflow_id for unit in self._units if unit.fence and bulk.finish_of(unit))
        if targets:
            wanted.update(row[0] for row in batch.run("waiters", target_ids=text_array(sorted(targets))))
        batch.lock_workflows(wanted | targets)
        if batch.clock_now is not None:
            batch.now = batch.clock_now
        else:
            ((batch.now,),) = batch.run("now")

    def _create_in_turn(self) -> None:
        """Create what stands by itself first, then what those workflows' fences guard in turn."""
        waiting = [unit for unit in self._units if any(isinstance(write, Create) for write in unit.writes)]
        while waiting:
            ready = [unit for unit in waiting if self._plan.own(unit) or self._batch.accepts(unit)]
            if not ready:
                return
            made = bulk.create(self._batch.run, *self._plan.create_rows(ready), now=self._batch.now)
            self._batch.made.update(made)
            self._batch.look_up(self._doubtful(ready))
            for new in _creations(ready):
                if (new.workflow_id, new.request_id) in self._batch.made and new.owner is not None:
                    self._batch.held[new.workflow_id] = Held(Status.RUNNING, bulk.first_epoch(new), new.owner)
            waiting = [unit for unit in waiting if unit not in ready]

    def _doubtful(self, units: Sequence[Unit]) -> set[str]:
        """Return the workflows that may show that this batch was committed before, or that an id is taken."""
        batch = self._batch
        doubtful = {new.workflow_id for new in _creations(units) if (new.workflow_id, new.request_id) not in batch.made}
        for unit in units:
            held = batch.held.get(unit.fence.workflow_id) if unit.fence else None
            if held is not None and held.status.is_terminal and bulk.finish_of(unit):
                doubtful.add(unit.fence.workflow_id)  # type: ignore[union-attr]  # it has one, or nothing would be held
        return doubtful - batch.existing.keys()

    def _apply(self, unit: Unit, write: Write) -> Read:
        handler = self._handlers.get(type(write))
        return handler(self._batch, unit.fence, write) if handler else nothing

    def _wake(self, units: Sequence[Unit]) -> psycopg.Cursor[Any] | None:
        batch = self._batch
        for unit in units:
            if unit.fence and bulk.finish_of(unit):
                batch.wakes.add((unit.fence.workflow_id, Kind.RESULT.value, ""))
        if not batch.wakes:
            return None
        return batch.run("wake_workflows", now=batch.clock_now, **columns(_WAKES, sorted(batch.wakes)))

    def _release_strays(self) -> psycopg.Cursor[Any] | None:
        if not self._takers:
            return None
        return self._batch.run("release_strays", worker_ids=text_array(sorted(self._takers)))

    def _learn_ready(self, *enqueued: psycopg.Cursor[Any] | None) -> None:
        if any(cursor is not None and cursor.fetchone() for cursor in enqueued):
            self._batch.ready = True

    def _receipt(self, unit: Unit, reads: Sequence[Read] | None) -> Receipt:
        batch = self._batch
        if reads is None:
            own = self._plan.own(unit)
            return Receipt(accepted=False, results=() if own is None else (batch.created(own),))
        results = tuple(
            batch.created(write.workflow) if isinstance(write, Create) else read()
            for write, read in zip(unit.writes, reads, strict=True)
        )
        return Receipt(accepted=True, results=results, cancel_requested=batch.cancel_requested(unit))

    def _tell(self, unit: Unit, receipt: Receipt) -> None:
        """Note who should hear of the bulk writes of a unit that stands."""
        for write, result in zip(unit.writes, receipt.results, strict=True):
            match write:
                case Create(workflow=new) if new.owner is None and result.existing is None:
                    self._batch.ready = self._batch.ready or self._may_be_due(new.wake_at)
                case Finish() if unit.fence:
                    self._batch.news.add(unit.fence.workflow_id)
                case _:
                    pass

    def _may_be_due(self, wake_at: float | None) -> bool:
        # Without a test's clock nobody has asked for the time: a hint too many costs little.
        return wake_at is None or self._batch.clock_now is None or wake_at <= self._batch.clock_now

    def _writes(self) -> Iterator[Write]:
        return (write for unit in self._units for write in unit.writes)


def _creations(units: Sequence[Unit]) -> Iterator[Any]:
    return (write.workflow for unit in units for write in unit.writes if isinstance(write, Create))
