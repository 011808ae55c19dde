"""How a workflow is to be started: id, delay, time limits, queue, bound to a way of starting it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from holdfast.api.decorators import definition_of
from holdfast.api.handle import Handle
from holdfast.api.launched import engine_for, refuse_on_event_loop
from holdfast.api.verbs import astart_many_with, astart_with, start_many_with, start_with
from holdfast.core.options import Duration, StartOptions, point_in_time, seconds
from holdfast.runtime import starting
from holdfast.runtime.effects import drive, drive_async
from holdfast.runtime.engine import Engine

P = ParamSpec("P")
R = TypeVar("R")


class Options:
    """Start options, with the three ways to use them: `start`, `astart`, `call`."""

    def __init__(
        self,
        *,
        id: str | None = None,
        timeout: Duration | None = None,
        delay: Duration | None = None,
        deadline: datetime | float | None = None,
        inherit_deadline: bool | None = None,
        queue: str | None = None,
        priority: int = 0,
        partition: str | None = None,
        dedup: str | None = None,
        debounce: Duration | None = None,
        debounce_max: Duration | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.start_options = StartOptions(
            id=id,
            timeout=None if timeout is None else seconds(timeout),
            delay=None if delay is None else seconds(delay),
            deadline_at=None if deadline is None else point_in_time(deadline),
            inherit_deadline=inherit_deadline,
            queue=queue,
            priority=priority,
            partition=partition,
            dedup=dedup,
            debounce=None if debounce is None else seconds(debounce),
            debounce_max=None if debounce_max is None else seconds(debounce_max),
        )
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


def options(
    *,
    id: str | None = None,
    timeout: Duration | None = None,
    delay: Duration | None = None,
    queue: str | None = None,
    priority: int = 0,
    partition: str | None = None,
    dedup: str | None = None,
    debounce: Duration | None = None,
    debounce_max: Duration | None = None,
    deadline: datetime | float | None = None,
    inherit_deadline: bool | None = None,
) -> Options:
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
    return Options(
        id=id,
        timeout=timeout,
        delay=delay,
        deadline=deadline,
        inherit_deadline=inherit_deadline,
        queue=queue,
        priority=priority,
        partition=partition,
        dedup=dedup,
        debounce=debounce,
        debounce_max=debounce_max,
    )
