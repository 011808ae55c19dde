"""Tracing with OpenTelemetry. Without its API installed, or without an SDK configured, nothing is traced."""

from __future__ import annotations

import importlib.util

from holdfast.runtime.tracing import NoTracer, Tracer


def default_tracer() -> Tracer:
    """Return the OpenTelemetry tracer if its API is installed, else one that traces nothing."""
    if importlib.util.find_spec("opentelemetry") is None:
        return NoTracer()
    from holdfast.telemetry.otel import OpenTelemetryTracer

    return OpenTelemetryTracer()
