"""Asking for an approval inside a workflow: record, deliver, wait, return what was decided.

What is recorded, in order: the request with its approval (one commit); a step for each recipient; the wait; the
decision as read from the approval's record. A message on the approval's topic only wakes the workflow, so that nothing
that can send a message can decide. Where delivering fails, the wait ends early, and both go around again.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from holdfast.api.describing import step_definition
from holdfast.api.launched import refuse_on_event_loop
from holdfast.approvals.approvals import Approvals
from holdfast.approvals.courier import Courier
from holdfast.approvals.decision import PENDING, Decision
from holdfast.approvals.desk import end_of, topic_of
from holdfast.approvals.details import Row, digest_of, record_of, rows_of
from holdfast.approvals.mail import check_address
from holdfast.approvals.text import breaks_lines
from holdfast.core.identity import check_text
from holdfast.core.model import Approval, AuditEntry, Kind
from holdfast.core.options import Duration, StepOptions, seconds
from holdfast.core.replay import Operation
from holdfast.core.retry import RetryPolicy
from holdfast.errors import ConfigurationError, PayloadError, UsageError, WorkflowCancelled
from holdfast.runtime.context import workflow_frame
from holdfast.runtime.effects import Flow, drive, drive_async
from holdfast.runtime.execution import Execution
from holdfast.runtime.messages import receive
from holdfast.runtime.recorded import encoded
from holdfast.runtime.step import run_step
from holdfast.store.writes import AskApproval, Audit, Record

WEEK = timedelta(days=7)
_LONGEST_PAUSE = 3600.0
_REASON_KEPT = 200


def request_approval(
    subject: str, details: object = (), *, to: str | Sequence[str], timeout: Duration = WEEK
) -> Decision:
    """Ask people for an approval, and wait for the first decision of any of them, for days if need be.

    `subject` is one line. `details` are what the person is to judge: a mapping, pairs of label and value, a dataclass
    or a pydantic model. `to` is one mail address or several: each gets a link of its own. After `timeout` seconds
    without a decision it is `expired`. Cancelling the workflow withdraws the request.

    Raises `UsageError` for what can't be shown or sent, `ConfigurationError` if the application has no `Approvals`.
    """
    refuse_on_event_loop("request_approval()", "await arequest_approval(…)")
    question = _question(subject, details, to, timeout)
    return drive(_request(question, in_thread=False))


async def arequest_approval(
    subject: str, details: object = (), *, to: str | Sequence[str], timeout: Duration = WEEK
) -> Decision:
    """Ask people for an approval, in a coroutine; see `request_approval`."""
    question = _question(subject, details, to, timeout)
    return await drive_async(_request(question, in_thread=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """What the workflow asks."""

    subject: str
    rows: tuple[Row, ...]
    recipients: tuple[str, ...]
    timeout: float


def _question(subject: str, details: object, to: str | Sequence[str], timeout: Duration) -> _Question:
    recipients = tuple(dict.fromkeys([to] if isinstance(to, str) else to))
    if not recipients:
        raise UsageError("request_approval() needs somebody to ask: to=[…]")
    for recipient in recipients:
        check_address(recipient)
    check_text("the subject of an approval", subject)
    if breaks_lines(subject):
        raise UsageError(f"the subject of an approval is one line, without separators or controls: {subject!r}")
    return _Question(subject=subject, rows=rows_of(details), recipients=recipients, timeout=seconds(timeout))


def _request(question: _Question, *, in_thread: bool) -> Flow[Decision]:
    execution = workflow_frame("request_approval()").execution
    asked = _ask(execution, question)
    try:
        return (yield from _Wait(execution, asked, in_thread=in_thread).decision())
    except WorkflowCancelled:
        yield from execution.write(end_of(execution.engine.codec, asked.stub(execution), "cancelled", "cancel"))
        raise


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the journal keeps of a request: all that a replay needs."""

    approval_id: str
    expires_at: float
    recipients: tuple[str, ...]

    def stub(self, execution: Execution) -> Approval:
        """Return as much of the approval as ending it takes."""
        return Approval(
            approval_id=self.approval_id,
            workflow_id=execution.workflow_id,
            subject="",
            details="[]",
            digest="",
            requested_at=self.expires_at,
            expires_at=self.expires_at,
        )


def _ask(execution: Execution, question: _Question) -> Asked:
    """Record the request, or find it in the journal."""
    codec = execution.engine.codec
    digest = codec.digest(question.subject, question.rows, question.recipients)
    operation, _ = execution.operation(Kind.STEP, "request_approval", digest)
    recorded = execution.begin(operation)
    if recorded is not None:
        asked: Asked = execution.value(recorded, Asked)
        return asked
    if Approvals not in execution.engine.extensions:
        raise ConfigurationError(
            "request_approval() needs to know how requests are delivered: make Approvals(app, delivery=…, base_url=…) "
            "before the application is launched"
        )
    approval = _approval(execution, operation, question)
    asked = Asked(approval_id=approval.approval_id, expires_at=approval.expires_at, recipients=approval.recipients)
    output = encoded(execution, operation, asked, Asked)
    # Not waited for: the first delivery is a step, and steps wait until all that came before is durable.
    execution.submit(AskApproval(approval=approval), Record(checkpoint=execution.checkpoint(operation, output=output)))
    return asked


def _approval(execution: Execution, operation: Operation, question: _Question) -> Approval:
    place = f"{execution.workflow_id}\n{operation.step_id}"
    approval_id = hashlib.sha256(place.encode()).hexdigest()[:32]
    details = record_of(question.rows)
    limit = execution.engine.config.max_payload
    if len(details) > limit:
        raise PayloadError(
            f"workflow {execution.workflow_id!r}: the details of its approval take {len(details):,} bytes, more than "
            f"the limit of {limit:,}: nobody reads that much, give what the decision depends on"
        )
    now = execution.engine.clock.now()
    return Approval(
        approval_id=approval_id,
        workflow_id=execution.workflow_id,
        subject=question.subject,
        details=details,
        digest=digest_of(
            approval_id=approval_id,
            workflow_id=execution.workflow_id,
            subject=question.subject,
            rows=question.rows,
        ),
        requested_at=now,
        expires_at=now + question.timeout,
        recipients=question.recipients,
    )


class _Wait:
    """Delivers a request and waits for its decision."""

    def __init__(self, execution: Execution, asked: Asked, *, in_thread: bool) -> None:
        self._execution = execution
        self._asked = asked
        self._topic = topic_of(asked.approval_id)
        self._in_thread = in_thread
        # Missing if the program lost them since it asked: deliveries then fail, and are tried again.
        self._approvals: Approvals | None = execution.engine.extensions.get(Approvals)

    def decision(self) -> Flow[Decision]:
        """Return the decision; nothing here but what is recorded decides which way it goes, so replays go the same."""
        to_reach: Collection[str] = self._asked.recipients
        pause = self._approvals.redeliver_after if self._approvals is not None else _LONGEST_PAUSE
        while True:
            unreached = yield from self._deliver(to_reach)
            to_reach = unreached.keys()
            until = self._next_delivery(pause, unreached) if unreached else self._asked.expires_at
            pause = min(pause * 2, _LONGEST_PAUSE)
            left = max(until - self._execution.engine.clock.now(), 0.0)
            heard = yield from receive(self._topic, left, Any)
            if heard is not None:
                decision = yield from self._read()
                if decision.status != PENDING:
                    return decision
            elif until >= self._asked.expires_at:
                to_reach = ()
                yield from self._expire()

    def _deliver(self, recipients: Collection[str]) -> Flow[dict[str, str]]:
        """Deliver to each, in a step of its own; return those whom it did not reach, and why."""
        unreached = {}
        policy = self._approvals.retry if self._approvals is not None else RetryPolicy()
        courier = Courier(self._execution, self._approvals).deliver
        body = _threaded(courier) if self._in_thread else courier
        step = step_definition(body, StepOptions(name="deliver_approval", policy=policy))
        for recipient in recipients:
            try:
                yield from run_step(self._execution, step, (self._asked.approval_id, recipient), {})
            except Exception as error:  # noqa: BLE001 - recorded; whatever a delivery raises, the next may succeed
                unreached[recipient] = str(error)[:_REASON_KEPT]
        return unreached

    def _next_delivery(self, pause: float, unreached: Mapping[str, str]) -> float:
        """Record when deliveries that failed are tried again, and say in the audit trail that they failed."""
        execution = self._execution
        operation, _ = execution.operation(Kind.STEP, "redeliver_approval_at")
        recorded = execution.begin(operation)
        if recorded is not None:
            return float(execution.value(recorded, float))
        now = execution.engine.clock.now()
        until = min(now + pause, self._asked.expires_at)
        checkpoint = execution.checkpoint(operation, output=encoded(execution, operation, until, float))
        lines = [
            AuditEntry(
                approval_id=self._asked.approval_id,
                at=now,
                event="undelivered",
                actor=recipient,
                detail={"reason": reason},
            )
            for recipient, reason in unreached.items()
        ]
        execution.submit(*(Audit(entry=line) for line in lines), Record(checkpoint=checkpoint))
        return until

    def _expire(self) -> Flow[None]:
        """Decide that nobody decided; if somebody did in the last moment, that stands."""
        execution = self._execution
        operation, _ = execution.operation(Kind.STEP, "expire_approval")
        if execution.begin(operation) is not None:
            return
        end = end_of(execution.engine.codec, self._asked.stub(execution), "expired", "timeout")
        yield from execution.write(end, Record(checkpoint=execution.checkpoint(operation, output="null")))

    def _read(self) -> Flow[Decision]:
        """Read the decision from the approval's record, and keep it in the journal."""
        execution, engine = self._execution, self._execution.engine
        operation, _ = execution.operation(Kind.STEP, "read_decision")
        recorded = execution.begin(operation)
        if recorded is not None:
            decision: Decision = execution.value(recorded, Decision)
            return decision
        approval = yield from engine.read(lambda: engine.store.approval(self._asked.approval_id))
        if approval is None:
            raise PayloadError(f"the record of approval {self._asked.approval_id!r} is gone from the database")
        decision = Decision.of(approval)
        execution.record(operation, output=encoded(execution, operation, decision, Decision))
        return decision


def _threaded(function: Callable[[str, str], None]) -> Callable[[str, str], Any]:
    """Keep a delivery, which blocks, off the event loop."""

    @functools.wraps(function)
    async def threaded(approval_id: str, recipient: str) -> None:
        await asyncio.to_thread(function, approval_id, recipient)

    return threaded
