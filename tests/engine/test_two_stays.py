"""A process that was taken for dead, and has its workflow again while the step of its first stay still runs."""

from __future__ import annotations

import threading

import pytest

from holdfast import Client, Config, Holdfast, step, workflow
from holdfast.runtime.execution import Execution
from holdfast.store.writes import TakeOver, Unit
from tests.helpers import eventually

_gates = [threading.Event(), threading.Event()]
_begun: list[int] = []


@step
def lasts_until_its_gate_opens() -> int:
    stay = len(_begun)
    _begun.append(stay)
    _gates[stay].wait(30)
    return stay


@workflow
def stays_twice() -> int:
    return lasts_until_its_gate_opens()


def test_the_end_of_the_first_stay_does_not_hide_the_second(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _begun.clear()
    for gate in _gates:
        gate.clear()
    with Holdfast(store_url, config=Config(heartbeat=0.2, lease=2.0)) as app, Client(store_url) as client:
        engine, left = app.engine, []
        leave = engine.exit

        def exit_noted(execution: Execution) -> None:
            leave(execution)
            left.append(execution.fence.epoch)

        monkeypatch.setattr(engine, "exit", exit_noted)
        handle = app.start(stays_twice)
        eventually(lambda: len(_begun) == 1)
        client.engine.store.commit([Unit(writes=(TakeOver(worker_id=engine.worker_id, crash_limit=9),))])
        eventually(lambda: len(_begun) == 2)
        _gates[0].set()
        eventually(lambda: left == [1])
        assert [execution.fence.epoch for execution in engine.running] == [3]
        _gates[1].set()
        assert handle.result(20) == 1
