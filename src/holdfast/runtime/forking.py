"""Forks: a new workflow that goes on from a place in another one's journal; and retries, which are forks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from holdfast.core import forking
from holdfast.core.codec.digest import text_digest
from holdfast.core.codec.refusal import qualified_name
from holdfast.core.data import dataclass
from holdfast.core.identity import check_text
from holdfast.core.management import Changed, Lineage
from holdfast.core.model import Checkpoint, Claimed, NewWorkflow, Status, WorkflowRecord
from holdfast.errors import (
    DamagedRecord,
    RecordedError,
    StepOutcomeUnknown,
    UsageError,
    WorkflowIdConflict,
    WorkflowNotFound,
)
from holdfast.runtime.changing import Bulk, select
from holdfast.runtime.effects import Durable, Flow
from holdfast.store.management_writes import Restore
from holdfast.store.writes import Create, Created, Receipt, Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine

_RETRYABLE = (Status.FAILED, Status.CANCELLED)
_MANY_CAUSES = 100


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """Where a fork begins, and what is different in it."""

    from_step: str | int | None = None
    id: str | None = field(default=None, kw_only=True)
    input: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    outcomes: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    version: str | None = field(default=None, kw_only=True)


def fork(engine: Engine, workflow_id: str, request: ForkRequest) -> Flow[str]:
    """Make a fork and return its id. Raises `WorkflowNotFound`, `UsageError`, `WorkflowIdConflict`, `PayloadError`."""
    origin = yield from _load(engine, workflow_id)
    before = forking.place(origin.journal, request.from_step, request.outcomes)
    journal = forking.taken_over(origin.journal, before)
    outcomes = {step_id: _outcome(engine, value) for step_id, value in request.outcomes.items()}
    if request.input or outcomes:
        # Its steps may be asked for with other arguments than those of which the outcomes are kept on purpose.
        journal = forking.without_arguments(forking.with_outcomes(journal, outcomes))
    following = next((each.step_id for each in origin.journal if each.seq >= before), None)
    new = _new(engine, origin.record, request, _input(engine, origin.record, request.input))
    created = yield from _create(engine, origin.record, new, journal, following if journal else None)
    if created.existing is not None:
        yield from _check_same(engine, new, created.existing, workflow_id, following if journal else None)
    return new.workflow_id


def _load(engine: Engine, workflow_id: str) -> Flow[Claimed]:
    check_text("a workflow id", workflow_id)
    found = yield from engine.read(lambda: engine.store.claimed([workflow_id]))
    if not found:
        raise WorkflowNotFound(workflow_id)
    if found[0].damage is not None:
        raise DamagedRecord(workflow_id, found[0].damage)
    return found[0]


def _outcome(engine: Engine, value: object) -> tuple[str | None, str | None]:
    if isinstance(value, BaseException):
        return None, engine.codec.encode_error(value)
    return engine.encode_parcel(value), None


def _input(engine: Engine, record: WorkflowRecord, changes: Mapping[str, object]) -> str:
    if not changes:
        return record.input
    definition = engine.definitions.workflow(record.name, record.version)
    known = None if definition is None else definition.signature.signature.parameters
    for name in changes:
        if known is not None and name not in known:
            raise UsageError(f"{record.name} takes no argument {name!r}; it takes {', '.join(known) or 'none'}")
    return engine.edit_call(record.input, changes)


def _new(engine: Engine, record: WorkflowRecord, request: ForkRequest, text: str) -> NewWorkflow:
    return NewWorkflow(
        workflow_id=engine.ids.new() if request.id is None else check_text("a workflow id", request.id),
        name=record.name,
        version=record.version if request.version is None else request.version,
        input=text,
        input_digest=record.input_digest if text == record.input else text_digest(text),
        request_id=engine.ids.new(),
        created_at=engine.clock.now(),
        traceparent=engine.tracer.traceparent(),
        queue=record.queue,
        priority=record.priority,
        timeout=record.timeout,
        partition=record.partition,
    )


def _create(
    engine: Engine, origin: WorkflowRecord, new: NewWorkflow, journal: list[Checkpoint], step: str | None
) -> Flow[Created]:
    contents = yield from engine.read(lambda: engine.store.contents(origin.workflow_id))
    if new.version != origin.version:
        journal = forking.recorded_by(journal, origin.version)
    lineage = Lineage(forked_from=origin.workflow_id, forked_step=step, forked_at=new.created_at)
    contents = replace(forking.left_behind(contents, origin.workflow_id, journal), lineage=lineage)
    restore = Restore(workflow_id=new.workflow_id, request_id=new.request_id, contents=contents)
    receipt: Receipt = yield Durable(engine.committer.submit(Unit(writes=(Create(workflow=new), restore))))
    created: Created = receipt.results[0]
    return created


def _check_same(
    engine: Engine, new: NewWorkflow, existing: WorkflowRecord, origin_id: str, step: str | None
) -> Flow[None]:
    lineage = yield from engine.read(lambda: engine.store.lineage(existing.workflow_id))
    same = lineage is not None and (lineage.forked_from, lineage.forked_step) == (origin_id, step)
    if not same or not engine.is_same(new, existing):
        forked = f", forked from {lineage.forked_from!r} at {lineage.forked_step!r}" if lineage is not None else ""
        raise WorkflowIdConflict(
            new.workflow_id,
            existing=f"{existing.name}({existing.input}){forked}",
            asked=f"{new.name}({new.input}), forked from {origin_id!r} at {step!r}",
        )


# Retries


def retry(engine: Engine, bulk: Bulk, *, from_start: bool, version: str | None) -> Flow[Changed]:
    """Fork what failed at its failure, each into one workflow, once."""
    selected = yield from select(engine, bulk, _RETRYABLE)
    ids = []
    for record in selected.records:
        retry_id = check_text("a retry's id", f"{record.workflow_id}~retry")
        ids.append(retry_id)
        if not bulk.dry_run:
            request = ForkRequest(id=retry_id, version=version)
            yield from _retry(engine, record.workflow_id, request, from_start=from_start)
    return selected.result(bulk, ids)


def _retry(engine: Engine, workflow_id: str, request: ForkRequest, *, from_start: bool) -> Flow[None]:
    origin = yield from _load(engine, workflow_id)
    record = origin.record
    failed = None if from_start else _failed_step(engine, origin)
    journal: list[Checkpoint] = []
    if not from_start:
        unknown = failed is not None and failed.error is not None and _is_unknown(engine, failed.error)
        end = max((each.seq for each in origin.journal), default=0) + 1
        before = end if failed is None else failed.seq
        # Nobody knows what an interrupted at-most-once step did: its check is asked again, its body not run.
        still_begun = failed.step_id if failed is not None and unknown else None
        journal = forking.taken_over(origin.journal, before, still_begun=still_begun)
    new = _new(engine, record, request, record.input)
    created = yield from _create(engine, record, new, journal, None if failed is None else failed.step_id)
    if created.existing is not None:
        lineage = yield from engine.read(lambda: engine.store.lineage(new.workflow_id))
        if lineage is None or lineage.forked_from != workflow_id:
            raise WorkflowIdConflict(
                new.workflow_id,
                existing=f"{created.existing.name}({created.existing.input})",
                asked=f"a retry of {workflow_id!r}",
            )


def _failed_step(engine: Engine, origin: Claimed) -> Checkpoint | None:
    """Find the operation at which a workflow failed or was cancelled."""
    record, journal = origin.record, origin.journal
    if record.status is Status.CANCELLED:
        return forking.cancellation(journal)
    known = {each.step_id: _names(engine.codec.decode_error(each.error)) for each in journal if each.error is not None}
    chain = [_names(each) for each in _chain(engine.codec.decode_error(record.error or "{}"))]
    return forking.failure(journal, known, chain)


def _is_unknown(engine: Engine, error: str) -> bool:
    return _names(engine.codec.decode_error(error))[0] == qualified_name(StepOutcomeUnknown)


def _names(error: BaseException) -> tuple[str, str]:
    """Return the type and message by which a recorded error is recognised."""
    if isinstance(error, RecordedError):
        return error.type_name, error.message
    return qualified_name(type(error)), str(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error with its causes and members."""
    found: list[Any] = [error]
    for each in found:  # which grows meanwhile
        yield each
        members = each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        if len(found) < _MANY_CAUSES:
            found += [other for other in (each.__cause__, *members) if other is not None]
