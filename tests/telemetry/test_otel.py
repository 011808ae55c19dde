"""Spans: one for each thing that really runs, in one trace for a workflow however often it is resumed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from holdfast import Holdfast, options, recv, send, start, step, transaction, workflow
from holdfast.telemetry.otel import OpenTelemetryTracer
from tests.engine.conftest import QUICK
from tests.helpers import eventually


class Hiccup(Exception):
    """Passes."""


@step(retries=1, backoff=0.001)
def hiccups(times: list[int]) -> str:
    seen.append(1)
    if len(seen) == 1:
        raise Hiccup("first attempt")
    return "well"


seen: list[int] = []


@transaction
def nothing() -> None:
    return None


@workflow
def traced() -> str:
    said = hiccups([])
    nothing()
    recv("go")
    return said


@pytest.fixture
def provider() -> TracerProvider:
    return TracerProvider()


@pytest.fixture
def spans(provider: TracerProvider) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def app(sqlite_url: str, provider: TracerProvider, spans: InMemorySpanExporter) -> Iterator[Holdfast]:
    seen.clear()
    with Holdfast(sqlite_url, config=QUICK, tracer=OpenTelemetryTracer(provider)) as launched:
        yield launched


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def trace_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


def test_a_resumed_workflow_stays_in_its_trace_and_replayed_steps_have_no_second_span(
    app: Holdfast, spans: InMemorySpanExporter
) -> None:
    handle = start(traced)
    eventually(lambda: handle.status() == "suspended")
    send(handle.id, 1, topic="go")
    assert handle.result(timeout=10) == "well"
    eventually(lambda: len(named(spans, "workflow traced")) == 2)
    stays = named(spans, "workflow traced")
    assert {trace_of(span) for span in spans.get_finished_spans()} == {trace_of(stays[0])}
    assert len(named(spans, "step hiccups")) == 1
    assert len(named(spans, "transaction nothing")) == 1
    assert [dict(span.attributes or {})["holdfast.resumed"] for span in stays] == [False, True]


def test_attempts_and_errors_are_recorded_on_the_step(app: Holdfast, spans: InMemorySpanExporter) -> None:
    handle = start(traced)
    send(handle.id, 1, topic="go")
    handle.result(timeout=10)
    (span,) = named(spans, "step hiccups")
    (event,) = span.events
    assert (event.attributes or {})["holdfast.attempt"] == 1


def test_a_workflow_joins_the_trace_of_whoever_starts_it(
    app: Holdfast, provider: TracerProvider, spans: InMemorySpanExporter
) -> None:
    with provider.get_tracer("caller").start_as_current_span("request") as request:
        handle = start(traced)
    send(handle.id, 1, topic="go")
    handle.result(timeout=10)
    eventually(lambda: named(spans, "workflow traced"))
    assert trace_of(named(spans, "workflow traced")[0]) == request.get_span_context().trace_id


def test_a_failure_marks_the_workflows_span(app: Holdfast, spans: InMemorySpanExporter) -> None:
    @workflow
    def breaks() -> None:
        raise Hiccup("for good")

    with pytest.raises(Hiccup):
        options(id="b").call(breaks)
    (span,) = [span for span in spans.get_finished_spans() if span.name.endswith("breaks")]
    assert span.status.status_code is StatusCode.ERROR
