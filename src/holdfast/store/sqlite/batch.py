"""One commit: units in their order, fences checked, refused ones left out, each write carried out by its handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from holdfast.core.model import Fence
from holdfast.store.management_writes import AdoptVersion, Delete, Restore, SetAttributes, TakeDuty
from holdfast.store.queue_writes import ChangeQueue, CreateKeyed, DeclareQueue, PauseQueue
from holdfast.store.schedule_writes import AdvanceSchedule, PauseSchedule, PutSchedule, RemoveSchedule
from holdfast.store.sqlite import approvals, exchanges, lifecycle, management, queues, recovery, schedules
from holdfast.store.sqlite.ledger import ENQUEUED, RUNNING, SUSPENDED, Ledger, State
from holdfast.store.writes import (
    AddLink,
    Append,
    AskApproval,
    Audit,
    Cancel,
    Claim,
    Consume,
    Create,
    Decide,
    Finish,
    Heartbeat,
    Progressed,
    PutEvent,
    Receipt,
    Record,
    Register,
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

_UNFENCED: Mapping[type[Any], Callable[[Ledger, Any], Any]] = {
    Create: lambda ledger, write: ledger.create(write.workflow),
    Send: exchanges.send,
    PutEvent: exchanges.put_event,
    Append: exchanges.append,
    Cancel: lifecycle.cancel,
    Resume: lifecycle.resume,
    Settle: lifecycle.settle,
    Claim: recovery.claim,
    Register: recovery.register,
    Heartbeat: recovery.heartbeat,
    TakeOver: recovery.take_over,
    AskApproval: approvals.ask,
    AddLink: approvals.add_link,
    Decide: approvals.decide,
    Audit: approvals.audit,
    PutSchedule: schedules.put,
    PauseSchedule: schedules.pause,
    RemoveSchedule: schedules.remove,
    AdvanceSchedule: schedules.advance,
    DeclareQueue: queues.declare_queue,
    ChangeQueue: queues.change_queue,
    PauseQueue: queues.pause_queue,
    CreateKeyed: queues.create_keyed,
    SetAttributes: management.set_attributes,
    Restore: management.restore,
    Delete: management.delete,
    TakeDuty: management.take_duty,
}
_FENCED: Mapping[type[Any], Callable[[Ledger, Any, Fence, State], Any]] = {
    Record: lambda ledger, write, fence, _state: ledger.record(fence, write.checkpoint),
    Finish: lambda ledger, write, fence, state: ledger.finish(fence, state, write),
    Consume: exchanges.consume,
    AdoptVersion: management.adopt_version,
    Suspend: lifecycle.suspend,
    Release: lifecycle.release,
    SetAside: lifecycle.set_aside,
    Progressed: lifecycle.progressed,
}
_ENDS = (Finish, Suspend, Release, SetAside)
"""After these the workflow is out of its owner's hands, and its fence holds no more."""


def write_units(ledger: Ledger, units: Sequence[Unit]) -> list[Receipt]:
    """Carry out a batch and say what became of each unit. The caller commits."""
    _preload(ledger, units)
    receipts = [_write_unit(ledger, unit) for unit in units]
    ledger.flush()
    return receipts


def _preload(ledger: Ledger, units: Sequence[Unit]) -> None:
    workflow_ids, worker_ids = set(), set()
    for unit in units:
        if unit.fence is not None:
            workflow_ids.add(unit.fence.workflow_id)
        for write in unit.writes:
            if type(write) is Record:
                continue
            if isinstance(write, Create):
                workflow_ids.add(write.workflow.workflow_id)
                if write.workflow.owner is not None:
                    worker_ids.add(write.workflow.owner)
            elif isinstance(write, Claim):
                worker_ids.add(write.worker_id)
    ledger.preload(workflow_ids, worker_ids)


def _write_unit(ledger: Ledger, unit: Unit) -> Receipt:
    fence, writes = unit.fence, unit.writes
    results: list[Any] = []
    first = writes[0] if writes else None
    if fence is not None and isinstance(first, Create) and first.workflow.workflow_id == fence.workflow_id:
        created = ledger.create(first.workflow)
        results.append(created)
        if created.existing is not None:
            return Receipt(accepted=False, results=(created,))
    state = None if fence is None else ledger.state(fence.workflow_id)
    if fence is not None and (state is None or state.status != RUNNING or state.epoch != fence.epoch):
        if state is None or not _was_committed(ledger, unit, fence, state):
            return Receipt(accepted=False, results=tuple(results))
        results += [_repeat(ledger, write) for write in writes[len(results) :]]
        return Receipt(accepted=True, results=tuple(results), cancel_requested=state.cancel_at is not None)
    for write in writes[len(results) :]:
        results.append(_apply(ledger, write, fence, state))
    if ledger.dead_workers and _disown(ledger, writes) and fence is not None:
        return Receipt(accepted=False, results=tuple(results[:1]))
    if fence is not None:
        state = ledger.state(fence.workflow_id)
    cancel_requested = state is not None and state.cancel_at is not None
    return Receipt(accepted=True, results=tuple(results), cancel_requested=cancel_requested)


def _apply(ledger: Ledger, write: Write, fence: Fence | None, state: State | None) -> Any:
    kind = type(write)
    fenced = _FENCED.get(kind)
    if fenced is None:
        return _UNFENCED[kind](ledger, write)
    if fence is None or state is None:
        raise ValueError(f"{kind.__name__} needs a fence")
    return fenced(ledger, write, fence, state)


def _was_committed(ledger: Ledger, unit: Unit, fence: Fence, state: State) -> bool:
    """Tell whether this unit went through before, in a commit whose reply was lost: all of it is there already."""
    if state.epoch != fence.epoch or not any(isinstance(write, _ENDS) for write in unit.writes):
        return False
    return all(_is_there(ledger, write, fence, state) for write in unit.writes)


def _is_there(ledger: Ledger, write: Write, fence: Fence, state: State) -> bool:
    match write:
        case Record():
            return ledger.recorded(fence.workflow_id, write.checkpoint.step_id) is not None
        case Suspend():
            return state.status in {SUSPENDED, ENQUEUED}
        case Release():
            return state.status == ENQUEUED
        case SetAside():
            return state.status == write.status and ledger.record_of(fence.workflow_id).report == write.report
        case Finish():
            found = ledger.record_of(fence.workflow_id)
            return (found.status, found.output, found.error) == (write.status, write.output, write.error)
        case _:
            return True


def _repeat(ledger: Ledger, write: Write) -> Any:
    """Give the result of a write that went through before."""
    match write:
        case Suspend():
            return True
        case AdoptVersion() | Record() | Consume() | Finish() | Release() | SetAside() | Progressed():
            return None
        case _:
            return _UNFENCED[type(write)](ledger, write)


def _disown(ledger: Ledger, writes: Sequence[Write]) -> bool:
    """Enqueue what a worker created for itself after it was declared dead: nobody would take it over later.

    Tell whether there was such a workflow.
    """
    disowned = False
    for write in writes:
        if isinstance(write, Create) and write.workflow.owner in ledger.dead_workers:
            fence = Fence(workflow_id=write.workflow.workflow_id, epoch=1)
            state = ledger.state(fence.workflow_id)
            if state is not None and state.status == RUNNING and state.epoch == 1:
                lifecycle.release(ledger, None, fence, state)
                disowned = True
    return disowned
