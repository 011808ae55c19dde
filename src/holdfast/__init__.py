"""Durable execution for AI agents: plain functions whose progress survives being killed at any instant.

    from holdfast import Holdfast, step, workflow

Everything that a program needs is imported from here; errors are in `holdfast.errors`, approvals by people in
`holdfast.approvals`, integrations with agent frameworks in `holdfast.agents`.
"""

from holdfast.api.admin import Admin
from holdfast.api.app import Holdfast
from holdfast.api.client import Client
from holdfast.api.decorators import step, transaction, workflow
from holdfast.api.handle import Handle
from holdfast.api.options import Options, options
from holdfast.api.schedule_fields import ScheduleFields
from holdfast.api.schedules import Schedules, schedule
from holdfast.api.verbs import (
    aclose_stream,
    agather,
    aget_event,
    amap,
    aread_stream,
    arecv,
    arun_step,
    asend,
    aset_attributes,
    aset_event,
    asleep,
    astart,
    astart_many,
    awrite_stream,
    close_stream,
    connection,
    gather,
    get_event,
    in_step,
    in_workflow,
    logger,
    map,  # noqa: A004 - the field's word; `from holdfast import map` says whose it is
    on_undo,
    read_stream,
    recv,
    retrieve,
    run_step,
    send,
    set_attributes,
    set_event,
    sleep,
    sql_session,
    start,
    start_many,
    step_info,
    workflow_id,
    write_stream,
)
from holdfast.core.codec import PayloadCodec
from holdfast.core.findings import CheckReport, Finding, Verdict
from holdfast.core.management import Changed, Lineage, WorkflowCount, WorkflowDetails
from holdfast.core.model import Approval, Checkpoint, Kind, Status, VersionCount, WorkflowFilter, WorkflowRecord
from holdfast.core.options import Config, Retention, StartOptions, StepOptions
from holdfast.core.queues import Queue, QueueState, Rate
from holdfast.core.retry import RetryPolicy
from holdfast.core.schedule import Overlap, ScheduleRecord, Tick, Timing
from holdfast.errors import HoldfastError, WorkflowCancelled
from holdfast.runtime.branches import branch
from holdfast.runtime.context import StepInfo
from holdfast.runtime.versions import patched

__all__ = [
    "Admin",
    "Approval",
    "Changed",
    "CheckReport",
    "Checkpoint",
    "Client",
    "Config",
    "Finding",
    "Handle",
    "Holdfast",
    "HoldfastError",
    "Kind",
    "Lineage",
    "Options",
    "Overlap",
    "PayloadCodec",
    "Queue",
    "QueueState",
    "Rate",
    "Retention",
    "RetryPolicy",
    "ScheduleFields",
    "ScheduleRecord",
    "Schedules",
    "StartOptions",
    "Status",
    "StepInfo",
    "StepOptions",
    "Tick",
    "Timing",
    "Verdict",
    "VersionCount",
    "WorkflowCancelled",
    "WorkflowCount",
    "WorkflowDetails",
    "WorkflowFilter",
    "WorkflowRecord",
    "aclose_stream",
    "agather",
    "aget_event",
    "amap",
    "aread_stream",
    "arecv",
    "arun_step",
    "asend",
    "aset_attributes",
    "aset_event",
    "asleep",
    "astart",
    "astart_many",
    "awrite_stream",
    "branch",
    "close_stream",
    "connection",
    "gather",
    "get_event",
    "in_step",
    "in_workflow",
    "logger",
    "map",
    "on_undo",
    "options",
    "patched",
    "read_stream",
    "recv",
    "retrieve",
    "run_step",
    "schedule",
    "send",
    "set_attributes",
    "set_event",
    "sleep",
    "sql_session",
    "start",
    "start_many",
    "step",
    "step_info",
    "transaction",
    "workflow",
    "workflow_id",
    "write_stream",
]
