"""Which function carries out which write. Create, Record, Consume and Finish are written in bulk, see commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.store.management_writes import AdoptVersion, Delete, Restore, SetAttributes, TakeDuty
from holdfast.store.postgres import approvals, exchanges, lifecycle, management, queues, recovery, schedules
from holdfast.store.postgres.commit import Handler
from holdfast.store.queue_writes import ChangeQueue, CreateKeyed, DeclareQueue, PauseQueue
from holdfast.store.schedule_writes import AdvanceSchedule, PauseSchedule, PutSchedule, RemoveSchedule
from holdfast.store.writes import (
    AddLink,
    Append,
    AskApproval,
    Audit,
    Cancel,
    Claim,
    Decide,
    Heartbeat,
    Progressed,
    PutEvent,
    Register,
    Release,
    Resume,
    Send,
    SetAside,
    Settle,
    Suspend,
    TakeOver,
)

HANDLERS: Mapping[type[Any], Handler] = {
    Suspend: lifecycle.suspend,
    Release: lifecycle.release,
    SetAside: lifecycle.set_aside,
    Progressed: lifecycle.progressed,
    Resume: lifecycle.resume,
    Settle: lifecycle.settle,
    Cancel: lifecycle.cancel,
    Send: exchanges.send,
    PutEvent: exchanges.put_event,
    Append: exchanges.append,
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
    AdoptVersion: management.adopt_version,
    SetAttributes: management.set_attributes,
    Restore: management.restore,
    Delete: management.delete,
    TakeDuty: management.take_duty,
}
