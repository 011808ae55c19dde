"""The seam for tracing. The engine opens spans here; without a tracer that costs one comparison."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Attribute = str | float | bool


class Span(Protocol):
    """One span while it is open."""

    def failed(self, error: BaseException, *, attempt: int) -> None:
        """Record an attempt's error; the last one also sets the span's status."""

    def set(self, name: str, value: Attribute) -> None:
        """Set an attribute."""


class Tracer(Protocol):
    """Opens spans for what the engine does."""

    def traceparent(self) -> str | None:
        """Return the W3C traceparent of the caller's span, to be stored with a workflow that starts here."""

    def workflow(
        self, *, workflow_id: str, name: str, traceparent: str | None, resumed: bool
    ) -> AbstractContextManager[Span]:
        """Open the span of one stay of a workflow in memory; a resumed one continues the same trace."""

    def operation(self, *, kind: str, name: str, workflow_id: str, step_id: str) -> AbstractContextManager[Span]:
        """Open the span of a step, transaction, child or wait that really runs (replayed ones have none)."""


class _NoSpan:
    def failed(self, error: BaseException, *, attempt: int) -> None:
        return

    def set(self, name: str, value: Attribute) -> None:
        return


NO_SPAN: AbstractContextManager[Span] = nullcontext(_NoSpan())
"""What stands for a span where nothing is traced."""


class NoTracer:
    """Traces nothing."""

    def traceparent(self) -> str | None:
        return None

    def workflow(
        self, *, workflow_id: str, name: str, traceparent: str | None, resumed: bool
    ) -> AbstractContextManager[Span]:
        return NO_SPAN

    def operation(self, *, kind: str, name: str, workflow_id: str, step_id: str) -> AbstractContextManager[Span]:
        return NO_SPAN
