"""Run one workflow until it ends or leaves memory.

function returns / raises  -> outcome recorded with what still rode along, in one commit
Suspended                  -> recorded as suspended; if what it waits for has come meanwhile: replayed at once
                              (what can be undone is undone before, where it failed or was cancelled)
Halted                     -> set aside as blocked, with a report of what is undone and what is not
Diverged                   -> set aside as blocked, with a report
Released                   -> given back to the queue (shutdown)
Lost                       -> dropped: another worker owns it
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import traceback
from typing import Any

from holdfast import failpoints
from holdfast.core.data import dataclass
from holdfast.core.model import Outcome, Status
from holdfast.core.replay import Mismatch
from holdfast.errors import PayloadError, StoreUnavailable, WorkflowCancelled
from holdfast.runtime.context import Frame, current, runner_here
from holdfast.runtime.control import CodeEnded, Diverged, Halted, Lost, Released, Suspended, Unreadable, Unwind
from holdfast.runtime.effects import Flow, Invoke
from holdfast.runtime.execution import Execution
from holdfast.runtime.undo import Undone, undo
from holdfast.runtime.versions import note_unasked
from holdfast.store.writes import Finish, Release, SetAside, Suspend

log = logging.getLogger("holdfast.workflow")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stay in memory ended. `status` None: it left memory without an outcome."""

    status: Status | None
    value: Any = None
    error: BaseException | None = None


LEFT = Ended(None)


def run(execution: Execution, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Ended]:
    """Run the workflow's function to its end, or until it leaves memory. Raises only what ends the process."""
    engine = execution.engine
    engine.enter(execution)
    try:
        with engine.tracer.workflow(
            workflow_id=execution.workflow_id,
            name=execution.definition.name,
            traceparent=execution.traceparent,
            resumed=execution.resumed,
        ) as span:
            while True:
                ended = yield from _stay(execution, args, kwargs)
                if ended is not None:
                    if ended.error is not None:
                        span.failed(ended.error, attempt=1)
                    return ended
                loaded = yield from _reload(execution)
                if loaded is None:
                    return LEFT
                engine.enter(loaded[0])  # first: it is in memory all the time
                engine.exit(execution)
                execution, args, kwargs = loaded
    finally:
        engine.exit(execution)


def _stay(execution: Execution, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Ended | None]:
    """Call the function once and see to how it leaves memory.

    None: what it was about to wait for has come meanwhile, so it is to be called again, from its journal.
    """
    try:
        try:
            return (yield from _once(execution, args, kwargs))
        except Suspended as suspended:
            return LEFT if (yield from _suspend(execution, suspended)) else None
    except Halted as halted:
        yield from _set_aside(execution, halted.report, str(halted))
    except Diverged as diverged:
        yield from _set_aside(execution, _divergence(execution, diverged), str(diverged))
    except Unreadable as unreadable:
        yield from _set_aside(execution, _unreadable(unreadable), str(unreadable))
    except Lost:
        log.info("workflow %s goes on elsewhere", execution.workflow_id, extra={"action": "workflow_lost"})
    except Released:
        yield from _release(execution)
    except (StoreUnavailable, Suspended):
        # Suspended once more: the application was closed before that could be written.
        _interrupted(execution)
    except Exception as error:  # noqa: BLE001 - a defect here must leave a visible workflow, not a lost one
        yield from _set_aside(execution, _defect(error), repr(error))
    return LEFT


def _reload(execution: Execution) -> Flow[tuple[Execution, tuple[Any, ...], dict[str, Any]] | None]:
    """Rebuild the workflow from its own journal; None if it can't be: it is set aside, or stays for the restart."""
    engine = execution.engine
    try:
        claimed = yield from engine.read(lambda: engine.store.claimed([execution.workflow_id]))
    except StoreUnavailable:
        _interrupted(execution)
        return None
    loaded = engine.load(claimed[0])
    if loaded is not None:
        loaded[0].resumed = True
    return loaded


def _interrupted(execution: Execution) -> None:
    log.warning(
        "workflow %s could not be finished before the shutdown; it goes on after the restart",
        execution.workflow_id,
        extra={"action": "workflow_interrupted"},
    )


def _once(execution: Execution, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Ended]:
    """Call the function once, undo what it did if it failed, and record its outcome. Raises what unwinds it."""
    frame = Frame(execution=execution, branch="", runner=runner_here())
    token = current.set(frame)
    try:
        ended = yield from _call(execution, frame, args, kwargs)
        return (yield from _finish(execution, ended))
    except asyncio.CancelledError:
        raise execution.leave(Released()) from None
    except (KeyboardInterrupt, SystemExit):
        execution.leave(Released())
        yield from _release(execution)
        raise
    finally:
        current.reset(token)


def _call(execution: Execution, frame: Frame, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Ended]:
    """Call the function and say how it ended. Raises what unwinds the workflow, or ends the task or the process."""
    if not execution.resumed and execution.cancel_due and not len(execution.journal):
        return Ended(Status.CANCELLED, error=WorkflowCancelled(execution.workflow_id))
    interruptible = execution.interruption.allow(frame.runner, frame.branch, execution)
    execution.interrupt()
    try:
        try:
            failpoints.reached("workflow.before", execution.workflow_id)
            value = yield Invoke(execution.definition.function, args, kwargs)
            failpoints.reached("workflow.after", execution.workflow_id)
        finally:
            if interruptible:
                execution.interruption.forbid(frame.runner)
    except CodeEnded:
        # The outcome is recorded already, and it is known by now what is to be undone.
        return Ended(Status.FAILED)
    except (Unwind, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what became of the function
        return _raised(execution, error)
    _check_the_end(execution)
    return Ended(Status.SUCCEEDED, value=value)


def _is_cancelled(execution: Execution, error: BaseException) -> bool:
    """Tell whether an error is nothing but the workflow's cancellation; a group of tasks raises it in one."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_cancelled(execution, each) for each in error.exceptions)
    if isinstance(error, asyncio.CancelledError):
        return execution.cancel_wanted
    return isinstance(error, WorkflowCancelled)


def _raised(execution: Execution, error: BaseException) -> Ended:
    """Say what an exception that the function raises makes of the workflow; raise it if it is none of its outcomes."""
    if isinstance(error, WorkflowCancelled):
        _check_branches(execution)
        return Ended(Status.CANCELLED, error=error)
    if _is_cancelled(execution, error):
        # In a replay it may have been interrupted elsewhere than before.
        _check_the_end(execution)
        cancelled = WorkflowCancelled(execution.workflow_id).with_traceback(error.__traceback__)
        return Ended(Status.CANCELLED, error=cancelled)
    if isinstance(error, asyncio.CancelledError):
        raise error
    if isinstance(error, SystemExit) and threading.current_thread() is threading.main_thread():
        raise error  # in another thread it ends no process: the workflow would run again, at once and for ever
    execution.engine.check_process(execution)
    _check_the_end(execution)
    return Ended(Status.FAILED, error=error)


def _check_the_end(execution: Execution) -> None:
    """Hold the function's end to the journal, and to what unwound it: a framework may have swallowed that."""
    _check_branches(execution)
    try:
        execution.journal.finish()
    except Mismatch as mismatch:
        code = getattr(execution.definition.function, "__code__", None)
        where = f"{code.co_filename}:{code.co_firstlineno}" if code is not None else execution.definition.name
        raise execution.leave(Diverged(mismatch, where)) from None
    note_unasked(execution)


def _check_branches(execution: Execution) -> None:
    """Raise what unwound a branch: it has not cleaned up, and does so when the workflow is replayed."""
    execution.check_here()
    execution.unwinding.check("")


def _finish(execution: Execution, ended: Ended) -> Flow[Ended]:
    ended, write = _outcome(execution, ended)
    if write.status is not Status.SUCCEEDED or execution.undo_begun is not None:
        undone = yield from undo(execution, write)
        if undone is not None:
            ended, write = _after_undoing(execution, ended, undone), undone.finish
    yield from execution.write_last(write)
    failpoints.reached("workflow.ended", execution.workflow_id)
    outcome = Outcome(status=write.status, output=write.output, error=write.error)
    execution.engine.local_outcomes.ended(execution.workflow_id, outcome)
    level = logging.WARNING if ended.status is Status.FAILED else logging.DEBUG
    if log.isEnabledFor(level):
        log.log(
            level,
            "workflow %s (%s) %s%s",
            execution.workflow_id,
            execution.definition.name,
            ended.status,
            f": {ended.error!r}" if ended.status is Status.FAILED else "",
            extra={"action": f"workflow_{ended.status}"},
        )
    return ended


def _outcome(execution: Execution, ended: Ended) -> tuple[Ended, Finish]:
    codec = execution.engine.codec
    if ended.status is Status.SUCCEEDED:
        try:
            output = codec.encode(ended.value, execution.definition.signature.return_hint)
        except PayloadError as error:
            refusal = PayloadError(
                f"workflow {execution.workflow_id!r} ({execution.definition.name}): its result can't be recorded "
                f"so that it comes back equal: {error.reason}",
                path=error.path,
                type_name=error.type_name,
            )
            return _outcome(execution, Ended(Status.FAILED, error=refusal))
        return ended, Finish(status=Status.SUCCEEDED, output=output)
    error_text = codec.encode_error(ended.error) if ended.error is not None else None
    return ended, Finish(status=ended.status or Status.FAILED, error=error_text)


def _after_undoing(execution: Execution, ended: Ended, undone: Undone) -> Ended:
    if execution.undo_begun is None and ended.error is not None:
        ended.error.add_note(undone.note)
        return ended
    text = undone.finish.error
    return Ended(undone.finish.status, error=execution.engine.codec.decode_error(text) if text is not None else None)


def _suspend(execution: Execution, suspended: Suspended) -> Flow[bool]:
    # Branches that still hold on to the stack must not write any more.
    execution.leave(suspended)
    failpoints.reached("suspend.before", execution.workflow_id)
    asleep = Suspend(wake_at=suspended.wake_at, waits=suspended.waits, cancel_heard=execution.cancel_heard)
    (accepted,) = yield from execution.write(asleep)
    failpoints.reached("suspend.after", execution.workflow_id)
    if accepted and suspended.wake_at is not None:
        execution.engine.on_timer(suspended.wake_at)
    return bool(accepted)


def _release(execution: Execution) -> Flow[None]:
    try:
        yield from execution.write(Release())
    except Unwind:
        return


def _divergence(execution: Execution, diverged: Diverged) -> dict[str, str]:
    return {
        "reason": "non-determinism",
        "step": diverged.mismatch.step_id,
        "recorded": diverged.mismatch.expected,
        "asked for": diverged.mismatch.found,
        "at": diverged.where,
        "version": execution.definition.version,
        "way out": "make the code ask for what was recorded, in that order, or give a changed workflow another "
        "version; then resume the workflow: its journal is kept",
    }


def _unreadable(unreadable: Unreadable) -> dict[str, str]:
    return {
        "reason": "a recorded outcome can't be read",
        "step": unreadable.step_id,
        "error": f"{type(unreadable.error).__name__}: {unreadable.error}",
        "at": unreadable.where,
        "way out": "mend the code, the registration or the payload codec that the error names, then resume the "
        "workflow; or fork it from before this step: its journal is kept",
    }


def _defect(error: Exception) -> dict[str, str]:
    return {
        "reason": "an error inside Holdfast",
        "error": "".join(traceback.format_exception(error)),
        "way out": "report it; the journal is kept, and the workflow can be resumed",
    }


def _set_aside(execution: Execution, report: dict[str, str], in_short: str) -> Flow[None]:
    log.error(
        "workflow %s (%s) is blocked: %s",
        execution.workflow_id,
        execution.definition.name,
        in_short,
        extra={"action": "workflow_blocked"},
    )
    try:
        yield from execution.write(SetAside(status=Status.BLOCKED, report=json.dumps(report)))
    except Unwind:
        return
