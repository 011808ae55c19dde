"""Metrics for Prometheus: what this process counted, and how the database stands, read when they are asked for.

`EngineMetrics` is a collector for `prometheus_client`: register it with a registry of your own, or let the worker's
endpoint do so. Reading the database is cached, so that several scrapers don't read it several times.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.errors import StoreUnavailable
from holdfast.runtime.engine import Engine
from holdfast.runtime.measures import Histogram, Measures
from holdfast.store.overview import Overview

log = logging.getLogger("holdfast.telemetry")

CACHE_SECONDS = 10.0


class EngineMetrics(Collector):
    """Collects one engine's metrics. Counting begins when it is made."""

    def __init__(self, engine: Engine, *, cache_seconds: float = CACHE_SECONDS) -> None:
        self._engine = engine
        self._cache_seconds = cache_seconds
        self._lock = threading.Lock()
        self._overview: Overview | None = None
        self._read_at: float | None = None
        self.measures = Measures(engine.clock.monotonic)
        engine.committer.observer = self.measures

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield from self._of_process()
        overview = self._look()
        yield _gauge("holdfast_database_up", "Whether the database could be read.", 0 if overview is None else 1)
        if overview is not None:
            yield from _of_database(overview)

    def describe(self) -> list[Metric]:
        """Describe nothing in advance, so that registering it does not read the database."""
        return []

    def _look(self) -> Overview | None:
        with self._lock:
            now = self._engine.clock.monotonic()
            if self._read_at is None or now - self._read_at >= self._cache_seconds:
                self._read_at = now
                try:
                    self._overview = self._engine.store.overview()
                except StoreUnavailable as error:
                    log.warning("no metrics of the database: %s", error, extra={"action": "metrics_failed"})
                    self._overview = None
            return self._overview

    def _of_process(self) -> Iterator[Metric]:
        engine, measures = self._engine, self.measures
        yield _counter("holdfast_commits", "Transactions that this process committed.", measures.commits)
        yield _counter("holdfast_committed_units", "Units of writes in them.", measures.units)
        yield _histogram("holdfast_commit_seconds", "Duration of a commit, waits included.", measures.commit_seconds)
        yield _histogram("holdfast_commit_units", "Units in one commit.", measures.commit_units)
        steps = HistogramMetricFamily("holdfast_step_seconds", "Duration of recorded steps.", labels=["kind"])
        for kind, histogram in measures.step_seconds.items():
            steps.add_metric([kind.value], histogram.buckets(), histogram.total)
        yield steps
        yield _gauge("holdfast_in_memory", "Workflows in the memory of this process.", len(engine.running))
        yield _gauge("holdfast_backlog", "Units that wait to be written.", engine.committer.backlog)
        yield _counter("holdfast_lease_losses", "How often this worker was taken for dead.", engine.lease_losses)
        text = "How often the database was found to have lost what it had acknowledged to this process."
        yield _counter("holdfast_database_losses", text, engine.committer.losses.count)


def _of_database(overview: Overview) -> Iterator[Metric]:
    workflows = GaugeMetricFamily("holdfast_workflows", "Workflows that have not ended.", labels=["status"])
    for status, count in overview.counts.items():
        workflows.add_metric([status.value], count)
    yield workflows
    depth = GaugeMetricFamily("holdfast_queue_depth", "Workflows that are due and wait.", labels=["queue"])
    age = GaugeMetricFamily("holdfast_queue_age_seconds", "For how long the oldest one has been due.", labels=["queue"])
    for line in overview.lines:
        depth.add_metric([line.queue], line.depth)
        if line.oldest_at is not None:
            age.add_metric([line.queue], max(overview.now - line.oldest_at, 0.0))
    yield depth
    yield age
    alive = sum(worker.lease_until >= overview.now for worker in overview.workers)
    yield _gauge("holdfast_workers", "Workers whose lease has not ended.", alive)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=histogram.buckets(), sum_value=histogram.total)
