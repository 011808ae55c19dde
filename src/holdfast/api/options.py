"""How one workflow is to be started: id, timeout, delay, bound to a way of starting it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from holdfast.api.decorators import definition_of
from holdfast.api.handle import Handle
from holdfast.api.launched import engine_for, refuse_on_event_loop
from holdfast.api.verbs import astart_with, start_with
from holdfast.core.options import Duration, StartOptions, seconds
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
        engine: Engine | None = None,
    ) -> None:
        self.start_options = StartOptions(
            id=id,
            timeout=None if timeout is None else seconds(timeout),
            delay=None if delay is None else seconds(delay),
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
) -> Options:
    """Say how a workflow is to be started: `options(id="refund-42").start(refund, 42)`.

    `id` makes starting idempotent. `timeout` (seconds) cancels it that long after it was created. `delay` (seconds)
    keeps it in the database for so long before it starts.
    """
    return Options(id=id, timeout=timeout, delay=delay)
