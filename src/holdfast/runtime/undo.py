"""Undoing what a workflow did, once it has failed or was cancelled (a saga's compensations).

    code ended      no branch of it begins anything any more; what is in the middle of a step comes to its end
    $undo           recorded with the first undo step: the outcome that stands, and what is to be undone. From here on
                    every replay leads to the same outcome, whatever the code does
    undo steps      newest first, each a recorded step or transaction with an identity of its own
    halted          one failed for good, or something irreversible was reached: the workflow is set aside as blocked.
                    Resumed, it tries again what failed; a person may settle it by hand instead and have it skipped
    outcome         recorded as for any workflow, with a note of what was undone

An undo step whose tries all failed is recorded as such; when the workflow is resumed, its next try is a step of its
own (`undo:pay[pay#1, try 2]`), so that a recorded outcome stays what it is. Deadlines and cancellations don't reach
here: the code has heard of them.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from holdfast import failpoints
from holdfast.core.data import dataclass
from holdfast.core.identity import keyed_id
from holdfast.core.model import Checkpoint, Kind, Status
from holdfast.core.replay import UNDO_BRANCH, UNDO_ID, Operation
from holdfast.errors import UsageError, WorkflowNotFound
from holdfast.runtime.context import Frame, current, runner_here
from holdfast.runtime.control import Halted, Unwind
from holdfast.runtime.definitions import StepDefinition, UndoDefinition
from holdfast.runtime.effects import Await, Durable, Flow
from holdfast.runtime.step import run_step
from holdfast.runtime.transaction import transaction_flow
from holdfast.runtime.undo_list import Undoable, with_key
from holdfast.store.writes import Finish, Settle, Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine
    from holdfast.runtime.execution import Execution

log = logging.getLogger("holdfast.workflow")

PATIENCE = 1.0
"""Seconds that branches which nobody waits for have to ask, in a replay, for what they recorded before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Undone:
    """What the undoing came to."""

    finish: Finish
    """The outcome to record."""
    note: str


@dataclass(slots=True)
class _Tally:
    """How far the undoing is, by the identities of what is undone."""

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def note(self) -> str:
        """Say it in a line."""
        parts = [f"undone, newest first: {', '.join(self.done)}"] if self.done else []
        if self.skipped:
            parts.append(f"not undone, as a person decided: {', '.join(self.skipped)}")
        return "; ".join(parts)


def undo(execution: Execution, finish: Finish) -> Flow[Undone | None]:
    """Undo what is recorded as done, before the outcome is; None if there is nothing to undo.

    Raises `Halted` where a person has to decide, and what unwinds a workflow.
    """
    begun = execution.undo_begun
    if begun is None and execution.undo.is_empty:
        return None
    execution.end_code()
    yield from _others_stop(execution)
    yield from _missing_come(execution, begun)
    plan = execution.undo.newest_first()
    if begun is None and not plan:
        return None
    begun = begun or _begin(execution, plan, finish)
    frame = Frame(execution=execution, branch=UNDO_BRANCH, runner=runner_here())
    token = current.set(frame)
    tally = _Tally()
    try:
        for place, undoable in enumerate(plan):
            yield from _undo_one(execution, undoable, tally, left=plan[place:])
    finally:
        current.reset(token)
    error = begun.error
    if error is not None:
        error = execution.engine.codec.note_on_error(error, tally.note())
    return Undone(finish=Finish(status=Status(begun.digest), error=error), note=tally.note())


def _begin(execution: Execution, plan: Sequence[Undoable], finish: Finish) -> Checkpoint:
    """Record that the outcome stands, and what is to be undone. It rides along with the first undo step."""
    place = Operation(step_id=UNDO_ID, branch=UNDO_BRANCH, name=UNDO_ID, kind=Kind.UNDO, digest=finish.status.value)
    log.info(
        "workflow %s (%s) %s; undoing, newest first: %s",
        execution.workflow_id,
        execution.definition.name,
        finish.status,
        ", ".join(each.step_id for each in plan),
        extra={"action": "workflow_undoing"},
    )
    return execution.record(place, output=json.dumps([each.step_id for each in plan]), error=finish.error)


def _others_stop(execution: Execution) -> Flow[None]:
    """Wait for the steps in which other branches of the ended code still are."""
    while execution.steps_running:
        execution.signal.clear()
        execution.check_here()
        if execution.steps_running:
            yield Await(execution.signal, PATIENCE)


def _missing_come(execution: Execution, begun: Checkpoint | None) -> Flow[None]:
    """Wait, in a replay, until branches that nobody waits for have asked for what they recorded.

    Raises `Halted` if they don't: what they did would be left as it is.
    """
    clock = execution.engine.clock
    ends = clock.monotonic() + PATIENCE
    while missing := _missing(execution, begun):
        if clock.monotonic() >= ends:
            raise Halted(_missing_report(missing, begun), f"the code no longer reaches {', '.join(missing)}")
        execution.check_here()
        yield Await(execution.signal, 0.02)
        execution.signal.clear()


def _missing(execution: Execution, begun: Checkpoint | None) -> list[str]:
    journal = execution.journal
    if begun is not None:
        known = {each.step_id for each in execution.undo.newest_first()}
        return [step_id for step_id in json.loads(begun.output or "[]") if step_id not in known]
    if not journal.is_strict:
        return []  # other code: what it left unasked for is reported elsewhere
    return [each.step_id for each in journal.unasked() if each.kind in _UNDOABLE and each.error is None]


_UNDOABLE = frozenset({Kind.STEP, Kind.TRANSACTION, Kind.ON_UNDO})


def _undo_one(execution: Execution, undoable: Undoable, tally: _Tally, *, left: Sequence[Undoable]) -> Flow[None]:
    journal = execution.journal
    if journal.find(_skipped_id(undoable.name, undoable.step_id)) is not None:
        tally.skipped.append(undoable.step_id)
        return
    if undoable.by is None:
        raise Halted(_report(tally, left, "it is irreversible"), f"{undoable.step_id} is irreversible")
    attempt, key = 1, undoable.step_id
    while (failed := journal.find(keyed_id(undoable.name, key))) is not None and failed.error is not None:
        attempt += 1
        key = f"{undoable.step_id}, try {attempt}"
    try:
        args, kwargs = undoable.call(execution.engine.codec)
        failpoints.reached("undo.before", undoable.step_id)
        yield from _run(execution, with_key(undoable.by, key), args, kwargs)
        failpoints.reached("undo.after", undoable.step_id)
    except (Unwind, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:
        why = f"{type(error).__name__}: {error}"
        raise Halted(_report(tally, left, why), f"{undoable.step_id} can't be undone: {why}") from error
    tally.done.append(undoable.step_id)


def _run(execution: Execution, by: UndoDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Any]:
    if not isinstance(by, StepDefinition):
        return (yield from transaction_flow(execution.engine, by, args, kwargs))
    if execution.definition.is_async and not by.is_async:
        # Nothing else waits for the event loop's thread to undo something.
        by = replace(by, function=_off_the_loop(by.function))
    return (yield from run_step(execution, by, args, kwargs))


def _off_the_loop(function: Any) -> Any:
    @functools.wraps(function)
    async def in_a_thread(*args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(function, *args, **kwargs)

    return in_a_thread


def _report(tally: _Tally, left: Sequence[Undoable], why: str) -> dict[str, str]:
    halted = left[0]
    return {
        "reason": "the undoing has halted",
        "step": halted.step_id,
        "undo": _skipped_id(halted.name, halted.step_id),
        "why": why,
        "undone": ", ".join(tally.done),
        "skipped": ", ".join(tally.skipped),
        "not undone": ", ".join(each.step_id for each in left),
        "way out": "mend the cause and resume the workflow: it goes on with this step; or settle by hand what the step "
        "did, then have it skipped: retrieve(id).skip_undo(). Cancelling gives the rest of the undoing up",
    }


def _missing_report(missing: Sequence[str], begun: Checkpoint | None) -> dict[str, str]:
    return {
        "reason": "the undoing has halted",
        "why": "the code no longer reaches what is recorded, so nobody knows how it is undone",
        "not undone": ", ".join(missing),
        "outcome": begun.digest if begun is not None else "",
        "way out": "bring the code back that recorded these, and resume the workflow; or settle them by hand and "
        "cancel it, which gives the rest of the undoing up",
    }


def ask_for_undo(execution: Execution, by: UndoDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Note what the code wants done if the workflow fails. It is recorded along with the next write that has to wait.

    Raises `UsageError` for what the workflow could not await, and what unwinds a workflow.
    """
    if isinstance(by, StepDefinition) and by.is_async and not execution.definition.is_async:
        raise UsageError(
            f"workflow {execution.workflow_id!r} ({execution.definition.name}) is a `def`: what it gives to on_undo() "
            f"must be one too, and {by.function.__qualname__} is not"
        )
    name = by.name.removeprefix("undo:")
    digest = execution.engine.codec.digest(args[1:] if by.is_method else args, kwargs)
    operation, _ = execution.operation(Kind.ON_UNDO, f"on_undo:{name}", digest)
    recorded = execution.begin(operation) or execution.record(operation)
    execution.undo.add(Undoable(checkpoint=recorded, name=by.name, by=by, args=args, kwargs=kwargs))


def _skipped_id(name: str, step_id: str) -> str:
    return f"{name}[{step_id}]:skipped"


def skip(engine: Engine, workflow_id: str, reason: str) -> Flow[str]:
    """Record that a person has settled what halted an undoing, and let the workflow go on; return which step it was.

    Raises `WorkflowNotFound`, `UsageError` if no undoing has halted there.
    """
    record = yield from engine.read(lambda: engine.store.get_workflow(workflow_id))
    if record is None:
        raise WorkflowNotFound(workflow_id)
    report: dict[str, str] = json.loads(record.report or "{}")
    mark = report.get("undo") if record.status is Status.BLOCKED else None
    if mark is not None:
        journal = yield from engine.read(lambda: engine.store.journal(workflow_id))
        now = engine.clock.now()
        checkpoint = Checkpoint(
            step_id=mark,
            branch=UNDO_BRANCH,
            name=mark.partition("[")[0],
            kind=Kind.SKIPPED,
            seq=max(each.seq for each in journal) + 1,
            output=json.dumps(reason),
            started_at=now,
            finished_at=now,
        )
        settle = Settle(workflow_id=workflow_id, epoch=record.epoch, checkpoint=checkpoint)
        receipt = yield Durable(engine.committer.submit(Unit(writes=(settle,))))
        if receipt.results[0]:
            return report["step"]
    raise UsageError(
        f"workflow {workflow_id!r} is {record.status}, and no undoing has halted there: there is nothing to skip"
    )
