"""Who uses the simulated workers: starts workflows, some twice, sends to them, cancels some."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from holdfast import Holdfast
from holdfast.api.schedule_fields import ScheduleFields
from holdfast.approvals import Approvals
from holdfast.errors import ApprovalError, ScheduleNotFound, StoreUnavailable, WorkflowNotFound
from holdfast.runtime import messages
from holdfast.runtime.effects import drive
from tests.simulation.model import SCHEDULE
from tests.simulation.programs import QUEUES, Author, Operation, simulated, simulated_async

if TYPE_CHECKING:
    from tests.simulation.world import World


class Clients:
    """Acts on whichever process lives; where that one dies meanwhile, the act is tried again in another one."""

    def __init__(self, world: World) -> None:
        self._world = world
        # Of its own, so that the seeds without a crowd stay what they are.
        chance = Random(f"crowd {world.seed}")
        self._crowded = chance.choice(QUEUES) if chance.random() > 0.85 else None
        """The queue that all that clients start waits in."""

    def work(self) -> None:
        """Do what clients do, in the order of their times."""
        world, sim = self._world, self._world.sim
        world.clients += 1
        for at, _, act in sorted(self._acts(), key=lambda act: act[:2]):
            sim.sleep(max(0.0, at + 1 - sim.now))
            act()
        world.clients -= 1

    def _acts(self) -> list[tuple[float, int, Callable[[], object]]]:
        world = self._world
        chance, plan = world.chance, world.plan
        peers = [f"w{number}" for number in range(plan.workflows)]
        author = Author(chance, peers, plan.config.suspend_after)
        acts: list[tuple[float, int, Callable[[], object]]] = []

        def at(when: float, act: Callable[[], object]) -> None:
            acts.append((when, len(acts), act))

        for peer in peers:
            begin, when = self._beginning(author, peer), chance.random() * plan.duration * 0.6
            at(when, begin)
            if chance.random() < 0.3:
                at(when + chance.choice([0.0, 2.0]), begin)
            if chance.random() < 0.15:
                at(when + chance.random() * 10, partial(self._cancel, peer))
            for number in range(chance.choice([0, 0, 1, 3])):
                at(when + chance.choice([0.0, 0.0, 3.0]), partial(self._send, peer, chance.choice(["", "t"]), number))
        if plan.schedule is not None:
            seconds = plan.duration * (0.2 + 0.5 * chance.random())
            at(plan.duration * 0.1, partial(self._keep_schedule, author.beat(), seconds))
        for workflow_id, topic in author.awaited:
            at(chance.random() * plan.duration, partial(self._send, workflow_id, topic))
        return acts

    def _beginning(self, author: Author, peer: str) -> Callable[[], None]:
        world = self._world
        program, is_async = author.program(peer), world.chance.random() < 0.5
        how: dict[str, Any] = {}
        if world.chance.random() < 0.15:
            how["timeout"] = world.chance.choice([3.0, 30.0])
        if world.chance.random() < 0.25:
            how["queue"] = world.chance.choice(QUEUES)
        if self._crowded is not None:
            how["queue"] = self._crowded
        if world.plan.poison and peer == "w0":
            program, is_async, how = [{"kind": "step", "label": "stepPoison", "poison": True}], False, {}
            world.poisoned.add(peer)
        if is_async and "timeout" in how:
            world.kept_waiting[peer] = author.wait_for_ever(program)
        world.programs[peer] = program
        return partial(self._begin, peer, program, is_async=is_async, how=how)

    # Acts

    def _begin(self, workflow_id: str, program: list[Operation], *, is_async: bool, how: dict[str, Any]) -> None:
        function = simulated_async if is_async else simulated

        def start(app: Holdfast) -> None:
            handle = app.options(id=workflow_id, **how).start(function, program)
            if handle.id != workflow_id:
                self._world.violate(f"a start of {workflow_id} gave {handle.id}")
            self._world.acked.add(workflow_id)

        self._in_some_machine("start", start)

    def _send(self, workflow_id: str, topic: str, number: int = 0) -> None:
        def send(app: Holdfast) -> None:
            key, text = f"{workflow_id}!{topic}!{number}", f"client:{topic}:{number}"
            drive(messages.send(app.engine, workflow_id, text, topic, key))
            self._world.sent.add((workflow_id, json.dumps(text)))

        self._in_some_machine("send", send)

    def _cancel(self, workflow_id: str) -> None:
        self._in_some_machine("cancel", lambda app: app.retrieve(workflow_id).cancel())

    def _keep_schedule(self, program: list[Operation], seconds: float) -> None:
        fields: ScheduleFields = {**(self._world.plan.schedule or {}), "args": [program]}

        def keep() -> None:
            self._insist("schedule", lambda app: app.schedules.create(SCHEDULE, simulated, **fields))
            self._world.sim.sleep(seconds)
            self._insist("unschedule", self._unschedule)

        self._as_client(keep)

    @staticmethod
    def _unschedule(app: Holdfast) -> None:
        # Its first try may have gone through, and only the reply was lost.
        with suppress(ScheduleNotFound):
            app.schedules.remove(SCHEDULE)

    def decide_later(self, approval_id: str, by: str) -> None:
        """Let somebody decide about a request, when there is time."""
        chance = self._world.chance
        pause, approve = chance.choice([0.0, 0.5, 3.0, 12.0]), chance.random() < 0.5
        is_careful = chance.random() < 0.5

        def decide(app: Holdfast) -> None:
            # Too late, withdrawn, or decided by somebody else.
            with suppress(ApprovalError):
                approvals = app.extensions[Approvals]
                seen = approvals.get(approval_id).digest if is_careful else None
                approvals.decide(approval_id, approve, by=by, digest=seen)

        def after_a_while() -> None:
            self._world.sim.sleep(pause)
            self._insist("decide", decide)

        self._as_client(after_a_while)

    def resume_later(self, workflow_id: str) -> None:
        """Let somebody look at a workflow that was set aside, and resume it."""

        def after_a_while() -> None:
            self._world.sim.sleep(2.0)
            self._insist("resume", lambda app: app.resume(workflow_id))

        self._as_client(after_a_while)

    def _in_some_machine(self, what: str, action: Callable[[Holdfast], object]) -> None:
        self._as_client(lambda: self._insist(what, action))

    def _as_client(self, work: Callable[[], None]) -> None:
        world = self._world
        world.clients += 1

        def work_and_leave() -> None:
            work()
            world.clients -= 1

        world.sim.spawn(world.sim.outside, work_and_leave, "client")

    def _insist(self, what: str, action: Callable[[Holdfast], object]) -> None:
        """Try until it is done; where a process dies under it, in another one."""
        world = self._world
        while True:
            able = [each for each in world.machines if each.launched and not each.paused and each.app is not None]
            if able:
                machine = world.chance.choice(able)
                app = machine.app
                done: list[bool] = []
                world.sim.spawn(machine, partial(self._try, app, action, done), what)
                while not done and not machine.dead and not machine.hung:
                    world.sim.sleep(0.2)
                if done == [True]:
                    return
            world.sim.sleep(0.3)

    def _try(self, app: Holdfast | None, action: Callable[[Holdfast], object], done: list[bool]) -> None:
        try:
            if app is not None:
                action(app)
            done.append(True)
        except (StoreUnavailable, WorkflowNotFound):
            done.append(False)
        except Exception as error:  # noqa: BLE001 - no error of the engine's may reach a client
            self._world.violate(f"a client got {error!r}")
            done.append(True)
