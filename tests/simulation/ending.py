"""What must hold when everything has been healed and has ended."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.model import TERMINAL
from tests.simulation.plan import LEASE
from tests.simulation.programs import EXPECTED, THE_END

if TYPE_CHECKING:
    from tests.simulation.world import World

_ERRORS = frozenset(error.__name__ for error in EXPECTED)
"""What stands in a workflow's result for an operation that raised."""


class Ending:
    """Holds what is durable against what was done."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._model = world.model

    def check(self) -> None:
        world, model = self._world, self._model
        if world.clients:
            world.violate(f"I13 {world.clients} clients still wait")
        for workflow_id in world.acked - set(model.rows):
            world.violate(f"I13 the start of {workflow_id} was acknowledged, and there is no such workflow")
        for workflow_id, text in world.sent - model.bodies:
            world.violate(f"I6 {text} to {workflow_id} was acknowledged, and is in no mailbox")
        for workflow_id, row in model.rows.items():
            if workflow_id in world.poisoned:
                if row.status not in {"dead", "cancelled"}:
                    world.violate(f"I13 {workflow_id} kills its workers, and is {row.status}")
            elif row.status not in TERMINAL:
                world.violate(f"I13 {workflow_id} is still {row.status} ({row})")
            elif row.status == "succeeded":
                self._check_result(workflow_id)
            else:
                self._check_undone(workflow_id)
        self._check_requests()
        self._check_kept_waiting()
        if not world.fired:
            self._check_exactly_once()
        self._check_attempts()
        self._check_executions()
        self._check_workers()
        self._check_orders()

    def _check_requests(self) -> None:
        """Nobody is asked for the sake of a workflow that has ended."""
        model = self._model
        for workflow_id, subject, _ in model.requests.values():
            if (workflow_id, subject) not in model.approvals and model.rows[workflow_id].status in TERMINAL:
                self._world.violate(f"I11 {workflow_id} has ended, and {subject} is still asked for")

    def _check_kept_waiting(self) -> None:
        """Who was interrupted in what never comes has done what it was to do after that."""
        for workflow_id, (first, last) in self._world.kept_waiting.items():
            named = self._model.named[workflow_id]
            if first in named and last not in named:
                self._world.violate(f"I13 {workflow_id} was interrupted after {first}, and did not come to {last}")

    def _check_result(self, workflow_id: str) -> None:
        world, model = self._world, self._model
        values = json.loads(json.loads(model.outcomes[workflow_id][1] or "null"))
        for label, value in values.items():
            kind = label.rstrip("0123456789")
            if kind in {"step", "once", "undoable"} and value is not None:
                self._check_recorded(workflow_id, label, value)
            elif kind == "approval" and self._model.approvals.get((workflow_id, label)) != value:
                world.violate(
                    f"I11 {label} of {workflow_id} gave {value}; {self._model.approvals.get((workflow_id, label))}"
                )
            elif kind in {"transaction", "send", "stream"} and value != "Flaky":
                self._check_done(workflow_id, label, kind, value)
            else:
                self._check_heard(workflow_id, label, kind, value)
            if (workflow_id, label) in world.undone_steps:
                world.violate(f"I5 {label} of {workflow_id} was undone, and the workflow succeeded")
        self._check_received(workflow_id, values)

    def _check_heard(self, workflow_id: str, label: str, kind: str, value: object) -> None:
        """What came from other workflows is what they recorded."""
        world, model = self._world, self._model
        operation = world.operations[workflow_id, label]
        children = [child for child, parent in model.parents.items() if parent == workflow_id]
        if kind == "child" and value not in _ERRORS:
            given = [model.outcomes[child][1] for child in children if child in model.outcomes]
            if not any(output is not None and json.loads(output) == value for output in given):
                world.violate(f"I5 {label} of {workflow_id} gave {value}, which is no outcome of its children")
        elif kind == "start" and value not in children:
            world.violate(f"I5 {label} of {workflow_id} gave {value}, which is none of its children")
        elif kind == "get" and value is not None:
            known = model.event_values[operation["of"], operation["name"]]
            if value not in known:
                world.violate(f"I5 {label} of {workflow_id} gave {value}; the event was {known}")

    def _check_received(self, workflow_id: str, values: dict[str, object]) -> None:
        """What it received is what was consumed for it, each message once."""
        received = Counter(
            json.dumps(value)
            for label, value in values.items()
            if label.startswith(("recv", "await")) and value is not None
        )
        consumed = Counter(
            body
            for owner, topic, body, consumer in self._model.messages.values()
            if owner == workflow_id and consumer is not None and not topic.startswith("approval:")
        )
        # What a part of the program that failed has received is not in the result.
        some_failed = any(label.startswith(("ensured", "gather")) for label in values)
        if received - consumed or (not some_failed and received != consumed):
            self._world.violate(f"I6 {workflow_id} received {received}, and {consumed} were consumed for it")

    def _check_recorded(self, workflow_id: str, label: str, value: object) -> None:
        entry = self._model.named[workflow_id].get(label)
        if entry is None:
            self._world.violate(f"I5 {workflow_id} ended with {label}={value}, which is not recorded")
        elif entry.output is not None and json.loads(entry.output) != value:
            self._world.violate(f"I5 {workflow_id} ended with {label}={value}, recorded is {entry.output}")

    def _check_done(self, workflow_id: str, label: str, kind: str, value: object) -> None:
        world, model = self._world, self._model
        text = json.dumps(f"{workflow_id}:{label}")
        effect = model.effects.get((workflow_id, label))
        if kind == "transaction" and effect != value:
            world.violate(f"I4 {label} of {workflow_id} gave {value}, and did {effect}")
        elif kind == "send" and value is None and not any(body == text for _, body in model.bodies):
            world.violate(f"I6 {label} of {workflow_id} is in no mailbox")
        elif kind == "stream" and (workflow_id, text) not in model.items:
            world.violate(f"I7 {label} of {workflow_id} is in no stream")

    def _check_undone(self, workflow_id: str) -> None:
        world = self._world
        status, _, error = self._model.outcomes[workflow_id]
        if status == "failed" and THE_END not in (error or ""):
            world.violate(f"I5 {workflow_id} failed with what its code did not raise: {error}")
        for label, entry in self._model.named[workflow_id].items():
            done = label.startswith("undoable") and entry.error is None and entry.kind == "step"
            if done and not world.undone_steps[workflow_id, label]:
                world.violate(f"I5 {workflow_id} did not succeed, and {label} was not undone")

    def _check_exactly_once(self) -> None:
        world = self._world
        for (workflow_id, label), count in world.bodies.items():
            entry = self._model.named[workflow_id].get(label)
            attempts = 1 if label.startswith("transaction") else (entry.attempts if entry is not None else count)
            if count != attempts:
                world.violate(f"I12 without any fault {label} of {workflow_id} ran {count} times")
        for workflow_id, row in self._model.rows.items():
            if row.crashes or self._model.exposure[workflow_id]:
                world.violate(f"I12 without any fault {workflow_id} was taken over")
        for key, count in world.undone_steps.items():
            if count > 1:
                world.violate(f"I12 without any fault {key} was undone {count} times")

    def _check_attempts(self) -> None:
        """A step is tried as often as its policy says, counted anew where its worker died."""
        world = self._world
        for (workflow_id, label), operation in world.operations.items():
            entry = self._model.named[workflow_id].get(label)
            if operation["kind"] == "step" and entry is not None:
                attempts = min(operation["fails"], operation["retries"]) + 1
                if entry.attempts != attempts or (entry.error is None) != (operation["fails"] < attempts):
                    world.violate(f"I5 {label} of {workflow_id} ended as {entry} after {attempts} attempts")

    def _check_executions(self) -> None:
        """A step's body runs no more often than its attempts, each time that its workflow was taken up."""
        world = self._world
        for (workflow_id, label), operation in world.operations.items():
            count, row = world.bodies[workflow_id, label], self._model.rows.get(workflow_id)
            if row is None:  # its creation was not committed
                continue
            attempts = min(operation.get("fails", 0), operation.get("retries", 0)) + 1
            if operation["kind"] in {"step", "undoable"} and count > attempts * max(row.epoch, 1):
                world.violate(f"I12 {label} of {workflow_id} ran {count} times, and {row.epoch} stays can't explain it")

    def _check_workers(self) -> None:
        """A worker that was taken for dead, and is well, goes on as a new one."""
        world = self._world
        for machine in world.machines:
            is_well = machine.launched and not machine.dead and not machine.paused and machine.app is not None
            if is_well and world.sim.now - machine.disturbed_at > LEASE and machine.app is not None:
                worker_id = machine.app.engine.worker_id
                if self._model.alive.get(worker_id) is False:
                    world.violate(f"I2 worker {worker_id} was declared dead, and goes on under that name")

    def _check_orders(self) -> None:
        """Messages of one program to one mailbox arrive in the order of its sends."""
        last: dict[tuple[str, str, str], int] = {}
        for seq in sorted(self._model.messages):
            target, topic, text, _ = self._model.messages[seq]
            sender, _, label = text.strip('"').partition(":")
            if not label.startswith("send") or not self._is_sequential(sender, label):
                continue
            number = int(label.removeprefix("send"))
            if last.get((sender, target, topic), -1) > number:
                self._world.violate(f"I6 {label} of {sender} overtook a later message to {target}")
            last[sender, target, topic] = number

    def _is_sequential(self, sender: str, label: str) -> bool:
        return any(operation["label"] == label for operation in self._world.programs.get(sender, ()))
