"""What befalls the processes of a run: errors of the driver, deaths, pauses, and a database that is away."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from tests.simulation.database import FaultyConnection
from tests.simulation.machine import Machine
from tests.simulation.plan import LEASE, SCENES

if TYPE_CHECKING:
    from tests.simulation.world import World

_ERRORS = {
    "broken read": ("disk I/O error", sqlite3.SQLITE_IOERR),
    "broken statement": ("disk I/O error", sqlite3.SQLITE_IOERR),
    "failed commit": ("disk I/O error", sqlite3.SQLITE_IOERR),
    "lost reply": ("disk I/O error", sqlite3.SQLITE_IOERR),
    "cut off": ("unable to open database file", sqlite3.SQLITE_CANTOPEN),
    "read-only": ("attempt to write a readonly database", sqlite3.SQLITE_READONLY),
    "disk full": ("database or disk is full", sqlite3.SQLITE_FULL),
    "locked": ("database is locked", sqlite3.SQLITE_BUSY),
}

_AT = {"begin": "locked", "read": "broken read", "statement": "broken statement", "commit": "failed commit"}
"""What the driver may report at which point."""


def error_of(kind: str) -> sqlite3.OperationalError:
    text, code = _ERRORS[kind]
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class Faults:
    """Draws what happens, and lets it happen, until all is healed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._windows: list[tuple[str, Machine | None, float]] = []
        self.jumped = 0.0
        """Seconds by which the database's clock is ahead."""
        self.jumped_at = float("-inf")
        self.healed = False
        """No more faults happen."""

    def heal(self) -> None:
        """Let nothing more happen, and what happens end; what hangs for ever does so still."""
        self.healed = True
        self._windows.clear()
        for machine in self._world.machines:
            machine.disturbed_at = self._world.sim.now
            if machine.paused and not machine.hung:
                self._world.sim.resume(machine)

    # What a statement meets

    def meet(self, process: Machine, point: str, connection: FaultyConnection | None) -> None:
        """Fail, take time, or die, before a statement."""
        if process.cut_off_at_claim and point == "begin" and not self.healed and self._is_worker():
            self._cut_off_for_a_while(process)
        if self._windows:
            self._meet_windows(process, point)
        rates = self._world.plan.rates
        if rates and point != "connect" and not self.healed and process.launched:
            self._meet(process, point, rates, connection)

    def meet_after_commit(self, process: Machine) -> None:
        """Die, or lose the reply."""
        if process.launched and not self.healed:
            self._perhaps_die(process)
            rate = self._world.plan.rates.get("lost reply", 0.0)
            if rate and self._world.chance.random() < rate:
                self._world.fire("lost reply", process)
                raise error_of("lost reply")

    def _is_worker(self) -> bool:
        task = self._world.sim.current
        return task is not None and task.name == "holdfast-worker"

    def _meet_windows(self, process: Machine, point: str) -> None:
        now = self._world.sim.now
        self._windows = [window for window in self._windows if window[2] > now]
        for kind, target, _ in self._windows:
            if target is None or target is process:
                if kind == "cut off" or (kind == "read-only" and point == "begin"):
                    raise error_of(kind)
                if kind == "disk full" and point == "commit":
                    raise error_of(kind)

    def _meet(self, process: Machine, point: str, rates: dict[str, float], connection: FaultyConnection | None) -> None:
        draw = self._world.chance.random
        if "slow" in rates and draw() < rates["slow"]:
            self._world.fire("slow", process)
            self._world.sim.sleep(draw() * 0.5)
        fault = _AT[point]
        if fault in rates and draw() < rates[fault]:
            self._world.fire(fault, process)
            raise error_of(fault)
        if point == "begin" and "stall" in rates and draw() < rates["stall"] * self._likelier(process, connection):
            self._stall(process)
        if point == "commit":
            self._perhaps_die(process)

    def _likelier(self, process: Machine, connection: FaultyConnection | None) -> int:
        """Stall rather before a transaction with the application's own writes, or a client's start, than elsewhere."""
        if process.store is not None and process.store._writer._connection is not connection:
            return 40
        task = self._world.sim.current
        return 20 if task is not None and task.name == "start" else 1

    def _stall(self, process: Machine) -> None:
        """Stop a process just before it writes, for so long that others take it for dead."""
        others = [each for each in self._world.machines if each.launched and not each.paused and each is not process]
        if others and not process.is_writing():
            self._world.fire("stall", process)
            self._world.sim.pause(process)
            self._world.sim.spawn(self._world.sim.outside, lambda: self._wake_up(process, LEASE * 2.5), "waker")
            self._world.sim.let_others_go()

    def _perhaps_die(self, process: Machine) -> None:
        rate = self._world.plan.rates.get("dies at commit", 0.0)
        if rate and process.launched and not self.healed and self._world.chance.random() < rate * 2:
            self._world.fire("dies at commit", process)
            self._world.crash(process)
            self._world.sim.block()

    # Scenes: what happens to whole processes

    def work(self) -> None:
        """Stage one scene after the other."""
        scenes = [fault for fault in SCENES if fault in self._world.plan.faults]
        while scenes and not self.healed:
            self._world.sim.sleep(self._world.chance.expovariate(0.4))
            alive = [each for each in self._world.machines if each.launched and not each.paused]
            if alive and not self.healed:
                self._stage(self._world.chance.choice(scenes), self._world.chance.choice(alive), alive)

    def _stage(self, scene: str, machine: Machine, alive: list[Machine]) -> None:
        chance, now = self._world.chance, self._world.sim.now
        match scene:
            case "crash":
                self._world.fire(scene, machine)
                self._world.crash(machine)
            case "pause":
                self._world.fire(scene, machine)
                self._world.sim.pause(machine)
                seconds = chance.choice([0.5, 3.0, LEASE * 1.5, LEASE * 3])
                self._world.sim.spawn(self._world.sim.outside, lambda: self._wake_up(machine, seconds), "waker")
            case "hang":
                if len(alive) > 1 and not machine.is_writing():
                    self._world.fire(scene, machine)
                    machine.hung = True
                    self._world.sim.pause(machine)
            case "cut off":
                self._cut_off(machine, chance.choice([1.0, LEASE * 2]))
            case "read-only" | "disk full":
                self._world.fire(scene)
                self._windows.append((scene, None, now + chance.choice([0.2, 3.0, 10.0])))
            case "clock jump":
                self._world.fire(scene)
                self.jumped += chance.choice([0.5, 20.0, 3600.0])
                self.jumped_at = self._world.sim.now
            case _:
                self._world.fire(scene, machine)
                if "cut off" in self._world.plan.faults and chance.random() < 0.7:
                    self._close_cut_off(machine)
                else:
                    self._close(machine)

    def _close_cut_off(self, machine: Machine) -> None:
        """Close an application just after it was cut off, which happens as its worker begins to claim if it does soon.

        Then closing waits for the claim, while the workflows go on.
        """
        sim, chance = self._world.sim, self._world.chance

        def cut_off_and_close() -> None:
            machine.cut_off_at_claim = True
            ends = sim.now + 3.0
            while machine.cut_off_at_claim and sim.now < ends:
                sim.sleep(0.02)
            if not self.healed and machine.cut_off_at_claim:
                self._cut_off_for_a_while(machine)
            sim.sleep(chance.choice([0.0, 0.1, 0.3]))
            if machine.launched and not machine.paused:
                self._close(machine)

        sim.spawn(sim.outside, cut_off_and_close, "closer")

    def _cut_off_for_a_while(self, machine: Machine) -> None:
        machine.cut_off_at_claim = False
        self._cut_off(machine, self._world.chance.choice([0.5, 1.5, 2.5, LEASE * 2]))

    def _cut_off(self, machine: Machine, seconds: float) -> None:
        self._world.fire("cut off", machine)
        machine.disturbed_at = self._world.sim.now + seconds
        self._windows.append(("cut off", machine, machine.disturbed_at))

    def _wake_up(self, machine: Machine, seconds: float) -> None:
        self._world.sim.sleep(seconds)
        self.go_on(machine)

    def go_on(self, machine: Machine) -> None:
        """End a pause."""
        if machine.paused and not machine.dead and not machine.hung:
            machine.disturbed_at = self._world.sim.now
            self._world.sim.resume(machine)
            self._world.tell(f"{machine.name} goes on")

    def _close(self, machine: Machine) -> None:
        """Close an application in good order; its process then ends."""

        def close() -> None:
            app = machine.app
            if app is not None:
                machine.launched = False
                app.close()
                self._world.tell("closed")
                self._world.crash(machine)

        self._world.sim.spawn(machine, close, "closer")
