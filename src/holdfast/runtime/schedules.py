"""Schedules as the engine sees them: what was asked for, as a row; and a tick of one, as the workflow to be created."""

from __future__ import annotations

import types
import typing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from holdfast.core.codec.digest import text_digest
from holdfast.core.model import NewWorkflow
from holdfast.core.options import StartOptions
from holdfast.core.schedule import ScheduleRecord, Tick, jitter_of, tick_id
from holdfast.errors import ConfigurationError, PayloadError
from holdfast.runtime.definitions import ScheduleRequest, WorkflowDefinition
from holdfast.runtime.time_limits import time_limits

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine

_PLACEHOLDER = datetime.fromtimestamp(0, UTC)
"""Stands in the stored arguments for the time of the tick to come."""
_BY_POSITION = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")


def schedule_row(engine: Engine, asked: ScheduleRequest) -> ScheduleRecord:
    """Write a request as the row to store, with its next tick from now on. Raises `ConfigurationError`."""
    text, digest = encode_arguments(engine, asked.definition, asked.args, asked.kwargs, schedule=asked.name)
    return ScheduleRecord(
        name=asked.name,
        workflow=asked.definition.name,
        timing=asked.timing,
        arguments=text,
        digest=digest,
        overlap=asked.overlap,
        catchup=asked.catchup,
        jitter=asked.jitter,
        queue=asked.queue,
        priority=asked.priority,
        declared=asked.declared,
        revision=engine.ids.new(),
        next_at=asked.timing.next_after(engine.clock.now()),
    )


def encode_arguments(
    engine: Engine, definition: WorkflowDefinition, args: tuple[Any, ...], kwargs: dict[str, Any], *, schedule: str
) -> tuple[str, str]:
    """Encode the arguments of every tick's workflow, and their fingerprint. Raises `ConfigurationError`."""
    placeholder = Tick(schedule=schedule, at=_PLACEHOLDER)
    try:
        text = engine.encode_call(definition, _with_tick(definition, args, placeholder), kwargs)
    except (TypeError, PayloadError) as error:
        raise ConfigurationError(
            f"schedule {schedule!r} can't start {definition.name}: {error}. It is called with the tick, if its first "
            "parameter is annotated with Tick or datetime, and then with the schedule's args= and kwargs="
        ) from error
    compared = args[1:] if definition.is_method else args
    instance = engine.definitions.instance_name(definition, args[0]) if definition.is_method else ""
    taken = tick_type(definition)
    return text, engine.codec.digest(compared, kwargs, instance, "" if taken is None else taken.__name__)


def tick_workflow(engine: Engine, schedule: ScheduleRecord, at: float, *, jitter: bool = True) -> NewWorkflow:
    """Make the workflow of a tick.

    Raises `PayloadError`, `ConfigurationError` if the arguments can't be read here.
    """
    definition = engine.definitions.workflow(schedule.workflow)
    if definition is None:
        raise ConfigurationError(
            f"schedule {schedule.name!r} starts {schedule.workflow}, which this program does not define"
        )
    args, kwargs = engine.decode_call(definition, schedule.arguments)
    tick = Tick(schedule=schedule.name, at=schedule.timing.local(at))
    text = engine.encode_call(definition, _with_tick(definition, args, tick, replaces=True), kwargs)
    return NewWorkflow(
        workflow_id=tick_id(schedule.name, at),
        name=definition.name,
        version=definition.version,
        input=text,
        input_digest=text_digest(text),
        request_id=engine.ids.new(),
        created_at=engine.clock.now(),
        wake_at=at + jitter_of(schedule.name, at, schedule.jitter) if jitter and schedule.jitter else None,
        timeout=time_limits(definition, StartOptions(), at, begins_now=False).timeout,
        queue=schedule.queue,
        priority=schedule.priority,
    )


def tick_type(definition: WorkflowDefinition) -> type[Tick | datetime] | None:
    """Tell as what a workflow takes its tick: by its first parameter's annotation, which may allow None as well."""
    first = next(iter(definition.signature.signature.parameters.values()), None)
    if first is None or first.kind.name not in _BY_POSITION:
        return None
    hint = definition.signature.parameters[first.name]
    members = typing.get_args(hint) if typing.get_origin(hint) in {types.UnionType, typing.Union} else (hint,)
    return next((kind for kind in (Tick, datetime) if kind in members), None)


def _with_tick(
    definition: WorkflowDefinition, args: tuple[Any, ...], tick: Tick, *, replaces: bool = False
) -> tuple[Any, ...]:
    """Put the tick before the arguments, or in the place of the one that is there; a method's instance stays first."""
    taken = tick_type(definition)
    if taken is None:
        return args
    place = 1 if definition.is_method else 0
    value = tick if taken is Tick else tick.at
    return (*args[:place], value, *args[place + replaces :])
