"""Messages, events and sleep: what passes between workflows, and between a workflow and time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast import failpoints
from holdfast.core.identity import check_text
from holdfast.core.model import Checkpoint, Kind, MailboxMessage, Message, WaitOn
from holdfast.core.replay import Operation
from holdfast.errors import WorkflowNotFound
from holdfast.runtime.context import current, workflow_frame
from holdfast.runtime.effects import Durable, Flow
from holdfast.runtime.execution import Execution
from holdfast.runtime.mailbox import LookAgain
from holdfast.runtime.recorded import encoded_parcel, received_value
from holdfast.runtime.waiting import Settled, timer, wait_until_settled
from holdfast.store.writes import Consume, PutEvent, Record, Send, Unit, Write

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine


def send(engine: Engine, workflow_id: str, message: object, topic: str, key: str | None) -> Flow[None]:
    """Send a message, once. Raises `WorkflowNotFound`.

    In a workflow the message's id is its place in the journal; in a step it derives from the step's idempotency key; in
    plain code it is made here, before the first try, unless the caller gives a key.
    """
    check_text("a workflow id", workflow_id)
    frame = current.get()
    if frame is not None and frame.step is None:
        yield from _send_recorded(frame.execution, workflow_id, message, topic, key)
        return
    message_id = key or (engine.step_scoped_id(frame, "send") if frame is not None else engine.ids.new())
    body = engine.encode_parcel(message)
    parcel = _parcel(engine, workflow_id, topic, body, key=message_id, sender_id=None)
    receipt = yield Durable(engine.committer.submit(Unit(writes=(Send(message=parcel),))))
    if receipt.results[0] is None:
        raise WorkflowNotFound(workflow_id)


def _send_recorded(execution: Execution, workflow_id: str, message: object, topic: str, key: str | None) -> Flow[None]:
    engine = execution.engine
    operation, _ = execution.operation(Kind.SEND, "send", engine.codec.digest(workflow_id, topic, message))
    recorded = execution.begin(operation)
    if recorded is not None:
        execution.value(recorded, None)
        return
    message_id = key or f"{execution.workflow_id}:{operation.step_id}"
    body = encoded_parcel(execution, operation, message)
    parcel = _parcel(engine, workflow_id, topic, body, key=message_id, sender_id=execution.workflow_id)
    # The id is the same at every replay, so a crash between this commit and the checkpoint sends nothing twice.
    (status,) = yield from execution.write(Send(message=parcel))
    failpoints.reached("message.sent")
    if status is None:
        error = WorkflowNotFound(workflow_id)
        execution.record(operation, error=engine.codec.encode_error(error))
        raise error
    execution.record(operation, output="null")


def _parcel(engine: Engine, workflow_id: str, topic: str, body: str, *, key: str, sender_id: str | None) -> Message:
    return Message(
        workflow_id=workflow_id,
        message_id=check_text("a message key", key),
        topic=check_text("a topic", topic) if topic else "",
        body=body,
        sent_at=engine.clock.now(),
        sender_id=sender_id,
    )


def receive(topic: str, timeout: float | None, hint: Any) -> Flow[Any]:
    """Take the oldest message of a topic, waiting for one; None if the time is up first."""
    frame = workflow_frame("recv()")
    execution = frame.execution
    topic = check_text("a topic", topic) if topic else ""
    operation, frame = execution.operation(Kind.RECEIVE, f"recv:{topic}" if topic else "recv")
    recorded = execution.begin(operation)
    if recorded is not None:
        return received_value(execution, recorded, hint)
    deadline, timer_place = timer(execution, operation, timeout)

    def look(expired: bool) -> Flow[Settled[Checkpoint] | None]:  # noqa: FBT001 - the protocol of `wait_until_settled`
        nonlocal timer_place
        message = yield from _take(execution, topic)
        if message is not None:
            consume = Consume(message_id=message.message_id, step_id=operation.step_id)
            checkpoint = execution.record(operation, consume, output=message.body)
            execution.mailbox.recorded()
            failpoints.reached("message.received")
            return Settled(checkpoint)
        settled = None
        if expired:
            settled = Settled(execution.record(operation))
            failpoints.reached("message.received")
        elif timer_place is not None:
            execution.record(timer_place, output=repr(deadline))
            timer_place = None
        # What came before, and when the wait ends, must survive the wait.
        yield from execution.barrier()
        return settled

    with _traced(execution, operation):
        waits = (WaitOn(workflow_id=execution.workflow_id, kind=Kind.RECEIVE, name=topic),)
        checkpoint = yield from wait_until_settled(execution, operation, frame, look, deadline=deadline, waits=waits)
    return received_value(execution, checkpoint, hint)


def _take(execution: Execution, topic: str) -> Flow[MailboxMessage | None]:
    """Take the oldest message of a topic; None if there is none. That it was received is not recorded yet."""
    engine, mailbox = execution.engine, execution.mailbox
    if mailbox.is_full:
        yield from execution.barrier()
    yield from execution.created()
    while True:
        look = mailbox.look(execution.is_durable)
        found = yield from engine.read(partial(engine.store.mailbox, execution.workflow_id, topic, look.limit))
        try:
            return mailbox.take(look, found)
        except LookAgain:
            continue


def put_event(engine: Engine, name: str, value: object) -> Flow[None]:
    """Publish an event of the running workflow, exactly once per call; in a step, at least once."""
    check_text("an event's name", name)
    frame = current.get()
    if frame is not None and frame.step is not None:
        execution = frame.execution
        event = PutEvent(
            workflow_id=execution.workflow_id,
            name=name,
            value=engine.encode_parcel(value),
            write_id=engine.step_scoped_id(frame, f"event:{name}"),
        )
        yield Durable(engine.committer.submit(Unit(writes=(event,))))
        return
    execution = workflow_frame("set_event()").execution
    operation, _ = execution.operation(Kind.EVENT, f"set_event:{name}", engine.codec.digest(value))
    if execution.begin(operation) is not None:
        return
    text = encoded_parcel(execution, operation, value)
    write = PutEvent(workflow_id=execution.workflow_id, name=name, value=text, write_id=operation.step_id)
    ride_and_submit(execution, operation, write, "null")


def ride_and_submit(execution: Execution, operation: Operation, write: Write, output: str) -> None:
    """Commit a write and its checkpoint together, without waiting: the next barrier covers both."""
    execution.progressed()
    execution.submit(Record(checkpoint=execution.checkpoint(operation, output=output)), write)


def get_event(engine: Engine, workflow_id: str, name: str, timeout: float | None, hint: Any) -> Flow[Any]:
    """Read another workflow's event, waiting until it is set; None if the time is up first."""
    check_text("a workflow id", workflow_id)
    check_text("an event's name", name)
    frame = current.get()
    if frame is None or frame.step is not None:
        return (yield from _get_event_plainly(engine, workflow_id, name, timeout, hint))
    execution = frame.execution
    operation, frame = execution.operation(Kind.GET_EVENT, "get_event", engine.codec.digest(workflow_id, name))
    recorded = execution.begin(operation)
    if recorded is not None:
        return received_value(execution, recorded, hint)
    deadline, timer_place = timer(execution, operation, timeout)
    if timer_place is not None:
        execution.record(timer_place, output=repr(deadline))
    yield from execution.barrier()

    def look(expired: bool) -> Flow[Settled[str | None] | None]:  # noqa: FBT001 - the protocol of `wait_until_settled`
        text: str | None = yield from engine.read(lambda: engine.store.event(workflow_id, name))
        return Settled(text) if text is not None or expired else None

    with _traced(execution, operation):
        waits = (WaitOn(workflow_id=workflow_id, kind=Kind.GET_EVENT, name=name),)
        text = yield from wait_until_settled(execution, operation, frame, look, deadline=deadline, waits=waits)
    execution.record(operation, output=text)
    return received_value(execution, execution.checkpoint(operation, output=text), hint)


def _get_event_plainly(engine: Engine, workflow_id: str, name: str, timeout: float | None, hint: Any) -> Flow[Any]:
    def look() -> str | None:
        return engine.store.event(workflow_id, name)

    text = yield from engine.watch_until(workflow_id, look, timeout)
    return None if text is None else engine.codec.decode(text, hint)


def sleep(duration: float) -> Flow[None]:
    """Let `duration` seconds of database time pass, restarts included."""
    frame = workflow_frame("sleep()")
    execution = frame.execution
    operation, frame = execution.operation(Kind.SLEEP, "sleep")
    recorded = execution.begin(operation)
    if recorded is not None and recorded.output is not None:
        deadline = float(execution.value(recorded, float))
    else:
        deadline = execution.engine.clock.latest() + duration
        # Not waited for: the sleep can't be seen from outside, but its end must survive a crash as soon as may be.
        ride_only = Record(checkpoint=execution.checkpoint(operation, output=repr(deadline)))
        execution.submit(ride_only)

    def look(expired: bool) -> Flow[Settled[None] | None]:  # noqa: FBT001 - the protocol of `wait_until_settled`
        yield from ()
        return Settled(None) if expired else None

    if execution.engine.clock.now() < deadline:
        with _traced(execution, operation):
            yield from wait_until_settled(execution, operation, frame, look, deadline=deadline, waits=())


def _traced(execution: Execution, operation: Operation) -> Any:
    return execution.engine.tracer.operation(
        kind=operation.kind.value, name=operation.name, workflow_id=execution.workflow_id, step_id=operation.step_id
    )
