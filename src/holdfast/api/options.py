"""How a workflow is to be started: id, delay, time limits, queue, bound to a way of starting it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, Unpack

from holdfast.api.decorators import definition_of
from holdfast.api.handle import Handle
from holdfast.api.launched import engine_for, refuse_on_event_loop
from holdfast.api.verbs import astart_many_with, astart_with, start_many_with, start_with
from holdfast.core.options import StartFields, StartOptions
from holdfast.runtime import starting
from holdfast.runtime.effects import drive, drive_async
from holdfast.runtime.engine import Engine

P = ParamSpec("P")
R = TypeVar("R")


class Options:
    """Start options, with the three ways to use them: `start`, `astart`, `call`."""

    def __init__(self, *, engine: Engine | None = None, **fields: Unpack[StartFields]) -> None:
        self.start_options = StartOptions.of(fields)
        self._engine = engine

    def start(self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """Start a workflow in the background. The same id again gives the same workflow.

        Raises `WorkflowIdConflict` if the id belongs to another function or another input.
        """
        return start_with(self._engine, self.start_options, function, args, kwargs)

    async def astart(self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """Start a workflow in the background, from a coroutine; see `start`."""
        return await astart_with(self._engine, self.start_options, function, args, kwargs)

    def start_many(self, function: Callable[..., Any], arguments: Iterable[Any], /) -> list[Handle[Any]]:
        """Start one workflow for each tuple of positional, or dict of named, arguments; all in one commit."""
        return start_many_with(self._engine, self.start_options, function, arguments)

    async def astart_many(self, function: Callable[..., Any], arguments: Iterable[Any], /) -> list[Handle[Any]]:
        """Start many workflows in one commit, from a coroutine; see `start_many`."""
        return await astart_many_with(self._engine, self.start_options, function, arguments)

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a workflow to its result; for an `async def`, return the coroutine that does."""
        definition = definition_of(function)
        instance = getattr(function, "__self__", None)
        bound: tuple[Any, ...] = (instance, *args) if instance is not None else args
        engine = self._engine or engine_for("options(…).call()")
        call = starting.Call(definition, bound, dict(kwargs))
        result: Any
        if definition.is_async:
            result = drive_async(starting.call(engine, call, self.start_options))
        else:
            refuse_on_event_loop("options(…).call()", "await options(…).astart(…)")
            result = drive(starting.call(engine, call, self.start_options))
        typed: R = result
        return typed


def options(**fields: Unpack[StartFields]) -> Options:
    """Say how a workflow is to be started: `options(id="refund-42").start(refund, 42)`.

    `id` makes starting idempotent. `delay` (seconds) keeps it in the database for so long before it starts. `timeout`
    (seconds) cancels it that long after its first execution began; infinity takes back what `@workflow(timeout=…)`
    says. `deadline` (a datetime with a time zone, or seconds since the epoch) cancels it then, begun or not. The
    earliest counts, and for a child its parent's too, unless `inherit_deadline` is False.

    `queue` lets it wait until the queue's limits let it start, on any worker; smaller `priority` first, and in turn
    with other `partition`s. With `dedup`, a key, one that has no outcome yet in this queue takes the place of a second:
    its handle is returned. `debounce` (seconds, with `dedup`) waits for later starts with the key, each of which
    replaces the input and begins the wait anew, for at most `debounce_max` seconds (default: ten times as long).

    Raises `ConfigurationError` for options that don't go together; `start` does for a queue that nobody declared.
    """
    return Options(**fields)
