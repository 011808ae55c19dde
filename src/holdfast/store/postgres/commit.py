"""One commit: a batch of units as one transaction, sent as a pipeline.

Statements are queued, and their results read later. Where nothing has to be known in between (units made of Create,
Record, Consume and Finish: nearly all there are) the whole commit is one round trip: its first statement locks the
rows, and each of the others checks the fences by itself. Other writes must know first which units stand. That costs
round trips, not another path.

The order of both: lock workers, lock workflows by id, create, record, the other writes in turn, finish, wake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.core.model import Fence, Kind, NewWorkflow, Status
from holdfast.store.management_writes import Delete, SetAttributes
from holdfast.store.postgres import bulk
from holdfast.store.postgres.batch import Batch, Held, Read, nothing
from holdfast.store.postgres.bulk import Part
from holdfast.store.postgres.pipeline import Rows
from holdfast.store.postgres.sql import Columns, columns, text_array
from holdfast.store.schedule_writes import SCHEDULE_WRITES
from holdfast.store.writes import (
    Append,
    Cancel,
    Claim,
    Committed,
    Create,
    Created,
    Decide,
    Finish,
    PutEvent,
    Receipt,
    Release,
    Resume,
    Send,
    SetAside,
    Settle,
    Suspend,
    TakeOver,
    Unit,
    Write,
)

Handler = Callable[[Batch, Fence | None, Any], Read]
_NO_READS: Sequence[Read] = ()
"""For a unit that stands and was written in bulk: its writes have no results to be read."""
_ENDS = (Finish, Suspend, Release, SetAside)
_WAKES: Columns = {"target_id": text_array, "kind": text_array, "name": text_array}


class Commit:
    """One try to write one batch of units."""

    def __init__(self, batch: Batch, units: Sequence[Unit], handlers: Mapping[type, Handler]) -> None:
        self._batch, self._handlers = batch, handlers
        self._plan = bulk.Plan(units)
        self._takers: list[str] = []
        """Workers that take or create workflows for themselves."""

    def write(self) -> Committed:
        """Write and commit, in one round trip where that is possible."""
        with self._batch.pipeline.open():
            receipts = self._write_blindly() if self._plan.needs_no_answers else self._write_knowingly()
        return Committed(receipts=receipts, news=frozenset(self._batch.news), ready=self._batch.ready)

    def _write_blindly(self) -> list[Receipt]:
        batch, plan, parts = self._batch, self._plan, self._plan.parts
        batch.run("begin")
        self._lock_workers()
        locked = batch.run("lock_workflows", workflow_ids=text_array(plan.fenced)) if plan.fenced else None
        made = bulk.create(batch.run, *bulk.create_rows(parts), now=batch.clock_now) if plan.creates else None
        bulk.record(batch.run, bulk.record_rows(parts))
        bulk.consume(batch.run, bulk.consume_rows(parts))
        bulk.finish(batch.run, *bulk.finish_rows(parts), now=batch.clock_now)
        woken = self._wake(parts)
        strays = self._release_strays()
        batch.run("commit")
        if locked is not None:
            batch.learn_held(locked)
        if made is not None:
            batch.made.update(made)
        self._learn_ready(woken, strays)
        batch.look_up(self._doubtful(parts))
        return [self._receipt(part, _NO_READS if batch.accepts(part) else None) for part in parts]

    def _write_knowingly(self) -> list[Receipt]:
        batch, parts = self._batch, self._plan.parts
        batch.run("begin")
        self._lock_workers()
        self._lock_workflows()
        self._create_in_turn()
        batch.look_up(self._doubtful(parts))
        standing = [part for part in parts if batch.accepts(part)]
        bulk.record(batch.run, bulk.record_rows(standing))
        bulk.consume(batch.run, bulk.consume_rows(standing))
        reads = {id(part): [self._apply(part.unit, write) for write in part.unit.writes] for part in standing}
        bulk.finish(batch.run, *bulk.finish_rows(standing), now=batch.now)
        woken = self._wake(standing)
        strays = self._release_strays()
        batch.run("commit")
        self._learn_ready(woken, strays)
        return [self._receipt(part, reads.get(id(part))) for part in parts]

    def _lock_workers(self) -> None:
        batch = self._batch
        takers = {new.owner for new in _creations(self._plan.parts) if new.owner is not None}
        for write in self._other_writes():
            if isinstance(write, Claim):
                takers.add(write.worker_id)
            elif isinstance(write, TakeOver) and write.worker_id not in batch.doomed:
                batch.doomed.update(
                    worker_id for (worker_id,) in batch.run("lock_doomed_worker", worker_id=write.worker_id)
                )
        self._takers = sorted(takers)
        if takers:
            locked = batch.run("lock_workers", worker_ids=text_array(self._takers))
            if not self._plan.needs_no_answers:
                batch.workers.update(locked)

    def _lock_workflows(self) -> None:
        batch = self._batch
        wanted = set(self._plan.fenced)
        targets = {part.workflow_id for part in self._plan.parts if part.workflow_id is not None and part.finish}
        for write in self._other_writes():
            match write:
                case TakeOver(worker_id=worker_id):
                    wanted.update(row[0] for row in batch.run("running_of_worker", worker_id=worker_id))
                case PutEvent(workflow_id=workflow_id):
                    targets.add(workflow_id)
                case Cancel(workflow_id=workflow_id):
                    targets.update(row[0] for row in batch.run("descendants", workflow_id=workflow_id))
                case _:
                    wanted.update(_written_to(write))
        if targets:
            wanted.update(row[0] for row in batch.run("waiters", target_ids=text_array(sorted(targets))))
        batch.lock_workflows(wanted | targets)
        if batch.clock_now is not None:
            batch.now = batch.clock_now
        else:
            ((batch.now,),) = batch.run("now")

    def _create_in_turn(self) -> None:
        """Create what stands by itself first, then what those workflows' fences guard in turn."""
        batch = self._batch
        waiting = [part for part in self._plan.parts if part.creates]
        while waiting:
            ready = [part for part in waiting if part.own is not None or batch.accepts(part)]
            if not ready:
                return
            batch.made.update(bulk.create(batch.run, *bulk.create_rows(ready), now=batch.now))
            batch.look_up(self._doubtful(ready))
            for new in _creations(ready):
                if (new.workflow_id, new.request_id) in batch.made and new.owner is not None:
                    batch.held[new.workflow_id] = Held(Status.RUNNING, bulk.first_epoch(new), new.owner)
            begun = {id(part) for part in ready}
            waiting = [part for part in waiting if id(part) not in begun]

    def _doubtful(self, parts: Sequence[Part]) -> set[str]:
        """Return the workflows that may show that this batch was committed before, or that an id is taken."""
        batch = self._batch
        doubtful = {new.workflow_id for new in _creations(parts) if (new.workflow_id, new.request_id) not in batch.made}
        for part in parts:
            if part.finish is not None and part.workflow_id in batch.held:
                held = batch.held[part.workflow_id]
                if held.status is not Status.RUNNING and held.status.is_terminal:
                    doubtful.add(part.workflow_id)
        return doubtful - batch.existing.keys()

    def _apply(self, unit: Unit, write: Write) -> Read:
        handler = self._handlers.get(type(write))
        return handler(self._batch, unit.fence, write) if handler else nothing

    def _wake(self, parts: Sequence[Part]) -> Rows | None:
        batch, result = self._batch, Kind.RESULT.value
        batch.wakes.update(
            (part.workflow_id, result, "") for part in parts if part.finish is not None and part.workflow_id is not None
        )
        if not batch.wakes:
            return None
        return batch.run("wake_workflows", now=batch.clock_now, **columns(_WAKES, list(batch.wakes)))

    def _release_strays(self) -> Rows | None:
        if not self._takers:
            return None
        return self._batch.run("release_strays", worker_ids=text_array(self._takers))

    def _learn_ready(self, woken: Rows | None, strays: Rows | None) -> None:
        if woken is not None:
            self._batch.woken.update(workflow_id for (workflow_id,) in woken)
        if strays is not None:
            self._batch.strays.update(workflow_id for (workflow_id,) in strays)
        if self._batch.woken or self._batch.strays:
            self._batch.ready = True

    def _receipt(self, part: Part, reads: Sequence[Read] | None) -> Receipt:
        """Say what became of a unit: refused without `reads`, else their results."""
        batch, writes = self._batch, part.unit.writes
        if reads is None or (part.own is not None and part.own.workflow_id in batch.strays):
            return Receipt(accepted=False, results=() if part.own is None else (batch.created(part.own),))
        results = [read() for read in reads] or [None] * len(writes)
        if part.creates:
            for place, write in enumerate(writes):
                if isinstance(write, Create):
                    results[place] = self._created(write.workflow)
        if part.finish is not None and part.workflow_id is not None:
            batch.news.add(part.workflow_id)
            batch.leave_place(part.workflow_id)
        return Receipt(accepted=True, results=tuple(results), cancel_requested=batch.cancel_requested(part))

    def _created(self, new: NewWorkflow) -> Created:
        batch = self._batch
        created = batch.created(new)
        if created.existing is None and new.owner is None:
            # Without a test's clock nobody has asked for the time: a hint too many costs little.
            is_delayed = new.wake_at is not None and batch.clock_now is not None and new.wake_at > batch.clock_now
            batch.ready = batch.ready or not is_delayed
        return created

    def _other_writes(self) -> Iterator[Write]:
        return (write for part in self._plan.parts if not part.is_plain for write in part.unit.writes)


def _written_to(write: Write) -> Iterable[str]:
    """Return the workflows that a write names, where there is no more to it than that."""
    match write:
        case Send(message=message) | Decide(message=message):
            return (message.workflow_id,)
        case (
            Append(workflow_id=workflow_id)
            | Resume(workflow_id=workflow_id)
            | SetAttributes(workflow_id=workflow_id)
            | Settle(workflow_id=workflow_id)
        ):
            return (workflow_id,)
        case Suspend(waits=waits):
            return [wait.workflow_id for wait in waits]
        case Delete(workflow_ids=workflow_ids):
            return workflow_ids
        case _:
            return ()


def in_turns(units: Sequence[Unit]) -> Iterator[Sequence[Unit]]:
    """Split a batch where a unit comes after one that may end the right it relies on; nearly always there is no such.

    Whether the later one stands is known only once the earlier one is written, so that they can't share a transaction.
    Nor do writes about schedules with others: they lock schedules first, and a tick may end other workflows.
    """
    if len(units) == 1:
        yield units
        return
    ended: set[tuple[str, int]] = set()
    start = 0
    about_schedules = False
    for place, unit in enumerate(units):
        if (bool(unit.writes) and isinstance(unit.writes[0], SCHEDULE_WRITES)) is not about_schedules:
            about_schedules = not about_schedules
            if place > start:
                yield units[start:place]
                start = place
                ended.clear()
        if unit.fence is None:
            continue
        fence = unit.fence.workflow_id, unit.fence.epoch
        if fence in ended:
            yield units[start:place]
            start = place
            ended.clear()
        if any(isinstance(write, _ENDS) for write in unit.writes):
            ended.add(fence)
    yield units[start:]


def _creations(parts: Sequence[Part]) -> Iterator[NewWorkflow]:
    return (write.workflow for part in parts if part.creates for write in part.unit.writes if isinstance(write, Create))
