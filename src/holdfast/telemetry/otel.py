"""Spans for workflows, steps, transactions and waits, through the OpenTelemetry API.

A workflow's trace id derives from its id, unless it was started under a span, whose trace it then continues. So a
resumed workflow's spans, in another process days later, belong to the same trace. Replayed operations have no spans.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import context, trace
from opentelemetry.environment_variables import OTEL_PYTHON_TRACER_PROVIDER
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from holdfast.runtime.tracing import NO_SPAN, Attribute
from holdfast.runtime.tracing import Span as OpenSpan

_PROPAGATOR = TraceContextTextMapPropagator()


class OpenTelemetryTracer:
    """Opens spans with whatever provider the program has configured; as long as there is none, opens nothing."""

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._may_idle = provider is None and OTEL_PYTHON_TRACER_PROVIDER not in os.environ
        self._tracer = trace.get_tracer("holdfast", tracer_provider=provider)

    @property
    def _is_idle(self) -> bool:
        # The public way to ask reads the environment, at each step of each workflow.
        return self._may_idle and trace._TRACER_PROVIDER is None  # noqa: SLF001 - the public way is slow

    def traceparent(self) -> str | None:
        """Return the W3C traceparent of the caller's span, or None if there is none."""
        if not trace.get_current_span().get_span_context().is_valid:
            return None
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")

    def workflow(
        self, *, workflow_id: str, name: str, traceparent: str | None, resumed: bool
    ) -> AbstractContextManager[OpenSpan]:
        """Open the span of one stay of a workflow in memory, under the span that started it."""
        if self._is_idle:
            return NO_SPAN
        return self._workflow(workflow_id, name, traceparent, resumed=resumed)

    @contextmanager
    def _workflow(self, workflow_id: str, name: str, traceparent: str | None, *, resumed: bool) -> Iterator[_OpenSpan]:
        attributes: dict[str, Attribute] = {
            "holdfast.workflow.id": workflow_id,
            "holdfast.workflow.name": name,
            "holdfast.resumed": resumed,
        }
        parent = _remote_parent(workflow_id, traceparent)
        with self._tracer.start_as_current_span(
            f"workflow {name}", context=parent, kind=SpanKind.INTERNAL, attributes=attributes
        ) as span:
            yield _OpenSpan(span)

    def operation(self, *, kind: str, name: str, workflow_id: str, step_id: str) -> AbstractContextManager[OpenSpan]:
        """Open the span of an operation that really runs."""
        if self._is_idle:
            return NO_SPAN
        return self._operation(kind, name, workflow_id, step_id)

    @contextmanager
    def _operation(self, kind: str, name: str, workflow_id: str, step_id: str) -> Iterator[_OpenSpan]:
        attributes = {"holdfast.workflow.id": workflow_id, "holdfast.step.id": step_id, "holdfast.kind": kind}
        with self._tracer.start_as_current_span(
            f"{kind} {name}", kind=SpanKind.INTERNAL, attributes=attributes
        ) as span:
            yield _OpenSpan(span)


class _OpenSpan:
    def __init__(self, span: Span) -> None:
        self._span = span

    def failed(self, error: BaseException, *, attempt: int) -> None:
        """Record an attempt's error."""
        self._span.record_exception(error, attributes={"holdfast.attempt": attempt})
        self._span.set_status(Status(StatusCode.ERROR, str(error)))

    def set(self, name: str, value: Attribute) -> None:
        """Set an attribute."""
        self._span.set_attribute(name, value)


def _remote_parent(workflow_id: str, traceparent: str | None) -> context.Context:
    if traceparent is not None:
        return _PROPAGATOR.extract({"traceparent": traceparent})
    digest = hashlib.sha256(f"holdfast:{workflow_id}".encode()).digest()
    derived = SpanContext(
        trace_id=int.from_bytes(digest[:16], "big"),
        span_id=int.from_bytes(digest[16:24], "big"),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(NonRecordingSpan(derived))
