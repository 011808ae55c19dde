from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from holdfast import Holdfast, Status, options, recv, step, workflow
from holdfast.errors import StoreUnavailable
from holdfast.store.overview import Overview
from holdfast.telemetry.prometheus import EngineMetrics
from tests.helpers import eventually


@step
def measured_step() -> int:
    return 1


@workflow
def measured() -> int:
    return measured_step()


@workflow
def waits_for_ever() -> None:
    recv("never")


def lines(registry: CollectorRegistry) -> list[str]:
    return generate_latest(registry).decode().splitlines()


def test_metrics_tell_of_this_process_and_of_the_database(store_url: str) -> None:
    with Holdfast(store_url) as app:
        registry = CollectorRegistry()
        registry.register(EngineMetrics(app.engine, cache_seconds=0))
        assert measured() == 1
        handle = options(id="w").start(waits_for_ever)
        eventually(lambda: handle.status() is Status.SUSPENDED)
        found = lines(registry)
        assert 'holdfast_step_seconds_count{kind="step"} 1.0' in found
        assert 'holdfast_workflows{status="suspended"} 1.0' in found
        assert "holdfast_workers 1.0" in found
        assert "holdfast_database_up 1.0" in found
        assert "holdfast_lease_losses_total 0.0" in found
        assert "holdfast_database_losses_total 0.0" in found


def test_the_database_is_not_read_again_within_the_time_of_the_cache(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Holdfast(sqlite_url) as app:
        registry = CollectorRegistry()
        registry.register(EngineMetrics(app.engine, cache_seconds=3600))
        reads: list[Overview] = []
        read = app.store.overview

        def counted() -> Overview:
            reads.append(read())
            return reads[-1]

        monkeypatch.setattr(app.store, "overview", counted)
        lines(registry)
        lines(registry)
        assert len(reads) == 1


def test_a_database_that_is_away_leaves_the_metrics_of_the_process(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Overview:
        raise StoreUnavailable("away")

    with Holdfast(sqlite_url) as app:
        registry = CollectorRegistry()
        registry.register(EngineMetrics(app.engine))
        monkeypatch.setattr(app.store, "overview", away)
        found = lines(registry)
        assert "holdfast_database_up 0.0" in found
        assert any(line.startswith("holdfast_commits_total") for line in found)


def test_without_metrics_nothing_is_measured(sqlite_url: str) -> None:
    with Holdfast(sqlite_url) as app:
        assert app.engine.committer.observer is None
