"""Replay a recorded workflow against the code at hand without doing anything, to tell what would become of it.

The function runs as in a replay, with an engine that has no database and takes no writes. Each branch of it ends at the
first operation without a recorded outcome, which is where work would begin. Workflow code itself does run; by contract
it does nothing that could be seen from outside.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn, TypeVar, cast

from holdfast.core.codec import Codec
from holdfast.core.data import dataclass
from holdfast.core.findings import Finding, Verdict
from holdfast.core.model import Checkpoint, Claimed, Status, WorkflowRecord
from holdfast.core.options import Config
from holdfast.core.replay import Journal, Mismatch, Operation, describe, is_within, writers
from holdfast.errors import PayloadError, WorkflowCancelled
from holdfast.runtime.clock import DatabaseClock
from holdfast.runtime.committer import Committer, Ticket
from holdfast.runtime.context import Frame, current, runner_here
from holdfast.runtime.control import Diverged, Unreadable, Unwind
from holdfast.runtime.definitions import Definitions, WorkflowDefinition
from holdfast.runtime.effects import Flow
from holdfast.runtime.engine import Engine
from holdfast.runtime.execution import Execution
from holdfast.runtime.recorded import user_line
from holdfast.store.base import Store
from holdfast.store.writes import Unit, Write

T = TypeVar("T")


class Frontier(Unwind):
    """A branch has come to the end of what is recorded for it."""

    def __init__(self, branch: str, what: str, *, step_id: str | None, where: str) -> None:
        self.branch, self.what, self.step_id, self.where = branch, what, step_id, where
        frame = current.get()
        self._is_awaited = frame is None or not frame.foreign
        super().__init__(f"{what} (at {where})")

    def stops(self, branch: str) -> bool:
        """Tell whether a branch can't go on for that: it is the same, or opened it and waits for its result.

        Threads and tasks that the engine did not start may be waited for by nobody.
        """
        return branch == self.branch or (self._is_awaited and is_within(self.branch, branch))


class DryEngine(Engine):
    """An engine without a database: whoever asks it for more than the journal holds has come to the end of it."""

    def __init__(
        self,
        definitions: Definitions,
        *,
        config: Config,
        codec: Codec,
        extensions: dict[type[Any], Any] | None = None,
    ) -> None:
        super().__init__(cast(Store, _NoStore()), definitions, config=config, codec=codec, extensions=extensions)
        self.committer = _NoCommitter(self.store, self._on_commit)
        # Every sleep is over, so that what follows it is looked at too.
        self.clock = _EndOfTime(self.store.now)

    def read(self, function: Callable[[], T]) -> Flow[T]:
        """Refuse: what a database says now is not in the journal."""
        _stop_here("read what is not recorded")

    def watch_until(self, workflow_id: str, look: Callable[[], T | None], timeout: float | None) -> Flow[T | None]:
        """Refuse, like `read`."""
        _stop_here(f"wait for workflow {workflow_id!r} without recording it")


class _EndOfTime(DatabaseClock):
    """Stands after all times that are recorded."""

    def now(self) -> float:
        """Return infinity."""
        return math.inf


class _NoStore:
    """Has nothing to be asked for."""

    dialect = "none"

    def __getattr__(self, name: str) -> Any:
        def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
            _stop_here(f"ask the database ({name})")

        return refuse


class _NoCommitter(Committer):
    """Takes no writes."""

    def submit(self, unit: Unit, *, awaited: bool = False) -> Ticket:
        """Refuse."""
        _stop_here(f"write {type(unit.writes[0]).__name__}")


def _stop_here(what: str) -> NoReturn:
    frame = current.get()
    if frame is None or not isinstance(frame.execution, DryExecution):
        raise RuntimeError(f"a dry run was about to {what} outside any workflow")
    raise frame.execution.stop(frame.branch, what, step_id=None)


class DryExecution(Execution):
    """An execution that only replays."""

    def __init__(
        self, engine: DryEngine, definition: WorkflowDefinition, record: WorkflowRecord, journal: Journal
    ) -> None:
        super().__init__(
            engine,
            definition,
            workflow_id=record.workflow_id,
            epoch=record.epoch or 1,
            input_text=record.input,
            journal=journal,
            cancel_requested=record.cancel_at is not None or record.status is Status.CANCELLED,
        )
        self.frontiers: dict[str, Frontier] = {}
        """Where each branch came to the end of what is recorded for it."""

    def stop(self, branch: str, what: str, *, step_id: str | None) -> Frontier:
        """Remember where a branch ends, so that it does not go on if its code swallows that; return it to be raised."""
        return self.frontiers.setdefault(
            branch, Frontier(branch, what, step_id=step_id, where=user_line(traceback.extract_stack()))
        )

    def begin(self, operation: Operation) -> Checkpoint | None:
        """Return the recorded outcome; without one, the branch ends here."""
        self.check_here()
        for frontier in list(self.frontiers.values()):
            # Code that swallows that and goes on does so without a result.
            if frontier.stops(operation.branch):
                raise frontier
        recorded = super().begin(operation)
        if recorded is None:
            raise self.stop(operation.branch, f"run {describe(operation)}", step_id=operation.step_id)
        return recorded

    def check_cancel(self, operation: Operation, *, begins: bool = False) -> None:
        """Do nothing: a cancellation that is not recorded is no part of the journal."""

    def waiting(self) -> NoReturn:
        """Refuse: what is waited for is not recorded."""
        _stop_here("go on waiting")

    def ride(self, *writes: Write) -> None:
        """Do nothing."""

    def submit(self, *writes: Write, awaited: bool = False) -> Ticket | None:
        """Refuse."""
        _stop_here(f"write {type(writes[0]).__name__ if writes else 'to the journal'}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    """How the function left: by returning, by an exception, or by what unwound it."""

    value: Any = None
    error: BaseException | None = None


def examine(
    engine: DryEngine,
    claimed: Claimed,
    *,
    definition: WorkflowDefinition | None = None,
    strict: bool | None = None,
    timeout: float = 10.0,
) -> Finding:
    """Replay one workflow and tell what would become of it. Writes nothing, runs no step.

    `definition` is the code; default: what is registered under the workflow's name, in its version if that is here.
    `strict` holds the code to the journal; default: if the version that recorded it is the code's. Code that does not
    come to an end within `timeout` seconds is left behind in its thread.
    """
    record = claimed.record
    kept_elsewhere = definition is None and _is_kept(engine, record)
    definition = definition or engine.definitions.workflow(record.name, record.version)
    finding = Finding(
        workflow_id=record.workflow_id,
        name=record.name,
        status=record.status,
        verdict=Verdict.OK,
        recorded_version=record.version,
        code_version=None if definition is None else definition.version,
    )
    if kept_elsewhere:
        return replace(finding, verdict=Verdict.PINNED)
    if definition is None:
        return replace(finding, verdict=Verdict.UNKNOWN, found="no workflow has this name")
    if claimed.damage is not None:
        return replace(finding, verdict=Verdict.UNREADABLE, found=claimed.damage)
    try:
        args, kwargs = engine.decode_call(definition, record.input)
    except Exception as error:  # noqa: BLE001 - a constructor of the user's own may raise anything
        return replace(finding, verdict=Verdict.UNREADABLE, found=f"{type(error).__name__}: {error}")
    if strict is None:
        strict = writers(record.version, claimed.journal) <= {definition.version}
    execution = DryExecution(engine, definition, record, Journal(claimed.journal, strict=strict))
    end = _run(execution, args, kwargs, timeout)
    if end is None:
        return replace(finding, verdict=Verdict.UNCHECKED, found=f"it did not end within {timeout:g} s")
    return _judge(finding, execution, end, record)


def _is_kept(engine: DryEngine, record: WorkflowRecord) -> bool:
    is_pinned = any(name == record.name for name, _ in engine.pinned)
    return is_pinned and (record.name, record.version) not in engine.pinned


def _run(execution: DryExecution, args: tuple[Any, ...], kwargs: Mapping[str, Any], timeout: float) -> _End | None:
    """Call the function in a thread of its own, which has no event loop and may hang; None: it does."""
    ends: list[_End] = []

    def call() -> None:
        function = execution.definition.function
        try:
            if execution.definition.is_async:
                ends.append(_End(value=asyncio.run(_call_async(execution, args, kwargs))))
            else:
                current.set(Frame(execution=execution, branch="", runner=runner_here()))
                ends.append(_End(value=function(*args, **kwargs)))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what became of the function
            ends.append(_End(error=error))

    thread = threading.Thread(target=contextvars.Context().run, args=(call,), name="holdfast-dry-run", daemon=True)
    thread.start()
    thread.join(timeout)
    return ends[0] if ends else None


async def _call_async(execution: DryExecution, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    # Tasks that nobody awaits any more, because their siblings came to the journal's end, are no news.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    runner = runner_here()
    current.set(Frame(execution=execution, branch="", runner=runner))
    execution.interruption.allow(runner, "", execution)
    execution.interrupt()
    return await execution.definition.function(*args, **kwargs)


def _judge(finding: Finding, execution: DryExecution, end: _End, record: WorkflowRecord) -> Finding:
    diverged = execution.gone
    if isinstance(diverged, Diverged):
        return _blocked(finding, diverged.mismatch, diverged.where)
    if isinstance(diverged, Unreadable):
        return replace(
            finding,
            verdict=Verdict.UNREADABLE,
            step_id=diverged.step_id,
            found=f"{type(diverged.error).__name__}: {diverged.error}",
            where=diverged.where,
        )
    if execution.frontiers:
        return _judge_frontier(finding, execution)
    try:
        if not isinstance(end.error, (WorkflowCancelled, asyncio.CancelledError)):
            execution.journal.finish()
    except Mismatch as mismatch:
        return _blocked(finding, mismatch, None)
    unasked = tuple(checkpoint.step_id for checkpoint in execution.journal.unasked())
    return _judge_outcome(replace(finding, unasked=unasked), execution, end, record)


def _blocked(finding: Finding, mismatch: Mismatch, where: str | None) -> Finding:
    return replace(
        finding,
        verdict=Verdict.BLOCKED,
        step_id=mismatch.step_id,
        expected=mismatch.expected,
        found=mismatch.found,
        where=where,
    )


def _judge_frontier(finding: Finding, execution: DryExecution) -> Finding:
    """Tell work that is due from work that is new: the branch has more recorded, or the workflow has ended already."""
    frontiers = list(execution.frontiers.values())
    left = [
        (checkpoint, frontier)
        for checkpoint in execution.journal.unasked()
        for frontier in frontiers
        if is_within(checkpoint.branch, frontier.branch) or frontier.stops(checkpoint.branch)
    ]
    frontier = left[0][1] if left else frontiers[0]
    unasked = tuple(dict.fromkeys(checkpoint.step_id for checkpoint, _ in left))
    is_new = bool(unasked) or finding.status.is_terminal
    return replace(
        finding,
        verdict=Verdict.NEW_STEPS if is_new else Verdict.OK,
        step_id=frontier.step_id,
        found=f"would {frontier.what}",
        where=frontier.where,
        unasked=unasked,
    )


def _judge_outcome(finding: Finding, execution: DryExecution, end: _End, record: WorkflowRecord) -> Finding:
    status = _status(end)
    found = f"ends {status}" + (f": {end.error!r}" if end.error is not None else "")
    finding = replace(finding, found=found, where=_raised_at(end.error))
    if record.status.is_terminal:
        if status is not record.status:
            return replace(finding, verdict=Verdict.OTHER_OUTCOME, expected=f"it ended {record.status}")
        if status is Status.SUCCEEDED and not _is_recorded(execution, end.value, record.output):
            return replace(
                finding,
                verdict=Verdict.OTHER_OUTCOME,
                expected=f"it returned {record.output}",
                found=f"returns {end.value!r}",
            )
    elif status is Status.FAILED:
        return replace(finding, verdict=Verdict.FAILED)
    return replace(finding, verdict=Verdict.UNASKED) if finding.unasked else finding


def _status(end: _End) -> Status:
    if end.error is None:
        return Status.SUCCEEDED
    return Status.CANCELLED if isinstance(end.error, (WorkflowCancelled, asyncio.CancelledError)) else Status.FAILED


def _is_recorded(execution: DryExecution, value: Any, output: str | None) -> bool:
    """Compare fingerprints: values need not be comparable, and an encrypting codec writes the same one in many ways."""
    codec, hint = execution.engine.codec, execution.definition.signature.return_hint
    try:
        recorded = None if output is None else codec.decode(output, hint)
        return codec.digest(recorded) == codec.digest(codec.decode(codec.encode(value, hint), hint))
    except PayloadError:
        return False


def _raised_at(error: BaseException | None) -> str | None:
    return None if error is None else user_line(traceback.extract_tb(error.__traceback__))
