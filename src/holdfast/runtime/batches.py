"""Starting many workflows of one function at once: one unit, one commit, all or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holdfast.core.identity import child_id
from holdfast.core.model import Kind, NewWorkflow
from holdfast.core.options import StartOptions
from holdfast.errors import UsageError
from holdfast.runtime.context import Frame, current
from holdfast.runtime.effects import Durable, Flow
from holdfast.runtime.starting import Call, Started, check_queue, launch, new_workflow
from holdfast.store.writes import Create, Created, Receipt, Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine


def start_many(engine: Engine, calls: Sequence[Call], options: StartOptions) -> Flow[list[Started]]:
    """Create workflows, to be taken by any worker; return them, in order, once all are durable.

    Raises `UsageError`, `PayloadError`, `ConfigurationError`. In a workflow this is one recorded operation.
    """
    if options.id is not None or options.dedup is not None:
        raise UsageError("start_many() starts many workflows: it takes neither id= nor dedup=, which name one")
    if not calls:
        return []
    frame = current.get()
    if frame is None or frame.step is not None:
        if options.queue is not None:
            yield from engine.queues.check(options.queue)
        # In the order of their ids, by which those of one instant stand in line.
        ids = sorted(engine.ids.new() for _ in calls)
        news = [_to_be_claimed(engine, call, options, each, frame) for call, each in zip(calls, ids, strict=True)]
        receipt: Receipt = yield Durable(
            engine.committer.submit(Unit(writes=tuple(Create(workflow=new) for new in news)))
        )
        return _launch_all(engine, calls, news, receipt.results)
    execution = frame.execution
    name = calls[0].definition.name
    digest = engine.codec.digest([engine.codec.digest(call.args, call.kwargs) for call in calls])
    operation, _ = execution.operation(Kind.START, name, digest)
    recorded = execution.begin(operation)
    if recorded is not None:
        return [Started(each) for each in execution.value(recorded, list[str])]
    yield from check_queue(execution, operation, options)
    first = child_id(execution.workflow_id, operation.step_id)
    news = [
        _to_be_claimed(engine, call, options, f"{first}.{number:06}", frame) for number, call in enumerate(calls, 1)
    ]
    created = yield from execution.write(*(Create(workflow=new) for new in news))
    started = _launch_all(engine, calls, news, created)
    execution.record(operation, output=json.dumps([each.workflow_id for each in started]))
    return started


def _to_be_claimed(
    engine: Engine, call: Call, options: StartOptions, workflow_id: str, frame: Frame | None
) -> NewWorkflow:
    return new_workflow(engine, call, options, workflow_id, frame, here=False)


def _launch_all(
    engine: Engine, calls: Sequence[Call], news: Sequence[NewWorkflow], created: Sequence[Created]
) -> list[Started]:
    return [launch(engine, call, new, each) for call, new, each in zip(calls, news, created, strict=True)]


def calls_of(definition: Any, instance: Any, arguments: Sequence[Any]) -> list[Call]:
    """Make one call of each tuple of positional, or mapping of named, arguments. Raises `UsageError`."""
    bound = () if instance is None else (instance,)
    calls = []
    for each in arguments:
        if isinstance(each, tuple):
            calls.append(Call(definition, (*bound, *each), {}))
        elif isinstance(each, dict):
            calls.append(Call(definition, bound, dict(each)))
        else:
            raise UsageError(
                f"start_many() takes a tuple of positional arguments, or a dict of named ones, for each workflow, "
                f"not {each!r}: for a single argument write ({each!r},)"
            )
    return calls
