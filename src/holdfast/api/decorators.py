"""`@workflow`, `@step`, `@transaction`: durable versions of plain functions, which stay plain functions.

What a decorator returns has the colour, name, signature and docstring of what it was given, so that LangChain's
`@tool`, FastAPI's routes and `inspect` take it as it is. Outside a launched application it simply calls the function.
The verbs are DBOS Transact's.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from holdfast.api.describing import MARK, default_name, is_a_method, step_definition, transaction_definition
from holdfast.api.launched import find_engine, refuse_on_event_loop
from holdfast.api.registry import registry
from holdfast.core.codec import CallSignature
from holdfast.core.identity import check_name
from holdfast.core.options import (
    Duration,
    OnNewVersion,
    StartOptions,
    StepOptions,
    TransactionOptions,
    WorkflowOptions,
    seconds,
)
from holdfast.core.retry import RetryPolicy
from holdfast.errors import ConfigurationError
from holdfast.runtime import starting
from holdfast.runtime.code_version import code_version
from holdfast.runtime.context import current
from holdfast.runtime.databases import current_scope
from holdfast.runtime.definitions import StepDefinition, TransactionDefinition, WorkflowDefinition
from holdfast.runtime.effects import drive, drive_async
from holdfast.runtime.step import run_step as run_step_flow
from holdfast.runtime.transaction import run_transaction, run_transaction_async

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

_AS_IT_COMES = StartOptions()


@overload
def workflow(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def workflow(
    *,
    name: str | None = None,
    version: str | None = None,
    on_new_version: OnNewVersion | None = None,
    timeout: Duration | None = None,
    inherit_deadline: bool = True,
    suspend: bool = True,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def workflow(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    on_new_version: OnNewVersion | None = None,
    timeout: Duration | None = None,
    inherit_deadline: bool = True,
    suspend: bool = True,
) -> Any:
    """Make a function's progress durable.

    A call runs it to its result; `start` runs it in the background. Killed at any instant, it goes on from its last
    recorded step. Its code must ask for the same steps in the same order whenever it is run with the same journal:
    put what differs from run to run (time, chance, the network) into steps.

    `name` is what the database knows it by (default: the qualified name). `version` marks the code (default: a
    fingerprint of it). Workflows that were started under another version are resumed by the names of their steps, or
    with `on_new_version="pin"` kept for workers that have that version. A function may be kept beside a newer one of
    its name: then one of them states its `version`, and what was started under it goes on with it. The one that is
    defined last is the newest. It is cancelled `timeout` seconds after its first execution began, and as a child at its
    parent's deadline, unless `inherit_deadline` is false. With `suspend=False` it waits in memory, for frameworks that
    keep state of their own in mid-call.

    Raises `AlreadyRegistered` if another workflow has the name and version, or `ConfigurationError` for a bad option.
    """
    options = WorkflowOptions(
        name=name,
        version=version,
        on_new_version=on_new_version,
        timeout=None if timeout is None else seconds(timeout),
        inherit_deadline=inherit_deadline,
        suspend=suspend,
    )
    return _apply(function, lambda target: _workflow(target, options))


def _workflow(function: Callable[..., Any], options: WorkflowOptions) -> Callable[..., Any]:
    is_method = is_a_method(function)
    definition = WorkflowDefinition(
        name=check_name("a workflow", options.name or default_name(function)),
        function=function,
        is_async=inspect.iscoroutinefunction(function),
        is_method=is_method,
        signature=CallSignature.of(function, skip_first=is_method),
        version=options.version or code_version(function),
        options=options,
    )
    registry.add(definition)
    if definition.is_async:
        return _mark(_async_workflow(definition), definition)
    return _mark(_sync_workflow(definition), definition)


def _sync_workflow(definition: WorkflowDefinition) -> Callable[..., Any]:
    function = definition.function

    @functools.wraps(function)
    def durable(*args: Any, **kwargs: Any) -> Any:
        engine = find_engine()
        if engine is None or _in_transaction():
            return function(*args, **kwargs)
        refuse_on_event_loop(f"{definition.name}()", f"await astart({definition.name}, …)")
        call = starting.Call(definition, args, kwargs)
        return drive(starting.call(engine, call, _AS_IT_COMES))

    return durable


def _async_workflow(definition: WorkflowDefinition) -> Callable[..., Coroutine[Any, Any, Any]]:
    function = definition.function

    @functools.wraps(function)
    async def durable(*args: Any, **kwargs: Any) -> Any:
        engine = find_engine()
        if engine is None or _in_transaction():
            return await function(*args, **kwargs)
        turn = engine.pace.turn() if current.get() is None else None
        if turn is not None:
            await turn
        call = starting.Call(definition, args, kwargs)
        return await drive_async(starting.call(engine, call, _AS_IT_COMES))

    return durable


@overload
def step(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def step(
    *,
    name: str | None = None,
    key: str | Callable[..., str] | None = None,
    retries: int = 0,
    backoff: Duration = 1.0,
    backoff_factor: float = 2.0,
    max_delay: Duration = 60.0,
    jitter: float = 0.5,
    retry_on: type[Exception] | tuple[type[Exception], ...] = Exception,
    dont_retry_on: type[Exception] | tuple[type[Exception], ...] = (),
    timeout: Duration | None = None,
    at_most_once: bool = False,
    check: Callable[..., Any] | None = None,
    undo: Callable[..., Any] | None = None,
    irreversible: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    key: str | Callable[..., str] | None = None,
    timeout: Duration | None = None,
    at_most_once: bool = False,
    check: Callable[..., Any] | None = None,
    undo: Callable[..., Any] | None = None,
    irreversible: bool = False,
    **policy: Any,
) -> Any:
    """Record a function's outcome, so that it is not run again once it has one.

    In a workflow, the body runs until an outcome is recorded: exactly once where nothing fails, again after a crash in
    between. Every attempt sees the same `step_info().idempotency_key`. Elsewhere it is a plain call; so it is inside
    another step.

    `retries` further attempts follow a failed one, after `backoff` seconds, times `backoff_factor` each time, at most
    `max_delay`, less a random share of up to `jitter`; only for exceptions in `retry_on` and not in `dont_retry_on`.
    `timeout` limits one attempt: enforced for `async def`; a `def` can't be interrupted. `key` gives an identity of
    its own. With `at_most_once` the body is never run a second time: after a crash in between, `check` is called
    with the arguments to find out what became of it, or else `StepOutcomeUnknown` is raised.

    If the workflow fails or is cancelled after the step has succeeded, `undo(result, *args, **kwargs)` is run as a step
    of its own, newest first. Its retries and timeout are this step's, unless it is a decorated step or transaction
    itself. An `irreversible` step halts the undoing: the workflow is set aside, for a person to say how it goes on.

    Raises, when called: what the body raised last; `StepTimeout`; `PayloadError` if the result can't be recorded.
    """
    options = StepOptions(
        name=name,
        key=key,
        policy=retry_policy(**policy),
        timeout=None if timeout is None else seconds(timeout),
        at_most_once=at_most_once,
        check=check,
        undo=undo,
        irreversible=irreversible,
    )
    return _apply(function, lambda target: _step(target, options))


def retry_policy(**fields: Any) -> RetryPolicy:
    """Build a policy from a decorator's arguments. Raises `ConfigurationError`."""
    for duration in ("backoff", "max_delay"):
        if duration in fields:
            fields[duration] = seconds(fields[duration])
    for types in ("retry_on", "dont_retry_on"):
        if types in fields and isinstance(fields[types], type):
            fields[types] = (fields[types],)
    try:
        return RetryPolicy(**fields)
    except TypeError as error:
        raise ConfigurationError(f"unknown option for a step: {error}") from None


def _step(function: Callable[..., Any], options: StepOptions) -> Callable[..., Any]:
    definition = step_definition(function, options)

    @functools.wraps(function)
    def durable(*args: Any, **kwargs: Any) -> Any:
        frame = current.get()
        if frame is None or frame.step is not None:
            return function(*args, **kwargs)
        return drive(run_step_flow(frame.execution, definition, args, kwargs))

    @functools.wraps(function)
    async def durable_async(*args: Any, **kwargs: Any) -> Any:
        frame = current.get()
        if frame is None or frame.step is not None:
            return await function(*args, **kwargs)
        return await drive_async(run_step_flow(frame.execution, definition, args, kwargs))

    return _mark(durable_async if definition.is_async else durable, definition)


@overload
def transaction(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def transaction(
    *,
    name: str | None = None,
    database: str | None = None,
    isolation: str | None = None,
    conflict_retries: int = 20,
    undo: Callable[..., Any] | None = None,
    irreversible: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def transaction(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    database: str | None = None,
    isolation: str | None = None,
    conflict_retries: int = 20,
    undo: Callable[..., Any] | None = None,
    irreversible: bool = False,
) -> Any:
    """Commit a function's database writes together with its recorded outcome: exactly once, whatever happens.

    Inside, `sql_session()` is a SQLAlchemy session and `connection()` the driver's connection, in one transaction on
    the workflow database, or on `database`, a name from `Holdfast(databases=…)`. It commits when the function returns
    and rolls back when it raises; the exception is then recorded. Serialization failures and deadlocks run it again,
    up to `conflict_retries` times. An `async def` runs in a thread with an event loop of its own, since the database
    blocks. `undo` and `irreversible` are as for `@step`; an undecorated `undo` is a transaction as well.
    """
    options = TransactionOptions(
        name=name,
        database=database,
        isolation=isolation,
        conflict_retries=conflict_retries,
        undo=undo,
        irreversible=irreversible,
    )
    return _apply(function, lambda target: _transaction(target, options))


def _transaction(function: Callable[..., Any], options: TransactionOptions) -> Callable[..., Any]:
    definition = transaction_definition(function, options)

    @functools.wraps(function)
    def durable(*args: Any, **kwargs: Any) -> Any:
        engine = find_engine()
        if engine is None or _in_transaction():
            return function(*args, **kwargs)
        return run_transaction(engine, definition, args, kwargs)

    @functools.wraps(function)
    async def durable_async(*args: Any, **kwargs: Any) -> Any:
        engine = find_engine()
        if engine is None or _in_transaction():
            return await function(*args, **kwargs)
        return await run_transaction_async(engine, definition, args, kwargs)

    return _mark(durable_async if definition.is_async else durable, definition)


def definition_of(function: Callable[..., Any]) -> WorkflowDefinition:
    """Return what `@workflow` knows of a function; a bound method is looked through. Raises `ConfigurationError`."""
    definition = getattr(function, MARK, None)
    if not isinstance(definition, WorkflowDefinition):
        raise ConfigurationError(f"{function!r} is not a workflow: decorate it with @workflow")
    return definition


def _apply(function: Callable[..., Any] | None, decorate: Callable[[Callable[..., Any]], Any]) -> Any:
    """Serve a decorator's bare form and its form with options; look through staticmethod and classmethod."""

    def checked(target: Any) -> Any:
        if isinstance(target, staticmethod | classmethod):
            return type(target)(decorate(target.__func__))
        if not inspect.isfunction(target):
            raise ConfigurationError(
                f"holdfast's decorators take plain functions, not {target!r}. Put @tool, @app.get and such above them"
            )
        return decorate(target)

    return checked if function is None else checked(function)


def _mark(durable: F, definition: WorkflowDefinition | StepDefinition | TransactionDefinition) -> F:
    registry.remember(definition.signature)
    setattr(durable, MARK, definition)
    return durable


def _in_transaction() -> bool:
    return current_scope.get() is not None
