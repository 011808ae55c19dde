"""The scheduler and its stand-ins, by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.simulation.scheduler import Process, Simulator, Stuck, set_simulator
from tests.simulation.standins import Event, Lock, SimpleQueue


@pytest.fixture
def sim() -> Iterator[Simulator]:
    found = Simulator(1)
    set_simulator(found)
    yield found
    found.tear_down()
    set_simulator(None)


def test_time_passes_only_when_all_wait_and_then_at_once(sim: Simulator) -> None:
    seen: list[tuple[str, float]] = []

    def sleeper(name: str, seconds: float) -> Callable[[], None]:
        def body() -> None:
            sim.sleep(seconds)
            seen.append((name, round(sim.now, 1)))

        return body

    sim.spawn(sim.outside, sleeper("long", 300.0), "long")
    sim.spawn(sim.outside, sleeper("short", 2.0), "short")
    run_all(sim, 400.0)
    assert seen == [("short", 3.0), ("long", 301.0)]


def run_all(sim: Simulator, until: float) -> None:
    with pytest.raises(Stuck):
        sim.run(lambda: False, until)


def test_a_lock_is_held_by_one_at_a_time(sim: Simulator) -> None:
    lock, inside, most = Lock(), [0], [0]

    def body() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            sim.sleep(1.0)
            inside[0] -= 1

    for _ in range(5):
        sim.spawn(sim.outside, body, "one")
    run_all(sim, 100.0)
    assert most == [1]
    assert sim.now >= 6.0


def test_who_waits_for_a_queue_or_an_event_is_woken_by_it(sim: Simulator) -> None:
    queue, event, got = SimpleQueue(), Event(), []

    def consumer() -> None:
        got.append(queue.get())
        got.append(event.wait(50.0))
        got.append(Event().wait(3.0))

    def producer() -> None:
        sim.sleep(2.0)
        queue.put("item")
        sim.sleep(2.0)
        event.set()

    sim.spawn(sim.outside, consumer, "consumer")
    sim.spawn(sim.outside, producer, "producer")
    run_all(sim, 100.0)
    assert got == ["item", True, False]


def test_a_paused_process_goes_on_where_it_was_and_a_dead_one_never(sim: Simulator) -> None:
    steps: list[str] = []
    paused, dead = Process("paused"), Process("dead")

    def body(name: str) -> Callable[[], None]:
        def steps_of() -> None:
            try:
                for number in range(3):
                    steps.append(f"{name}{number}")
                    sim.sleep(1.0)
            finally:
                steps.append(f"{name} ends")

        return steps_of

    def nemesis() -> None:
        sim.sleep(1.5)
        sim.pause(paused)
        dead.dead = True
        sim.sleep(10.0)
        steps.append("resumed")
        sim.resume(paused)

    sim.spawn(paused, body("p"), "p")
    sim.spawn(dead, body("d"), "d")
    sim.spawn(sim.outside, nemesis, "nemesis")
    run_all(sim, 100.0)
    assert [step for step in steps if step[0] != "d"] == ["p0", "p1", "resumed", "p2", "p ends"]
    assert [step for step in steps if step[0] == "d"] == ["d0", "d1"]
