"""Which application a verb means: the running workflow's, or else the one that is launched in this process."""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast.errors import BlockingCallOnEventLoop, NotLaunched, UsageError
from holdfast.runtime.context import current
from holdfast.runtime.engine import Engine

_launched: list[Engine] = []


def add(engine: Engine) -> None:
    """Make a launched application's engine the one that verbs mean."""
    _launched.append(engine)


def remove(engine: Engine) -> None:
    """Take a closed application's engine away."""
    if engine in _launched:
        _launched.remove(engine)


def find_engine() -> Engine | None:
    """Return the engine that verbs mean here, or None if no application is launched.

    Raises `UsageError` if several are.
    """
    frame = current.get()
    if frame is not None:
        return frame.execution.engine
    if not _launched:
        return None
    if len(_launched) > 1:
        raise UsageError(
            "several Holdfast applications are launched here, and outside a workflow it is open which is meant. "
            "Use the application's own methods (app.start, app.retrieve, …)"
        )
    return _launched[0]


def engine_for(verb: str) -> Engine:
    """Return the engine that verbs mean here. Raises `NotLaunched`."""
    engine = find_engine()
    if engine is None:
        raise NotLaunched(verb)
    return engine


def blocking_engine(verb: str, twin: str) -> Engine:
    """Return the engine for a verb that blocks.

    Raises `BlockingCallOnEventLoop` where that would stop an event loop.
    """
    refuse_on_event_loop(verb, twin)
    return engine_for(verb)


def refuse_on_event_loop(verb: str, twin: str) -> None:
    """Raise `BlockingCallOnEventLoop` if an event loop is running in this thread."""
    loop: Any = asyncio._get_running_loop()  # noqa: SLF001 - documented; get_running_loop() raises
    if loop is not None:
        raise BlockingCallOnEventLoop(verb, twin)
