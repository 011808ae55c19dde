"""Running seeds: the stand-ins put in, one world after another, and what came of each."""

from __future__ import annotations

import gc
import logging
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast.runtime.ids import Ids
from tests.simulation import programs
from tests.simulation.database import FaultyConnection, Watcher, set_watcher, set_wires
from tests.simulation.scheduler import set_simulator
from tests.simulation.standins import installed
from tests.simulation.template import make_template
from tests.simulation.wires import Wires
from tests.simulation.world import Alarm, World, make_ids


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of a seed."""

    seed: int
    violations: tuple[str, ...]
    trace: tuple[str, ...]
    digest: int
    fired: Counter[str]
    cells: Counter[tuple[str, str]]
    faults: frozenset[str]
    commits: int
    seconds: float
    """Of virtual time."""


class Simulation:
    """Runs seeds, one at a time."""

    def __init__(self, wires: Wires, alarm: Alarm) -> None:
        self._wires = wires
        self._alarm = alarm
        self.world: World | None = None

    def ids(self) -> Ids:
        """Make the ids of an engine of the world that runs."""
        if self.world is None:
            raise RuntimeError("no world runs")
        return make_ids(self.world)()

    def run(self, seed: int, *, faults: frozenset[str] | None = None) -> Result:
        """Carry one seed out. `faults`: those that may happen of the ones that the seed has drawn; None: all."""
        self._wires.begin_anew()
        world = self.world = World(seed, self._wires.path, faults=faults)
        self._alarm.world = world
        set_simulator(world.sim)
        set_watcher(world)
        programs.set_ledger(world)
        try:
            world.run()
            result = Result(
                seed=seed,
                violations=tuple(world.violations),
                trace=tuple(world.trace),
                digest=world.digest,
                fired=world.fired,
                cells=world.cells,
                faults=world.plan.faults,
                commits=world.commits,
                seconds=world.sim.now,
            )
        finally:
            world.clean_up()
            self._alarm.world = self.world = None
            # What was dropped in the middle of something is finalised now, where it finds nothing to act upon.
            set_simulator(None)
            set_watcher(Watcher())
            del world
            gc.collect()
        return result


@contextmanager
def simulating() -> Iterator[Simulation]:
    """Put the stand-ins in for as long as the block runs."""
    shared_memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="holdfast-", dir=shared_memory if shared_memory.is_dir() else None))
    alarm = Alarm()
    log = logging.getLogger("holdfast")
    before = (log.level, log.propagate)
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.addHandler(alarm)
    was_collecting = gc.isenabled()
    gc.disable()
    gc.collect()
    gc.freeze()
    unraisable = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    wires = Wires(make_template(folder))
    set_wires(wires)
    try:
        simulation = Simulation(wires, alarm)
        extra = {
            ("holdfast.runtime.engine", "Ids"): simulation.ids,
            ("holdfast.runtime.lease", "host_identity"): lambda: "one host",
            ("holdfast.runtime.lease", "process_started"): lambda _pid: "once",
            ("holdfast.store.sqlite.connection", "Connection"): FaultyConnection,
            ("holdfast.store.sqlite.writer", "_FIRST_PAUSE"): 0.005,
            ("holdfast.store.sqlite.writer", "_LAST_PAUSE"): 0.1,
        }
        with installed(extra):
            yield simulation
    finally:
        sys.unraisablehook = unraisable
        gc.unfreeze()
        if was_collecting:
            gc.enable()
        log.removeHandler(alarm)
        log.setLevel(before[0])
        log.propagate = before[1]
        set_simulator(None)
        set_wires(None)
        wires.close()
        shutil.rmtree(folder, ignore_errors=True)
