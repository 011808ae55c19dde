"""The verbs of durable programs, in a blocking form and, with an `a` in front, for asyncio."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, MutableMapping
from typing import Any, ParamSpec, TypeVar, overload

from holdfast.api.decorators import definition_of
from holdfast.api.describing import MARK, step_definition, undo_verb_definition
from holdfast.api.handle import Handle
from holdfast.api.launched import blocking_engine, engine_for, refuse_on_event_loop
from holdfast.core.model import AttributeValue
from holdfast.core.options import Duration, StartOptions, StepOptions, seconds
from holdfast.errors import OutsideWorkflow, UsageError
from holdfast.runtime import attributes as attributes_of
from holdfast.runtime import batches, branches, messages, starting, streams
from holdfast.runtime.context import StepInfo, current, workflow_frame
from holdfast.runtime.databases import scope_here
from holdfast.runtime.effects import drive, drive_async
from holdfast.runtime.engine import Engine
from holdfast.runtime.step import run_step as run_step_flow
from holdfast.runtime.undo import ask_for_undo

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


# Starting


@overload
def start(function: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
@overload
def start(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
def start(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Handle[Any]:
    """Start a workflow in the background; it is durable before this returns. With an id: `options(id=…).start`.

    Raises `PayloadError` if an argument can't be recorded.
    """
    return start_with(None, StartOptions(), function, args, kwargs)


@overload
async def astart(function: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
@overload
async def astart(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
async def astart(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Handle[Any]:
    """Start a workflow in the background, from a coroutine; see `start`."""
    return await astart_with(None, StartOptions(), function, args, kwargs)


def start_with(
    engine: Engine | None, options: StartOptions, function: Callable[..., Any], args: Any, kwargs: Any
) -> Handle[Any]:
    """Start with options, on a given engine or the launched one."""
    refuse_on_event_loop("start()", "await astart(…)")
    engine = engine or engine_for("start()")
    call = _call(function, args, kwargs)
    started = drive(starting.start(engine, call, options))
    return Handle.of(started, call.definition.signature.return_hint, engine)


async def astart_with(
    engine: Engine | None, options: StartOptions, function: Callable[..., Any], args: Any, kwargs: Any
) -> Handle[Any]:
    """Start with options in a coroutine, on a given engine or the launched one."""
    engine = engine or engine_for("astart()")
    turn = engine.pace.turn() if current.get() is None else None
    if turn is not None:
        await turn
    call = _call(function, args, kwargs)
    started = await drive_async(starting.start(engine, call, options))
    return Handle.of(started, call.definition.signature.return_hint, engine)


def start_many(function: Callable[..., Any], arguments: Iterable[Any], /) -> list[Handle[Any]]:
    """Start one workflow for each tuple of positional, or dict of named, arguments; all are durable in one commit.

    With a queue and other options: `options(queue=…).start_many`. Raises `PayloadError`, `UsageError`.
    """
    return start_many_with(None, StartOptions(), function, arguments)


async def astart_many(function: Callable[..., Any], arguments: Iterable[Any], /) -> list[Handle[Any]]:
    """Start many workflows in one commit, from a coroutine; see `start_many`."""
    return await astart_many_with(None, StartOptions(), function, arguments)


def start_many_with(
    engine: Engine | None, options: StartOptions, function: Callable[..., Any], arguments: Iterable[Any]
) -> list[Handle[Any]]:
    """Start many with options, on a given engine or the launched one."""
    refuse_on_event_loop("start_many()", "await astart_many(…)")
    engine = engine or engine_for("start_many()")
    calls = _calls(function, arguments)
    return _handles(engine, function, drive(batches.start_many(engine, calls, options)))


async def astart_many_with(
    engine: Engine | None, options: StartOptions, function: Callable[..., Any], arguments: Iterable[Any]
) -> list[Handle[Any]]:
    """Start many with options in a coroutine, on a given engine or the launched one."""
    engine = engine or engine_for("astart_many()")
    calls = _calls(function, arguments)
    return _handles(engine, function, await drive_async(batches.start_many(engine, calls, options)))


def _calls(function: Callable[..., Any], arguments: Iterable[Any]) -> list[starting.Call]:
    return batches.calls_of(definition_of(function), getattr(function, "__self__", None), list(arguments))


def _handles(engine: Engine, function: Callable[..., Any], started: list[starting.Started]) -> list[Handle[Any]]:
    hint = definition_of(function).signature.return_hint
    return [Handle.of(each, hint, engine) for each in started]


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> starting.Call:
    return starting.Call(definition_of(function), _bound(function, args), kwargs)


def _bound(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put the instance before the arguments of a decorated method."""
    instance = getattr(function, "__self__", None) if hasattr(function, MARK) else None
    return (instance, *args) if instance is not None else args


def retrieve(workflow_id: str) -> Handle[Any]:
    """Return a handle on a workflow; whether there is one shows when the handle is used."""
    return Handle(workflow_id)


# Messages, events, time


def send(workflow_id: str, message: object, *, topic: str = "", key: str | None = None) -> None:
    """Send a message to a workflow, durable before this returns.

    From a workflow, or with the same `key`, it is delivered once however often it is sent. Raises `WorkflowNotFound`.
    """
    drive(messages.send(blocking_engine("send()", "await asend(…)"), workflow_id, message, topic, key))


async def asend(workflow_id: str, message: object, *, topic: str = "", key: str | None = None) -> None:
    """Send a message in a coroutine; see `send`."""
    await drive_async(messages.send(engine_for("asend()"), workflow_id, message, topic, key))


def recv(topic: str = "", *, timeout: Duration | None = None, type: Any = Any) -> Any:
    """Take the oldest message of a topic that was sent to this workflow, waiting for one; for days if need be.

    Returns None after `timeout` seconds, which restarts do not begin anew. `type` says what to decode the message as.
    """
    blocking_engine("recv()", "await arecv(…)")
    return drive(messages.receive(topic, _limit(timeout), type))


async def arecv(topic: str = "", *, timeout: Duration | None = None, type: Any = Any) -> Any:
    """Take the oldest message of a topic, in a coroutine; see `recv`."""
    engine_for("arecv()")
    return await drive_async(messages.receive(topic, _limit(timeout), type))


def set_event(name: str, value: object) -> None:
    """Publish a value under a name, for anybody to read with `get_event`; the latest one counts."""
    drive(messages.put_event(blocking_engine("set_event()", "await aset_event(…)"), name, value))


async def aset_event(name: str, value: object) -> None:
    """Publish an event in a coroutine; see `set_event`."""
    await drive_async(messages.put_event(engine_for("aset_event()"), name, value))


def set_attributes(**attributes: AttributeValue | None) -> None:
    """Say something of this workflow by which it can be found: `WorkflowFilter(attributes={"customer": 42})`.

    Each value is a text of at most 512 characters, a number or a bool; None takes an attribute away. Exactly once in a
    workflow's code, at least once in a step. Raises `UsageError` for another value.
    """
    drive(attributes_of.set_attributes(blocking_engine("set_attributes()", "await aset_attributes(…)"), attributes))


async def aset_attributes(**attributes: AttributeValue | None) -> None:
    """Set attributes of this workflow in a coroutine; see `set_attributes`."""
    await drive_async(attributes_of.set_attributes(engine_for("aset_attributes()"), attributes))


def get_event(
    workflow_id: str,
    name: str,
    *,
    timeout: Duration | None = None,
    type: Any = Any,
) -> Any:
    """Read an event of a workflow, waiting until it is set; None after `timeout` seconds."""
    engine = blocking_engine("get_event()", "await aget_event(…)")
    return drive(messages.get_event(engine, workflow_id, name, _limit(timeout), type))


async def aget_event(
    workflow_id: str,
    name: str,
    *,
    timeout: Duration | None = None,
    type: Any = Any,
) -> Any:
    """Read an event in a coroutine; see `get_event`."""
    return await drive_async(messages.get_event(engine_for("aget_event()"), workflow_id, name, _limit(timeout), type))


def sleep(duration: Duration) -> None:
    """Let time pass, by the database's clock and across restarts; never less than `duration` seconds."""
    blocking_engine("sleep()", "await asleep(…)")
    drive(messages.sleep(seconds(duration)))


async def asleep(duration: Duration) -> None:
    """Let time pass, in a coroutine; see `sleep`."""
    engine_for("asleep()")
    await drive_async(messages.sleep(seconds(duration)))


def _limit(timeout: Duration | None) -> float | None:
    return None if timeout is None else seconds(timeout)


# Streams


def write_stream(stream: str, value: object) -> None:
    """Append a value to a stream of this workflow: exactly once in its code, at least once in a step."""
    drive(streams.append(blocking_engine("write_stream()", "await awrite_stream(…)"), stream, value))


async def awrite_stream(stream: str, value: object) -> None:
    """Append to a stream in a coroutine; see `write_stream`."""
    await drive_async(streams.append(engine_for("awrite_stream()"), stream, value))


def close_stream(stream: str) -> None:
    """Say that nothing more comes: readers end here."""
    drive(streams.append(blocking_engine("close_stream()", "await aclose_stream(…)"), stream, streams.END_OF_STREAM))


async def aclose_stream(stream: str) -> None:
    """Close a stream in a coroutine; see `close_stream`."""
    await drive_async(streams.append(engine_for("aclose_stream()"), stream, streams.END_OF_STREAM))


def read_stream(
    workflow_id: str,
    stream: str,
    *,
    offset: int = 0,
    type: Any = Any,
) -> Iterator[tuple[int, Any]]:
    """Yield (offset, value) from `offset` on, as they come, until the stream is closed or the workflow has ended."""
    engine = blocking_engine("read_stream()", "aread_stream(…)")
    return streams.read(engine, workflow_id, stream, offset, type)


def aread_stream(
    workflow_id: str,
    stream: str,
    *,
    offset: int = 0,
    type: Any = Any,
) -> AsyncIterator[tuple[int, Any]]:
    """Yield what `read_stream` yields, in a coroutine."""
    return streams.read_async(engine_for("aread_stream()"), workflow_id, stream, offset, type)


# Side by side


def gather(*thunks: Callable[[], T]) -> list[T]:
    """Run callables side by side in threads, each in a branch of its own; return their results in order."""
    refuse_on_event_loop("gather()", "await agather(…)")
    return branches.gather(thunks)


def map(function: Callable[[T], R], items: Iterable[T]) -> list[R]:  # noqa: A001 - the field's word
    """Apply a function to items side by side in threads, each in a branch of its own; return the results in order."""
    refuse_on_event_loop("map()", "await amap(…)")
    return branches.gather([_bind(function, item) for item in items])


async def agather(*awaitables: Coroutine[Any, Any, T]) -> list[T]:
    """Run coroutines side by side, each in a branch of its own; return their results in order."""
    return await branches.agather([_already(awaitable) for awaitable in awaitables])


async def amap(function: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T]) -> list[R]:
    """Apply an async function to items side by side, each in a branch of its own; return the results in order."""
    return await branches.agather([_bind(function, item) for item in items])


def _bind(function: Callable[[T], R], item: T) -> Callable[[], R]:
    return lambda: function(item)


def _already(coroutine: Coroutine[Any, Any, T]) -> Callable[[], Coroutine[Any, Any, T]]:
    return lambda: coroutine


# Undoing


def on_undo(function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """Have `function(*args, **kwargs)` called if the workflow fails or is cancelled from here on.

    It is run as a step, or as what it is decorated as, in its turn among all that is undone: newest first. Ask for it
    before a step whose failure may leave something behind. It is for workflow code, `def` and `async def`, and costs no
    commit of its own. Code must ask for the same when it is replayed.

    Raises `OutsideWorkflow`; `UsageError` in a step, or for an `async def` in a workflow that is a `def`.
    """
    frame = workflow_frame("on_undo()")
    ask_for_undo(frame.execution, undo_verb_definition(function), _bound(function, args), kwargs)


# Steps without a decorator


def run_step(step: str | StepOptions, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function that can't be decorated as a step with this name, or these options. See `@step`.

    Outside a workflow, and inside a step, it is a plain call.
    """
    frame = current.get()
    if frame is None or frame.step is not None:
        return function(*args, **kwargs)
    result: R = drive(run_step_flow(frame.execution, _ad_hoc(step, function), args, kwargs))
    return result


async def arun_step(
    step: str | StepOptions, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Run an async function that can't be decorated as a step; see `run_step`."""
    frame = current.get()
    if frame is None or frame.step is not None:
        return await function(*args, **kwargs)
    result: R = await drive_async(run_step_flow(frame.execution, _ad_hoc(step, function), args, kwargs))
    return result


def _ad_hoc(step: str | StepOptions, function: Callable[..., Any]) -> Any:
    options = StepOptions(name=step) if isinstance(step, str) else step
    if options.name is None:
        raise UsageError("run_step() needs a name: StepOptions(name=…)")
    return step_definition(function, options)


# Where am I


def workflow_id() -> str:
    """Return the running workflow's id. Raises `OutsideWorkflow`."""
    frame = current.get()
    if frame is None:
        raise OutsideWorkflow("workflow_id()")
    return frame.execution.workflow_id


def step_info() -> StepInfo:
    """Return the running step's name, attempt and idempotency key. Raises `UsageError` outside a step's body."""
    frame = current.get()
    if frame is None or frame.step is None:
        raise UsageError("step_info() works only inside a step's body")
    return frame.step


def in_workflow() -> bool:
    """Tell whether this code runs in a workflow."""
    return current.get() is not None


def in_step() -> bool:
    """Tell whether this code runs in a step's body."""
    frame = current.get()
    return frame is not None and frame.step is not None


class _WorkflowLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts the workflow's id and the step's name in front of every line, and into the record's fields."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        frame = current.get()
        if frame is None:
            return msg, kwargs
        step = frame.step.name if frame.step is not None else None
        fields = {"workflow_id": frame.execution.workflow_id, "step": step, **(kwargs.get("extra") or {})}
        place = f"{frame.execution.workflow_id} {step}" if step else frame.execution.workflow_id
        return f"[{place}] {msg}", {**kwargs, "extra": fields}


logger = _WorkflowLogger(logging.getLogger("holdfast.user"))
"""A logger whose lines carry the workflow's id and step."""


# Inside transactions


def sql_session() -> Any:
    """Return the running transaction's SQLAlchemy `Session`. Raises `OutsideTransaction`, `MissingExtra`."""
    return scope_here("sql_session()").session


def connection() -> Any:
    """Return the running transaction's driver connection (`sqlite3.Connection`, `psycopg.Connection`).

    Its `commit()` does nothing: the transaction commits with its checkpoint. Raises `OutsideTransaction`.
    """
    return scope_here("connection()").connection
