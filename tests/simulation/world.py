"""One seed: workers that share a database, clients that use them, faults that befall them, and what is checked.

A run has three parts: a while with faults; then everything is healed, and within bounded time all workflows must have
ended; then what is durable is held against what was done.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import zlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import greenlet

from holdfast import Holdfast
from holdfast.api import launched
from holdfast.approvals import ApprovalRequest, Approvals
from holdfast.core.schedule import Overlap
from holdfast.errors import StoreUnavailable
from holdfast.runtime.ids import Ids
from holdfast.runtime.tracing import NoTracer
from holdfast.store.writes import Committed, Unit
from tests.simulation.clients import Clients
from tests.simulation.database import FaultyConnection, SimulatedStore, Watcher
from tests.simulation.ending import Ending
from tests.simulation.faults import Faults
from tests.simulation.machine import Machine
from tests.simulation.model import TERMINAL, Model
from tests.simulation.plan import LEASE, LIMITS, PATIENCE, QUEUES, make_plan
from tests.simulation.programs import Operation
from tests.simulation.scheduler import Process, Simulator, Stuck
from tests.simulation.standins import EPOCH
from tests.simulation.template import Note

RIDES = 0.5
MOST_KILLED = 5
"""By one workflow: `crash_limit`, one more as a suspect beside others, one beside what was just about to begin."""
LONGEST_TRANSACTION = 3 * LEASE
"""With a pause in it."""
MOST_COMMITS = 2000
"""In one run: some twenty times what a run takes."""


class World(Watcher):
    """See the module's page."""

    def __init__(self, seed: int, database: Path, *, faults: frozenset[str] | None = None) -> None:
        self.seed = seed
        self.sim = Simulator(seed)
        self.sim.on_error = lambda task, error: self.violate(f"the thread {task.name} ended by {error!r}")
        self.chance = self.sim.random
        self.plan = make_plan(self.chance, faults)
        self.violations: list[str] = []
        self.trace: deque[str] = deque(maxlen=80)
        self.digest = 0
        self.fired: Counter[str] = Counter()
        self.cells: Counter[tuple[str, str]] = Counter()
        self.model = Model(self.violate, LIMITS)
        self.model.overlaps = self.plan.schedule is not None and self.plan.schedule.get("overlap") is Overlap.ALLOW
        if "slow" in self.plan.faults:
            self.model.slack = 1.5
        self.commits = 0
        self._database = database
        self.model.on_dead = self._dead
        self.machines: list[Machine] = []
        self._everybody: list[Machine] = []
        self._process_of: dict[str, Machine] = {}
        self.faults = Faults(self)
        self.model.is_clock_sure = lambda: self.sim.now - self.faults.jumped_at > LONGEST_TRANSACTION
        self._minted = 0
        self._lingers = False
        """Who has just committed is slow to hear of it."""
        self.clients = 0
        self.acked: set[str] = set()
        self.sent: set[tuple[str, str]] = set()
        """Messages of clients that were acknowledged: workflow and text."""
        self.bodies: Counter[tuple[str, str]] = Counter()
        self._keys: dict[tuple[str, str], str] = {}
        self._all_keys: dict[str, tuple[str, str]] = {}
        self.undone_steps: Counter[tuple[str, str]] = Counter()
        self.kept_waiting: dict[str, tuple[str, str]] = {}
        """Workflows that wait for what never comes: the steps before that and after it."""
        self._first_seen: dict[tuple[str, str], float] = {}
        self.operations: dict[tuple[str, str], Operation] = {}
        self._heartbeats: dict[str, float] = {}
        self.poisoned: set[str] = set()
        self._people = Clients(self)
        self._asked: set[str] = set()
        self.programs: dict[str, list[Operation]] = {}

    # What is told

    def violate(self, text: str) -> None:
        """A rule is broken: the run ends."""
        text = text[:300]
        self.violations.append(f"[{self.sim.now:.3f}] {text}")
        self.tell(f"VIOLATED: {text}")
        self.sim.halted = True

    def tell(self, text: str) -> None:
        """Write a line of the trace."""
        task = self.sim.current
        who = f"{task.process.name}/{task.name}" if task is not None else "-"
        line = f"{self.sim.now:9.4f} {who:24} {text}"
        self.trace.append(line)
        self.digest = zlib.crc32(line.encode(), self.digest)

    def fire(self, fault: str, machine: Machine | None = None) -> None:
        self.fired[fault] += 1
        machines = self.machines if machine is None else [machine]
        for each in machines:
            for kind, count in each.active.items():
                # What an operation has written rides along for a while after the code has left it.
                if count > 0 or self.sim.now - each.left_at.get(kind, -1.0) < RIDES:
                    self.cells[fault, kind] += 1
        self.tell(f"FAULT {fault} {'' if machine is None else machine.name}")

    def database_now(self) -> float:
        """Read the database's clock."""
        return EPOCH + self.sim.now + self.faults.jumped

    # Watching the database

    def connected(self, process: Process, connection: FaultyConnection) -> None:
        if isinstance(process, Machine):
            process.connections.append(connection)

    def before(self, process: Process, point: str, connection: FaultyConnection | None = None) -> None:
        task = self.sim.current
        if task is None or task.dying or process.dead:
            raise greenlet.GreenletExit
        if not isinstance(process, Machine):
            return
        self.faults.meet(process, point, connection)
        if point == "connect":
            return
        if point != "statement":
            if self.chance.random() < 0.4:
                self.sim.let_others_go()
        elif self.sim.preempt_every and self.chance.random() < 0.02:
            self.sim.let_others_go()

    def committed(self, process: Process, notes: Sequence[Note]) -> None:
        self.commits += 1
        if self.commits == MOST_COMMITS:
            self.violate(f"I13 it does not come to rest within {MOST_COMMITS} commits")
        owners = process.minted if isinstance(process, Machine) else set()
        if len(notes):
            for note in notes:
                if note[0] == "worker":
                    self._worker_changed(process, note)
            self.model.apply(notes, owners, self.database_now())
        self.tell(f"commits {len(notes)}: {' '.join(f'{n[0]}({n[1]},{n[2]})' for n in notes[:6] if n[0] != 'worker')}")
        for machine in self.machines:
            # Also of its own: one whose reply was lost counts as another's.
            if machine.store is not None and machine.store.listener is not None:
                machine.store.listener.hear()

    def after_commit(self, process: Process) -> None:
        if not isinstance(process, Machine):
            return
        self.faults.meet_after_commit(process)
        if self._lingers:
            self._lingers = False
            self.sim.sleep(0.01)
        elif self.chance.random() < 0.3:
            self.sim.let_others_go()

    def _worker_changed(self, process: Process, note: Note) -> None:
        _, worker_id, was_alive, alive, *_ = note
        if alive:
            self._heartbeats[worker_id] = self.sim.now
        if not was_alive or alive:
            return
        machine = self._process_of.get(worker_id)
        if machine is process:
            return
        running = [
            workflow_id for workflow_id, row in self.model.rows.items()
            if row.owner == worker_id and row.status == "running"
        ]  # fmt: skip
        self.model.exposure.update(running)
        if machine is not None and machine.paused and not machine.hung and self.chance.random() < 0.5:
            # What it was about to do comes between the end of its rights and whoever uses them next.
            self.faults.go_on(machine)
            self._lingers = True
        silent = self.sim.now - self._heartbeats.get(worker_id, 0.0)
        # One that has just come back may be declared dead by who had watched it be silent until then.
        is_well = machine is not None and not machine.dead and self.sim.now - machine.disturbed_at > LEASE
        if is_well and silent < LEASE * 0.99:
            self.violate(f"I2 worker {worker_id} was declared dead {silent:.2f} s after its last heartbeat, and lives")

    def _dead(self, workflow_id: str, owner: str | None) -> None:
        """A workflow was set aside for a worker's death: an innocent one only where nobody else can have been it."""
        if workflow_id in self.poisoned:
            return
        machine = self._process_of.get(owner or "")
        if machine is None or machine.was_killed:
            self.violate(f"I17 {workflow_id} is dead for what another one did")
        else:
            self._people.resume_later(workflow_id)

    def accepted(self, process: Process, units: Sequence[Unit], committed: Committed) -> None:
        """Hold each accepted unit's epoch against those that were current while it may have been committed."""
        for unit, receipt in zip(units, committed.receipts, strict=True):
            if unit.fence is not None and receipt.accepted:
                row = self.model.rows.get(unit.fence.workflow_id)
                if row is None or unit.fence.epoch > row.epoch:
                    self.violate(f"I1 a unit of {unit.fence} was accepted; the workflow is {row}")

    # The ledger of what operations do

    def enters(self, workflow: str, operation: Operation) -> None:
        machine = self._here()
        machine.active[operation["kind"]] += 1
        self._first_seen.setdefault((workflow, operation["label"]), self.database_now())
        self.operations[workflow, operation["label"]] = operation

    def exits(self, operation: Operation) -> None:
        task = self.sim.current
        if task is not None and isinstance(task.process, Machine):
            task.process.active[operation["kind"]] -= 1
            task.process.left_at[operation["kind"]] = self.sim.now

    def leaves(self, workflow: str, operation: Operation, value: object) -> None:
        seconds = operation.get("seconds") if operation["kind"] == "sleep" else operation.get("timeout")
        if seconds and value is None and not self.violations and operation["kind"] in {"sleep", "recv", "get_event"}:
            early = self._first_seen[workflow, operation["label"]] + seconds - self.database_now()
            # What began just before the database's clock jumped ahead was to end by the old one.
            if early > self.faults.jumped + 0.001:
                self.violate(f"I10 {operation['label']} of {workflow} ended {early:.3f} s early")

    def body(self, workflow: str, label: str, key: str, before: tuple[str, ...]) -> str:
        machine = self._here()
        self.bodies[workflow, label] += 1
        self.tell(f"body {label} of {workflow}")
        known = self._keys.setdefault((workflow, label), key)
        if known != key:
            self.violate(f"I14 {label} of {workflow} has the idempotency key {key}, and had {known}")
        if self._all_keys.setdefault(key, (workflow, label)) != (workflow, label):
            self.violate(f"I14 {label} of {workflow} shares the idempotency key {key}")
        row = self.model.rows.get(workflow)
        if row is not None and row.status == "running" and row.owner in machine.minted:
            self._check_body(machine, workflow, label, before)
        if self.model.ended_by.get(workflow) is machine.minted:
            self.violate(f"I3 {label} of {workflow} runs in the process that has recorded the workflow's outcome")
        if label.startswith("once") and self.bodies[workflow, label] > 1:
            self.violate(f"I15 the at-most-once step {label} of {workflow} runs again")
        return f"{label}@{self.bodies[workflow, label]}@{machine.name}"

    def _check_body(self, machine: Machine, workflow: str, label: str, before: tuple[str, ...]) -> None:
        named = self.model.named[workflow]
        if label in named and machine.expected.get(workflow) is None:
            self.violate(f"I3 {label} of {workflow} is recorded, and its body runs again")
        for earlier in before:
            if earlier.startswith(("step", "once", "undoable")) and earlier not in named:
                self.violate(f"I14 the body of {label} of {workflow} runs before the outcome of {earlier} is durable")
        if label.startswith("once") and f"{label}:intent" not in named:
            self.violate(f"I15 the body of {label} of {workflow} runs before its intent is durable")

    def asked(self, approval_id: str) -> None:
        """Bring a request to those who decide, if not all of them find the time."""
        if self.chance.random() < 0.1:
            raise OSError("the mail server is away")
        self.tell(f"delivered {approval_id}")
        if approval_id not in self._asked:
            self._asked.add(approval_id)
            for number in range(self.chance.choice([0, 1, 1, 2, 2])):
                self._people.decide_later(approval_id, f"person{number}")

    def undone(self, workflow: str, label: str) -> None:
        self.undone_steps[workflow, label] += 1
        entry = self.model.named[workflow].get(label)
        if entry is None or entry.error is not None:
            self.violate(f"I5 {label} of {workflow} is undone, and was never done")

    def poison(self) -> None:
        machine = self._here()
        self.tell("poison")
        self.fired["poison"] += 1
        machine.was_killed = True
        if self.fired["poison"] > MOST_KILLED:
            self.violate(f"I17 one workflow has killed {MOST_KILLED} workers, and goes on")
        self.crash(machine)

    def _here(self) -> Machine:
        task = self.sim.current
        if task is None or not isinstance(task.process, Machine):
            raise RuntimeError("an operation runs outside of all machines")
        return task.process

    # Machines

    def new_id(self) -> str:
        """Mint an id; whoever mints a worker's id has that id."""
        self._minted += 1
        found = f"id{self._minted:06}"
        task = self.sim.current
        if task is not None and isinstance(task.process, Machine):
            task.process.minted.add(found)
            self._process_of[found] = task.process
        return found

    def _boot(self, place: int, incarnation: int) -> Machine:
        machine = Machine(f"m{place}.{incarnation}", self.chance.choice([0.0, 500.0, 1e6]))
        self._everybody.append(machine)
        self.sim.spawn(machine, lambda: self._launch(machine), "main")
        return machine

    def _launch(self, machine: Machine) -> None:
        while True:
            app = Holdfast(f"sqlite:///{self._database}", config=self.plan.config, queues=QUEUES, tracer=NoTracer())
            Approvals(app, delivery=_Courier(self), base_url="http://b.example", redeliver_after=1.0)
            machine.store = SimulatedStore(self._database, clock=self.database_now, patience=3.0)
            app._store = machine.store
            try:
                app.launch()
            except StoreUnavailable:
                self.sim.sleep(0.5)
                continue
            machine.app = app
            machine.launched = True
            self.tell(f"launched as {app.engine.worker_id}")
            return

    def crash(self, machine: Machine) -> None:
        """Let a process die: nothing of it runs any more, and the system closes what it had open."""
        machine.dead = True
        machine.launched = False
        if machine.store is not None:
            machine.store.die()
        for connection in machine.connections:
            with suppress(sqlite3.Error):
                connection.close()
        machine.connections.clear()
        if machine.app is not None and machine.app._engine is not None:
            launched.remove(machine.app._engine)

    def _supervise(self, place: int) -> None:
        """Keep one worker going: a new incarnation whenever the last one has died."""
        incarnation = 0
        while True:
            incarnation += 1
            machine = self._boot(place, incarnation)
            self.machines[place] = machine
            while not machine.dead:
                self.sim.sleep(0.5)
            self.sim.sleep(self.chance.choice([0.0, 1.0, 6.0]))

    # The run

    def run(self) -> None:
        """Carry the seed out; `violations` says what was broken."""
        self.machines = [Machine("none", 0.0) for _ in range(self.plan.workers)]
        for place in range(self.plan.workers):
            self.sim.spawn(self.sim.outside, lambda place=place: self._supervise(place), "supervisor")  # type: ignore[misc]  # mypy does not infer a lambda with a default
        self.sim.spawn(self.sim.outside, self._people.work, "clients")
        self.sim.spawn(self.sim.outside, self.faults.work, "nemesis")
        try:
            self.sim.run(self._all_ended, until=1 + self.plan.duration)
            if not self.violations:
                self.tell("healed")
                self.faults.heal()
                self.sim.run(self._all_ended, until=self.sim.now + PATIENCE)
            if not self.violations:
                self._check_the_end()
        except Stuck as stuck:
            self.violate(f"I13 {stuck}")

    def _all_ended(self) -> bool:
        return self.clients == 0 and all(
            row.status in TERMINAL or (workflow_id in self.poisoned and row.status == "dead")
            for workflow_id, row in self.model.rows.items()
        )

    def _check_the_end(self) -> None:
        Ending(self).check()

    def clean_up(self) -> None:
        """Drop all tasks, and close what is open."""
        self.sim.tear_down()
        for machine in self._everybody:
            self.crash(machine)


class _Courier:
    """Takes requests for approval to the people of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def deliver(self, request: ApprovalRequest) -> None:
        self._world.asked(request.approval_id)


class Alarm(logging.Handler):
    """Takes errors that the engine logs for what they are: defects."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.world: World | None = None

    def emit(self, record: logging.LogRecord) -> None:
        world = self.world
        task = world.sim.current if world is not None else None
        if world is None or task is None or task.dying or task.process.dead:
            return
        if record.exc_info and not isinstance(record.exc_info[1], (greenlet.GreenletExit, asyncio.CancelledError)):
            world.violate(f"the engine logs {record.getMessage()}: {record.exc_info[1]!r}")
        elif getattr(record, "action", "") in {"workflow_blocked", "write_refused", "database_lost_commits"}:
            world.violate(f"the engine logs {record.getMessage()}")


def make_ids(world: World) -> Callable[[], Ids]:
    """Give engines ids and chance of the world's."""
    return lambda: Ids(new_id=world.new_id, chance=world.chance.random)
