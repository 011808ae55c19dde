"""Random programs, and the one workflow that carries any of them out, as `def` and as `async def`.

A program is a list of operations in JSON. Each has a label that no other of its workflow has; the value that it gives
is new each time it is really done, so that what was done twice, lost, or made up shows in the workflow's result.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any, Protocol

import holdfast
from holdfast import RetryPolicy, StepOptions, arun_step, connection, options, run_step, step_info, workflow_id
from holdfast.approvals import Decision, arequest_approval, request_approval
from holdfast.errors import ResultTimeout, StepOutcomeUnknown, WorkflowFailed, WorkflowNotFound, WorkflowWasCancelled
from tests.simulation.scheduler import simulator

Operation = dict[str, Any]
QUEUES = ("narrow", "paced", "single", "split")
THE_END = "the program ends here"
"""What a program says that is to fail."""


class Ledger(Protocol):
    """What the operations tell the world about."""

    def enters(self, workflow: str, operation: Operation) -> None:
        """The code has come to an operation."""

    def exits(self, operation: Operation) -> None:
        """It is left, with a value or because the workflow leaves memory."""

    def leaves(self, workflow: str, operation: Operation, value: object) -> None:
        """The operation has given its value."""

    def body(self, workflow: str, label: str, key: str, before: tuple[str, ...]) -> str:
        """A body runs; return what is new about it. `before`: labels whose outcome must be durable by now."""

    def undone(self, workflow: str, label: str) -> None:
        """A step has been undone."""

    def poison(self) -> None:
        """The running process dies."""


class _Here:
    ledger: Ledger


def set_ledger(ledger: Ledger) -> None:
    """Say who is told of what operations do."""
    _Here.ledger = ledger


class Flaky(Exception):
    """What a body raises that is to fail."""


# Bodies


def _note_body(label: str, before: list[str]) -> str:
    info = step_info()
    return _Here.ledger.body(info.workflow_id, label, info.idempotency_key, tuple(before))


def _fails(operation: Operation) -> None:
    if step_info().attempt <= operation.get("fails", 0):
        raise Flaky(operation["label"])


def _body(operation: Operation, before: list[str]) -> str:
    token = _note_body(operation["label"], before)
    simulator().sleep(operation.get("takes", 0.0))
    if operation.get("poison"):
        _Here.ledger.poison()
        simulator().sleep(1e9)
    _fails(operation)
    return token


async def _abody(operation: Operation, before: list[str]) -> str:
    token = _note_body(operation["label"], before)
    await asyncio.sleep(operation.get("takes", 0.0))
    _fails(operation)
    return token


def _undo(token: str, operation: Operation, before: list[str]) -> None:
    _Here.ledger.undone(step_info().workflow_id, operation["label"])


@holdfast.transaction(name="simulated_transaction")
def _transaction(operation: Operation, before: list[str]) -> str:
    info = step_info()
    token = _Here.ledger.body(info.workflow_id, operation["label"], info.idempotency_key, tuple(before))
    connection().execute(
        "INSERT INTO simulated_effects (workflow_id, label, token) VALUES (?, ?, ?)",
        (info.workflow_id, operation["label"], token),
    )
    simulator().sleep(operation.get("takes", 0.0))
    if operation.get("raises"):
        raise Flaky(operation["label"])
    return token


def _step_options(operation: Operation) -> StepOptions:
    return StepOptions(
        name=operation["label"],
        policy=RetryPolicy(retries=operation.get("retries", 0), backoff=0.2),
        at_most_once=operation["kind"] == "once",
        undo=_undo if operation["kind"] == "undoable" else None,
    )


# The interpreters

EXPECTED = (Flaky, StepOutcomeUnknown, WorkflowFailed, WorkflowWasCancelled, WorkflowNotFound, ResultTimeout)
"""What an operation may end with; the program goes on."""


@holdfast.workflow(name="simulated")
def simulated(program: list[Operation]) -> str:
    """Carry a program out."""
    return json.dumps(_carry_out(program))


@holdfast.workflow(name="simulated_async")
async def simulated_async(program: list[Operation]) -> str:
    """Carry a program out on an event loop."""
    return json.dumps(await _acarry_out(program))


def _function(operation: Operation) -> Callable[..., Any]:
    return simulated_async if operation.get("async") else simulated


def _carry_out(program: list[Operation]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    before: list[str] = []
    me, ledger = workflow_id(), _Here.ledger
    for operation in program:
        if operation["kind"] == "fail":
            raise Flaky(THE_END)
        ledger.enters(me, operation)
        try:
            value = _do(operation, me, before)
        except EXPECTED as error:
            value = f"{type(error).__name__}"
        finally:
            ledger.exits(operation)
        ledger.leaves(me, operation, value)
        values.update(value if isinstance(value, dict) else {operation["label"]: value})
        before.append(operation["label"])
    return values


async def _acarry_out(program: list[Operation]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    before: list[str] = []
    me, ledger = workflow_id(), _Here.ledger
    for operation in program:
        if operation["kind"] == "fail":
            raise Flaky(THE_END)
        ledger.enters(me, operation)
        try:
            value = await _ado(operation, me, before)
        except EXPECTED as error:
            value = f"{type(error).__name__}"
        finally:
            ledger.exits(operation)
        ledger.leaves(me, operation, value)
        values.update(value if isinstance(value, dict) else {operation["label"]: value})
        before.append(operation["label"])
    return values


def _do(operation: Operation, me: str, before: list[str]) -> Any:  # noqa: C901, PLR0911, PLR0912 - a line for each kind
    match operation["kind"]:
        case "step" | "once" | "undoable":
            return run_step(_step_options(operation), _body, operation, list(before))
        case "transaction":
            return _transaction(operation, list(before))
        case "child":
            return _start(operation).result()
        case "call":
            return _function(operation)(operation["program"]) if not operation.get("async") else "skipped"
        case "start":
            return _start(operation).id
        case "gather":
            branches = [lambda program=program: _carry_out(program) for program in operation["programs"]]
            return {label: value for values in holdfast.gather(*branches) for label, value in values.items()}
        case "send":
            return holdfast.send(operation["to"], f"{me}:{operation['label']}", topic=operation["topic"])
        case "recv":
            return holdfast.recv(operation["topic"], timeout=operation["timeout"])
        case "event":
            return holdfast.set_event(operation["name"], operation["value"])
        case "get_event":
            return holdfast.get_event(operation["of"], operation["name"], timeout=operation["timeout"])
        case "stream":
            return holdfast.write_stream("items", f"{me}:{operation['label']}")
        case "sleep":
            return holdfast.sleep(operation["seconds"])
        case "pause":
            return simulator().sleep(operation["seconds"])
        case "ensured":
            try:
                return _carry_out(operation["program"])
            finally:
                _do(operation["last"], me, before)
        case "approval":
            return _verdict(request_approval(operation["label"], to="a@b.example", timeout=operation["timeout"]))
    raise ValueError(operation["kind"])


def _verdict(decision: Decision) -> str:
    return f"{decision.status} by {decision.decided_by}"


def _start(operation: Operation) -> Any:
    return options(**operation.get("options", {})).start(_function(operation), operation["program"])


async def _ado(operation: Operation, me: str, before: list[str]) -> Any:  # noqa: C901, PLR0911, PLR0912 - as above
    match operation["kind"]:
        case "step" | "once":
            if operation.get("blocking"):
                return run_step(_step_options(operation), _body, operation, list(before))
            return await arun_step(_step_options(operation), _abody, operation, list(before))
        case "undoable":
            return await arun_step(_step_options(operation), _abody, operation, list(before))
        case "transaction":
            return _transaction(operation, list(before))
        case "child":
            return await (await _astart(operation))
        case "call":
            return await simulated_async(operation["program"])
        case "start":
            return (await _astart(operation)).id
        case "gather":
            gathered = await holdfast.agather(*[_acarry_out(program) for program in operation["programs"]])
            return {label: value for values in gathered for label, value in values.items()}
        case "send":
            return await holdfast.asend(operation["to"], f"{me}:{operation['label']}", topic=operation["topic"])
        case "recv":
            return await holdfast.arecv(operation["topic"], timeout=operation["timeout"])
        case "event":
            return await holdfast.aset_event(operation["name"], operation["value"])
        case "get_event":
            return await holdfast.aget_event(operation["of"], operation["name"], timeout=operation["timeout"])
        case "stream":
            return await holdfast.awrite_stream("items", f"{me}:{operation['label']}")
        case "sleep":
            return await holdfast.asleep(operation["seconds"])
        case "pause":
            return await asyncio.sleep(operation["seconds"])
        case "ensured":
            try:
                return await _acarry_out(operation["program"])
            finally:
                await _ado(operation["last"], me, before)
        case "approval":
            return _verdict(await arequest_approval(operation["label"], to="a@b.example", timeout=operation["timeout"]))
    raise ValueError(operation["kind"])


async def _astart(operation: Operation) -> Any:
    return await options(**operation.get("options", {})).astart(_function(operation), operation["program"])


# Making programs

_JUST_ABOUT = (-0.004, 0.0, 0.001, 0.002, 0.004, 0.01)
"""Seconds by which a wait is shorter or longer than what happens at about the same time."""


class Author:
    """Writes random programs for the top-level workflows of one run."""

    def __init__(self, chance: random.Random, peers: list[str], suspend_after: float) -> None:
        self._chance = chance
        self._peers = peers
        self._suspend_after = suspend_after
        self._count = 0
        self._in_branches = False
        """Whether what is being written runs beside others, so that nobody knows which of two events comes last."""
        self.awaited: list[tuple[str, str]] = []
        """Messages that somebody outside must send, or their receivers wait for ever: workflow id, topic."""

    def program(self, me: str, *, depth: int = 0, length: int | None = None) -> list[Operation]:
        """Write one program for the workflow `me`; that of a child is not known by its id, so `me` is empty there."""
        chance = self._chance
        count = length if length is not None else chance.randint(2, 6 if depth == 0 else 3)
        program = [each for _ in range(count) for each in self._repeated(self._operation(me, depth))]
        if chance.random() < 0.12:
            program.insert(chance.randrange(len(program) + 1), {"kind": "fail", "label": self._label("fail")})
        return program

    def wait_for_ever(self, program: list[Operation]) -> tuple[str, str]:
        """Let a program end in what never comes; return the label of what it does before, and of what it does after."""
        first, last = self._swift("step"), {**self._swift("undoable"), "takes": 1.0}
        waits: Operation = {"kind": "ensured", "label": self._label("ensured"), "last": last}
        waits["program"] = [first, self._endless()]
        if self._count % 2:
            beside = [self._swift("step"), self._endless()]
            waits = {"kind": "gather", "label": self._label("gather"), "programs": [[waits], beside]}
        program.append(waits)
        return first["label"], last["label"]

    def _swift(self, kind: str) -> Operation:
        return {"kind": kind, "label": self._label(kind), "takes": 0.0, "retries": 0, "fails": 0, "blocking": False}

    def _endless(self) -> Operation:
        return {"kind": "pause", "label": self._label("pause"), "seconds": 1e9}

    def _repeated(self, operation: Operation) -> list[Operation]:
        """Receive again at once, now and then: what was taken first may not be durable yet.

        Before what nobody records goes a step: only that way is it known where to interrupt it in a replay.
        """
        if operation["kind"] == "pause":
            return [self._step({"kind": "step", "label": self._label("step")}, "", 2), operation]
        is_received = operation["kind"] == "recv" and operation["timeout"] is not None
        if not is_received or self._chance.random() < 0.5:
            return [operation]
        return [operation, {**operation, "label": self._label("recv")}]

    def _label(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _operation(self, me: str, depth: int) -> Operation:
        kinds = [
            "step", "step", "once", "undoable", "transaction", "transaction", "send", "recv", "event", "get_event",
            "stream", "sleep", "pause", "approval",
        ]  # fmt: skip
        if depth < 2:
            kinds += ["child", "call", "start", "gather", "ensured"]
        if me and depth == 0:
            kinds += ["await"]
        kind = self._chance.choice(kinds)
        operation = {"kind": kind, "label": self._label(kind)}
        write: Callable[[Operation, str, int], Operation] = getattr(self, f"_{kind}", self._plain)
        return write(operation, me, depth)

    def _plain(self, operation: Operation, me: str, depth: int) -> Operation:
        return operation

    def _step(self, operation: Operation, me: str, depth: int) -> Operation:
        chance = self._chance
        operation["takes"] = chance.choice([0.0, 0.0, 0.05, 1.0])
        operation["retries"] = chance.choice([0, 0, 2])
        operation["fails"] = chance.choice([0, 0, 0, 1, 2])
        operation["blocking"] = chance.random() < 0.3
        return operation

    def _once(self, operation: Operation, me: str, depth: int) -> Operation:
        operation["takes"] = self._chance.choice([0.0, 0.1])
        return operation

    _undoable = _once

    def _transaction(self, operation: Operation, me: str, depth: int) -> Operation:
        operation["takes"] = self._chance.choice([0.0, 0.0, 0.0, 0.02])
        operation["raises"] = self._chance.random() < 0.1
        return operation

    def _child(self, operation: Operation, me: str, depth: int) -> Operation:
        chance = self._chance
        operation["program"] = self.program("", depth=depth + 1)
        operation["async"] = chance.random() < 0.5
        how: Operation = {}
        if chance.random() < 0.4:
            how["queue"] = chance.choice(QUEUES)
            if how["queue"] == "split" or chance.random() < 0.3:
                how["partition"] = chance.choice("ab")
        elif chance.random() < 0.2:
            how["delay"] = chance.choice([0.5, 3.0])
        if chance.random() < 0.1:
            how["timeout"] = chance.choice([1.0, 5.0])
        operation["options"] = how
        return operation

    _start = _child

    def _call(self, operation: Operation, me: str, depth: int) -> Operation:
        program = operation["program"] = self.program("", depth=depth + 1)
        if self._chance.random() < 0.4:
            # It ends just as its caller leaves memory, which begins to wait when the child has left it.
            seconds = round(2 * self._suspend_after - 0.0006 * self._chance.random(), 6)
            program.append({"kind": "sleep", "label": self._label("sleep"), "seconds": seconds})
        return operation

    def _ensured(self, operation: Operation, me: str, depth: int) -> Operation:
        operation["program"] = self.program("", depth=2)
        operation["last"] = self._once({"kind": "undoable", "label": self._label("undoable")}, me, depth)
        return operation

    def _gather(self, operation: Operation, me: str, depth: int) -> Operation:
        width = self._chance.randint(2, 3)
        self._in_branches = True
        operation["programs"] = [self.program("", depth=2, length=self._chance.randint(1, 3)) for _ in range(width)]
        self._in_branches = False
        return operation

    def _send(self, operation: Operation, me: str, depth: int) -> Operation:
        operation.update(to=self._chance.choice(self._peers), topic=self._chance.choice(["", "t"]))
        return operation

    def _recv(self, operation: Operation, me: str, depth: int) -> Operation:
        operation.update(topic=self._chance.choice(["", "t"]), timeout=self._moment([0, 0.3, 4.0]))
        return operation

    def _await(self, operation: Operation, me: str, depth: int) -> Operation:
        operation.update(kind="recv", topic=operation["label"], timeout=None)
        self.awaited.append((me, operation["label"]))
        return operation

    def _event(self, operation: Operation, me: str, depth: int) -> Operation:
        self._count += 1
        name = operation["label"] if self._in_branches else self._chance.choice("xy")
        operation.update(name=name, value=self._count)
        return operation

    def _get_event(self, operation: Operation, me: str, depth: int) -> Operation:
        operation.update(
            of=self._chance.choice(self._peers),
            name=self._chance.choice("xy"),
            timeout=self._moment([0, 1, 6.0]),
        )
        return operation

    def _approval(self, operation: Operation, me: str, depth: int) -> Operation:
        operation["timeout"] = self._chance.choice([2.0, 20.0])
        return operation

    def beat(self) -> list[Operation]:
        """Write what each tick of the schedule does."""
        program = [self._step({"kind": "step", "label": self._label("step")}, "", 2)]
        if self._chance.random() < 0.5:
            program.append(self._sleep({"kind": "sleep", "label": self._label("sleep")}, "", 2))
        return program

    def _sleep(self, operation: Operation, me: str, depth: int) -> Operation:
        operation["seconds"] = self._moment([0.0, 0.2, 1.0, 7.0])
        return operation

    def _pause(self, operation: Operation, me: str, depth: int) -> Operation:
        operation["seconds"] = self._chance.choice([0.0, 1.0, 20.0])
        return operation

    def _moment(self, usual: list[float]) -> float:
        """Choose for how long to wait: often for about as long as a wait in memory lasts."""
        if self._chance.random() < 0.7:
            return self._chance.choice(usual)
        return round(self._suspend_after + self._chance.choice(_JUST_ABOUT), 3)
