"""Creating workflows: top level or child, called or started; and asking for what became of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast.core.codec.digest import text_digest
from holdfast.core.data import dataclass
from holdfast.core.identity import check_text, child_id
from holdfast.core.model import Fence, Kind, NewWorkflow, Outcome, Status, WaitOn
from holdfast.core.options import StartOptions
from holdfast.core.replay import Journal, Operation
from holdfast.errors import (
    ConfigurationError,
    PayloadError,
    RecordedError,
    ResultTimeout,
    WorkflowFailed,
    WorkflowIdConflict,
    WorkflowNotFound,
    WorkflowSetAside,
    WorkflowWasCancelled,
)
from holdfast.runtime import queues
from holdfast.runtime.context import Frame, current
from holdfast.runtime.definitions import WorkflowDefinition
from holdfast.runtime.effects import Durable, Flow
from holdfast.runtime.execution import Execution
from holdfast.runtime.local_outcomes import LocalOutcome
from holdfast.runtime.recorded import encoded
from holdfast.runtime.run import LEFT, Ended
from holdfast.runtime.time_limits import earliest, time_limits
from holdfast.runtime.waiting import Settled, wait_until_settled
from holdfast.store.writes import Create, Created, Receipt, Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine


@dataclass(frozen=True, slots=True)
class Call:
    """A workflow function with its arguments."""

    definition: WorkflowDefinition
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Started:
    """A workflow that is durable."""

    workflow_id: str
    local: LocalOutcome | None = None
    """The place for its outcome, if it begins in this process: it may have ended before anybody holds a handle."""


def start(engine: Engine, call: Call, options: StartOptions) -> Flow[Started]:
    """Create a workflow and let it run in the background; return once it is durable.

    Raises `WorkflowIdConflict`, `PayloadError`. In a workflow this is a recorded operation.
    """
    frame = current.get()
    if frame is None or frame.step is not None:
        if options.queue is not None:
            yield from engine.queues.check(options.queue)
        workflow_id = _new_id(engine, call, frame) if options.id is None else options.id
        new = new_workflow(engine, call, options, workflow_id, frame)
        receipt: Receipt = yield Durable(engine.committer.submit(_creation(new, options)))
        return launch(engine, call, _as_created(new, receipt), receipt.results[0])
    execution = frame.execution
    operation, _ = execution.operation(Kind.START, call.definition.name, _digest(engine, call))
    recorded = execution.begin(operation)
    if recorded is not None:
        return Started(str(execution.value(recorded, str)))
    yield from check_queue(execution, operation, options)
    workflow_id = child_id(execution.workflow_id, operation.step_id) if options.id is None else options.id
    new = new_workflow(engine, call, options, workflow_id, frame)
    # The id is the same at every replay, so a crash between this commit and the checkpoint starts nothing twice.
    (created,) = yield from execution.write(queues.creation(new, options))
    try:
        started = launch(engine, call, new, created)
    except WorkflowIdConflict as error:
        execution.record(operation, error=engine.codec.encode_error(error))
        raise
    execution.record(operation, output=json.dumps(started.workflow_id))
    return started


def call(engine: Engine, call: Call, options: StartOptions) -> Flow[Any]:
    """Run a workflow for a caller who waits for its result. Raises what the workflow raised.

    In a workflow it is a child, and its outcome is recorded in the parent's journal too.
    """
    frame = current.get()
    if frame is not None and frame.step is None:
        return (yield from _call_child(frame.execution, call, options))
    if options.queue is not None:
        yield from engine.queues.check(options.queue)
    workflow_id = _new_id(engine, call, frame) if options.id is None else options.id
    new = new_workflow(engine, call, options, workflow_id, frame)
    if options.id is None and options.delay is None and frame is None and new.owner is not None:
        # Nobody else can know this id: its creation rides along to the first barrier.
        execution = _execution(engine, call, new)
        execution.ride(Create(workflow=new))
        del new  # it may be long until the workflow ends
        ended = yield engine.inline(execution, call.args, call.kwargs)
    else:
        receipt: Receipt = yield Durable(engine.committer.submit(_creation(new, options)))
        created: Created = receipt.results[0]
        new = _as_created(new, receipt)
        if created.existing is None and new.owner is not None:
            ended = yield engine.inline(_execution(engine, call, new), call.args, call.kwargs)
        else:
            workflow_id = launch(engine, call, new, created).workflow_id
            ended = LEFT
    if ended.status is Status.SUCCEEDED:
        return ended.value
    if ended.status is Status.FAILED and isinstance(ended.error, Exception):
        raise ended.error
    return (yield from result(engine, workflow_id, call.definition.signature.return_hint, None))


def _call_child(parent: Execution, call: Call, options: StartOptions) -> Flow[Any]:
    engine = parent.engine
    hint = call.definition.signature.return_hint
    operation, frame = parent.operation(Kind.CHILD, call.definition.name, _digest(engine, call))
    recorded = parent.begin(operation)
    if recorded is not None:
        return parent.value(recorded, hint)
    yield from check_queue(parent, operation, options)
    workflow_id = child_id(parent.workflow_id, operation.step_id) if options.id is None else options.id
    new = new_workflow(engine, call, options, workflow_id, frame)
    ticket = parent.submit(queues.creation(new, options))
    if ticket is None:
        raise RuntimeError("a unit with a write was not submitted")
    ended: Ended | None = None
    if options.id is None and not parent.resumed and new.owner is not None:
        execution = _execution(engine, call, new)
        execution.expect(ticket)
        with parent.hearing(operation):
            ended = yield engine.inline(execution, call.args, call.kwargs)
    else:
        receipt = yield from parent.wait_for(ticket)
        created: Created = receipt.results[-1]
        if created.existing is None and new.owner is not None:
            with parent.hearing(operation):
                ended = yield engine.inline(_execution(engine, call, new), call.args, call.kwargs)
        else:
            workflow_id = launch(engine, call, new, created).workflow_id
    if ended is not None and ended.status is Status.SUCCEEDED:
        parent.record(operation, output=encoded(parent, operation, ended.value, hint))
        return ended.value
    outcome = yield from _await_outcome(parent, operation, frame, workflow_id)
    return (yield from _settle(parent, operation, workflow_id, outcome, hint=hint, ended=ended))


def child_result(engine: Engine, workflow_id: str, hint: Any, timeout: float | None) -> Flow[Any]:
    """Wait for a workflow's result: a recorded operation in workflow code, a plain wait elsewhere."""
    frame = current.get()
    if frame is None or frame.step is not None or timeout is not None:
        return (yield from result(engine, workflow_id, hint, timeout))
    execution = frame.execution
    operation, frame = execution.operation(Kind.RESULT, "result", engine.codec.digest(workflow_id))
    recorded = execution.begin(operation)
    if recorded is not None:
        return execution.value(recorded, hint)
    yield from execution.barrier()
    try:
        outcome = yield from _await_outcome(execution, operation, frame, workflow_id, may_be_gone=True)
    except WorkflowNotFound as error:
        execution.record(operation, error=engine.codec.encode_error(error))
        raise
    return (yield from _settle(execution, operation, workflow_id, outcome, hint=hint, ended=None))


def _await_outcome(
    execution: Execution, operation: Operation, frame: Frame, workflow_id: str, *, may_be_gone: bool = False
) -> Flow[Outcome]:
    """Wait for a workflow's outcome. Raises `WorkflowNotFound` if it may be gone and is: nobody waits for ever."""
    engine = execution.engine

    def look(_expired: bool) -> Flow[Settled[Outcome] | None]:  # noqa: FBT001 - the protocol of `wait_until_settled`
        outcomes = yield from engine.read(lambda: engine.store.outcomes([workflow_id]))
        outcome = outcomes.get(workflow_id)
        if outcome is not None and outcome.status.is_terminal:
            return Settled(outcome)
        if may_be_gone and (yield from engine.read(lambda: engine.store.get_workflow(workflow_id))) is None:
            raise WorkflowNotFound(workflow_id)
        return None

    waits = (WaitOn(workflow_id=workflow_id, kind=Kind.RESULT),)
    return (yield from wait_until_settled(execution, operation, frame, look, deadline=None, waits=waits))


def _settle(
    execution: Execution, operation: Operation, workflow_id: str, outcome: Outcome, *, hint: Any, ended: Ended | None
) -> Flow[Any]:
    """Record a child's outcome in the parent's journal and return or raise it."""
    if outcome.status is Status.CANCELLED:
        # Whoever cancels a parent cancels its children too: then the parent's own cancellation is what counts.
        yield from _learn_of_cancel(execution)
        execution.check_cancel(operation)
    if outcome.status is Status.SUCCEEDED:
        execution.record(operation, output=outcome.output)
        return _value(execution.engine, outcome, hint)
    error = _failure(execution.engine, workflow_id, outcome)
    execution.record(operation, error=execution.engine.codec.encode_error(error))
    if ended is not None and isinstance(ended.error, Exception) and not isinstance(error, WorkflowFailed):
        raise ended.error
    raise error


def _learn_of_cancel(execution: Execution) -> Flow[None]:
    engine = execution.engine
    record = yield from engine.read(lambda: engine.store.get_workflow(execution.workflow_id))
    if record is not None and record.cancel_at is not None:
        execution.request_cancel()


def result(engine: Engine, workflow_id: str, hint: Any, timeout: float | None) -> Flow[Any]:
    """Wait for a workflow's outcome and return or raise it.

    Raises `ResultTimeout`, `WorkflowNotFound`, `WorkflowWasCancelled`, `WorkflowSetAside`, or what the workflow raised.
    """
    check_text("a workflow id", workflow_id)

    local = engine.local_outcomes.find(workflow_id)

    def look() -> Outcome | None:
        if local is not None and (local.outcome is not None or not local.has_left):
            return local.outcome
        outcome = engine.store.outcomes([workflow_id]).get(workflow_id)
        if outcome is None and engine.store.get_workflow(workflow_id) is None:
            raise WorkflowNotFound(workflow_id)
        return outcome

    outcome = yield from engine.watch_until(workflow_id, look, timeout)
    if outcome is None:
        raise ResultTimeout(workflow_id, timeout or 0)
    if outcome.status is Status.SUCCEEDED:
        return _value(engine, outcome, hint)
    raise _failure(engine, workflow_id, outcome)


def _value(engine: Engine, outcome: Outcome, hint: Any) -> Any:
    return None if outcome.output is None else engine.codec.decode(outcome.output, hint)


def _failure(engine: Engine, workflow_id: str, outcome: Outcome) -> Exception:
    if outcome.status is Status.CANCELLED:
        return WorkflowWasCancelled(workflow_id)
    if not outcome.status.is_terminal:
        return WorkflowSetAside(workflow_id, outcome.status.value, outcome.error or "")
    error = engine.codec.decode_error(outcome.error or "{}")
    if isinstance(error, Exception) and not isinstance(error, RecordedError):
        return error
    failed = WorkflowFailed(workflow_id, str(error))
    failed.__cause__ = error
    return failed


def _new_id(engine: Engine, call: Call, frame: Frame | None) -> str:
    if frame is not None:
        return engine.step_scoped_id(frame, call.definition.name)
    return engine.ids.new()


def _digest(engine: Engine, call: Call) -> str:
    compared = call.args[1:] if call.definition.is_method else call.args
    return engine.codec.digest(compared, call.kwargs)


def new_workflow(
    engine: Engine, call: Call, options: StartOptions, workflow_id: str, frame: Frame | None, *, here: bool = True
) -> NewWorkflow:
    """Describe the workflow to be created: to be executed here if that can be. Raises `PayloadError`."""
    check_text("a workflow id", workflow_id)
    now = engine.clock.now()
    here = here and options.delay is None and options.queue is None and engine.takes_more()
    wait = options.delay if options.debounce is None else options.debounce
    limits = time_limits(call.definition, options, now, begins_now=here, inherited=_inherited(frame))
    try:
        text = engine.encode_call(call.definition, call.args, call.kwargs)
    except PayloadError as error:
        raise PayloadError(
            f"workflow {workflow_id!r} ({call.definition.name}) was not started: an argument can't be recorded so that "
            f"it comes back equal: {error.reason}",
            path=error.path,
            type_name=error.type_name,
        ) from error
    return NewWorkflow(
        workflow_id=workflow_id,
        name=call.definition.name,
        version=call.definition.version,
        input=text,
        input_digest=text_digest(text),
        # An id made for this very start says as much as another one would.
        request_id=workflow_id if options.id is None and frame is None else engine.ids.new(),
        created_at=now,
        owner=engine.worker_id if here else None,
        parent_id=frame.execution.workflow_id if frame is not None else None,
        # One whose deadline comes before its beginning is taken up then, to be cancelled.
        wake_at=None if wait is None else earliest(engine.clock.latest() + wait, limits.deadline_at),
        deadline_at=limits.deadline_at,
        timeout=limits.timeout,
        traceparent=engine.tracer.traceparent(),
        queue=options.queue,
        priority=options.priority,
        partition=options.partition or "",
    )


def _inherited(frame: Frame | None) -> float | None:
    return None if frame is None else frame.execution.deadline_ahead


def check_queue(execution: Execution, operation: Operation, options: StartOptions) -> Flow[None]:
    """Raise `ConfigurationError`, which is recorded then, if a workflow starts another in a queue that is not known."""
    if options.queue is None:
        return
    try:
        yield from execution.engine.queues.check(options.queue)
    except ConfigurationError as error:
        execution.record(operation, error=execution.engine.codec.encode_error(error))
        raise


def _creation(new: NewWorkflow, options: StartOptions) -> Unit:
    fence = Fence(workflow_id=new.workflow_id, epoch=1) if new.owner is not None else None
    return Unit(writes=(queues.creation(new, options),), fence=fence)


def _as_created(new: NewWorkflow, receipt: Receipt) -> NewWorkflow:
    """Return the workflow as it was created: enqueued if this worker has been declared dead, for others to run."""
    is_refused = receipt.results[0].existing is None and not receipt.accepted
    return replace(new, owner=None) if is_refused else new


def _execution(engine: Engine, call: Call, new: NewWorkflow) -> Execution:
    return Execution(
        engine,
        call.definition,
        workflow_id=new.workflow_id,
        epoch=1,
        input_text=new.input,
        journal=Journal(),
        deadline_at=new.deadline_at,
        traceparent=new.traceparent,
    )


def launch(engine: Engine, call: Call, new: NewWorkflow, created: Created) -> Started:
    """Run what was created here, or check that what is there already is the same.

    Raises `WorkflowIdConflict`.
    """
    existing = created.existing
    if new.wake_at is not None:
        engine.on_timer(new.wake_at)
    if existing is None:
        if new.owner is None:
            return Started(new.workflow_id)
        local = engine.local_outcomes.expect(new.workflow_id)
        engine.run_in_background(_execution(engine, call, new), call.args, call.kwargs)
        return Started(new.workflow_id, local)
    if existing.workflow_id != new.workflow_id:
        return Started(existing.workflow_id)
    engine.check_same(new, existing)
    return Started(new.workflow_id)


__all__ = ["Call", "Started", "call", "check_queue", "child_result", "launch", "new_workflow", "result", "start"]
