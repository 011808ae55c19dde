"""An application's own methods, in workflows that run before `launch` has returned and after `close` was called."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from holdfast import Holdfast, sleep, workflow
from holdfast.runtime.service import Service
from holdfast.runtime.worker import Worker
from tests.helpers import eventually


class Here:
    app: Holdfast


_entered = threading.Event()
_may_go_on = threading.Event()


@workflow
def add_for_the_application(a: int, b: int) -> int:
    return a + b


@workflow
def uses_its_application() -> int:
    _entered.set()
    _may_go_on.wait()
    result: int = Here.app.start(add_for_the_application, 1, 2).result()
    return result


@workflow
def uses_its_application_after_a_restart() -> int:
    sleep(0.2)
    result: int = Here.app.start(add_for_the_application, 1, 2).result()
    return result


def test_in_a_workflow_that_is_recovered_while_the_application_launches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with Holdfast(url) as Here.app:
        handle = Here.app.start(uses_its_application_after_a_restart)
    Here.app = Holdfast(url)
    start = Worker.start

    def start_and_wait(worker: Worker) -> None:
        start(worker)
        eventually(lambda: Here.app.store.outcomes([handle.id]))

    monkeypatch.setattr(Worker, "start", start_and_wait)
    with Here.app:
        assert Here.app.retrieve(handle.id).result(timeout=20) == 3


def test_in_a_workflow_that_still_runs_while_the_application_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    stop = Service._stop

    def go_on_and_stop(service: Service, limit: float) -> None:
        _may_go_on.set()
        eventually(lambda: not service.engine.running)
        stop(service, limit)

    monkeypatch.setattr(Service, "_stop", go_on_and_stop)
    with Holdfast(url) as Here.app:
        handle = Here.app.start(uses_its_application)
        _entered.wait()
    with Holdfast(url) as Here.app:
        assert Here.app.retrieve(handle.id).result(timeout=20) == 3
