"""Steps: a body that runs until its outcome is recorded, and never again after that."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from holdfast import failpoints
from holdfast.core.data import dataclass
from holdfast.core.model import Kind
from holdfast.core.replay import Operation
from holdfast.errors import PayloadError, StepOutcomeUnknown
from holdfast.runtime.context import Frame, StepInfo, current
from holdfast.runtime.definitions import StepDefinition
from holdfast.runtime.effects import Await, Flow, Invoke
from holdfast.runtime.execution import Execution
from holdfast.runtime.recorded import encoded
from holdfast.runtime.tracing import Span


def run_step(
    execution: Execution, definition: StepDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Flow[Any]:
    """Give the step's recorded outcome, or run it: barrier, body, attempts, record.

    Raises what the body raised in its last attempt; `StepOutcomeUnknown` for an interrupted at-most-once step without
    a check function; `PayloadError`, recorded as the outcome, if the result can't be recorded.
    """
    compared = args[1:] if definition.is_method else args
    digest = execution.engine.codec.digest(compared, kwargs)
    operation, frame = execution.operation(Kind.STEP, definition.name, digest, _key(definition, args, kwargs))
    recorded = execution.begin(operation)
    if recorded is not None:
        execution.undo.add_step(definition, recorded, args, kwargs)
        return execution.value(recorded, definition.signature.return_hint)
    call = _Call(
        execution=execution,
        definition=definition,
        operation=operation,
        frame=frame,
        args=args,
        kwargs=kwargs,
        started_at=execution.engine.clock.now(),
    )
    interrupted = definition.options.at_most_once and call.declare_intent()
    if (yield from execution.barrier()) and not definition.options.at_most_once:
        # Not behind a recorded intent, which says that the body may have run.
        execution.check_cancel(operation)
    execution.step_begins(can_be_undone=definition.can_be_undone)
    try:
        return (yield from (call.find_out() if interrupted else call.attempts()))
    finally:
        execution.step_ends()


def _key(definition: StepDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    key = definition.options.key
    return key(*args, **kwargs) if callable(key) else key


@dataclass(kw_only=True, slots=True)
class _Call:
    """One step of one workflow, on its way to an outcome."""

    execution: Execution
    definition: StepDefinition
    operation: Operation
    frame: Frame
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    started_at: float
    failures: tuple[str, ...] = ()

    def declare_intent(self) -> bool:
        """Record that the body is about to run; tell whether an earlier attempt said so already."""
        intent = Operation(
            step_id=f"{self.operation.step_id}:intent",
            branch=self.operation.branch,
            name=self.operation.name,
            kind=Kind.INTENT,
        )
        if self.execution.journal.find(intent.step_id) is not None:
            return True
        self.execution.record(intent)
        return False

    def find_out(self) -> Flow[Any]:
        """Settle an interrupted at-most-once step through its check function."""
        check = self.definition.options.check
        if check is None:
            error = StepOutcomeUnknown(self.execution.workflow_id, self.operation.step_id)
            self._record_error(error, 1)
            raise error
        try:
            value = yield from self._body(check, attempt=1)
        except Exception as error:
            self.execution.engine.check_process(self.execution)
            self._record_error(error, 1)
            raise
        return self._record_value(value, 1)

    def attempts(self) -> Flow[Any]:
        """Run the body until it returns or the policy gives up."""
        engine = self.execution.engine
        attempt = 0
        with engine.tracer.operation(
            kind="step",
            name=self.definition.name,
            workflow_id=self.execution.workflow_id,
            step_id=self.operation.step_id,
        ) as span:
            while True:
                attempt += 1
                try:
                    value = yield from self._body(self.definition.function, attempt)
                    return self._record_value(value, attempt)
                except PayloadError as error:
                    self._record_error(error, attempt)
                    raise
                except Exception as error:
                    delay = self._after_failure(error, attempt, span)
                    if delay is None:
                        raise
                yield from self._pause(delay)

    def _after_failure(self, error: Exception, attempt: int, span: Span) -> float | None:
        """Return the pause before the next attempt, or record the error as the outcome and return None."""
        failpoints.reached("step.failed")
        execution = self.execution
        execution.engine.check_process(execution)
        span.failed(error, attempt=attempt)
        execution.check_still_asked(self.operation)
        delay = self.definition.options.policy.delay(attempt, error, execution.engine.ids.chance())
        if delay is None:
            self._record_error(error, attempt)
        else:
            self.failures = (*self.failures, execution.engine.codec.encode_error(error))
        return delay

    def _pause(self, delay: float) -> Flow[None]:
        clock = self.execution.engine.clock
        until = clock.monotonic() + delay
        self.execution.pauses.append(until)
        try:
            while (left := until - clock.monotonic()) > 0:
                self.execution.signal.clear()
                self.execution.check_still_asked(self.operation)
                self.execution.check_cancel(self.operation)
                with self.execution.hearing(self.operation):
                    yield Await(self.execution.signal, left)
        finally:
            self.execution.pauses.remove(until)

    def _body(self, function: Any, attempt: int) -> Flow[Any]:
        info = StepInfo(
            workflow_id=self.execution.workflow_id,
            name=self.definition.name,
            attempt=attempt,
            idempotency_key=f"{self.execution.workflow_id}:{self.operation.step_id}",
        )
        runner = self.frame.runner
        inside = Frame(execution=self.execution, branch=self.frame.branch, runner=runner, step=info)
        token = current.set(inside)
        timeout, step_id = self.definition.options.timeout, self.operation.step_id
        interruptible = self.execution.interruption.allow(runner, inside.branch, self.execution)
        try:
            failpoints.reached("step.before", info)
            value = yield Invoke(function, self.args, self.kwargs, timeout=timeout, what=step_id)
            failpoints.reached("step.after", info)
            return value
        except asyncio.CancelledError:
            self.execution.check_cancel(self.operation)
            raise
        finally:
            if interruptible:
                self.execution.interruption.forbid(runner)
            current.reset(token)

    def _record_value(self, value: Any, attempt: int) -> Any:
        output = encoded(self.execution, self.operation, value, self.definition.signature.return_hint)
        recorded = self.execution.record(self.operation, output=output, **self._attempts(attempt))
        self.execution.undo.add_step(self.definition, recorded, self.args, self.kwargs)
        return value

    def _record_error(self, error: Exception, attempt: int) -> None:
        text = self.execution.engine.codec.encode_error(error)
        self.execution.record(self.operation, error=text, **self._attempts(attempt))

    def _attempts(self, attempt: int) -> dict[str, Any]:
        failures = json.dumps(self.failures) if self.failures else None
        return {"attempts": attempt, "attempt_errors": failures, "started_at": self.started_at}
