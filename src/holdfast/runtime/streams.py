"""Streams: items in order, with offsets, that readers come back to at any place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from holdfast.core.identity import check_text
from holdfast.core.model import Kind, StreamItem
from holdfast.errors import WorkflowNotFound
from holdfast.runtime.context import current, workflow_frame
from holdfast.runtime.effects import Durable, Flow, drive, drive_async
from holdfast.runtime.messages import ride_and_submit
from holdfast.store.writes import Append, Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine

PAGE = 500
END_OF_STREAM = object()


def append(engine: Engine, stream: str, value: object) -> Flow[None]:
    """Append an item: exactly once in workflow code; at least once in a step, where a retried body appends again.

    `END_OF_STREAM` closes the stream.
    """
    check_text("a stream's name", stream)
    frame = current.get()
    if frame is not None and frame.step is not None:
        write_id = f"{frame.step.idempotency_key}:{engine.ids.new()}"
        write = _append(engine, frame.execution.workflow_id, stream, value, write_id)
        yield Durable(engine.committer.submit(Unit(writes=(write,))))
        return
    execution = workflow_frame("write_stream()").execution
    digest = "" if value is END_OF_STREAM else engine.codec.digest(value)
    operation, _ = execution.operation(Kind.STREAM, f"stream:{stream}", digest)
    if execution.begin(operation) is None:
        write = _append(engine, execution.workflow_id, stream, value, operation.step_id)
        ride_and_submit(execution, operation, write, "null")


def _append(engine: Engine, workflow_id: str, stream: str, value: object, write_id: str) -> Append:
    text = None if value is END_OF_STREAM else engine.encode_parcel(value)
    return Append(workflow_id=workflow_id, stream=stream, value=text, write_id=write_id)


def read(engine: Engine, workflow_id: str, stream: str, offset: int, hint: Any) -> Iterator[tuple[int, Any]]:
    """Yield (offset, value) from `offset` on, waiting for more until the stream is closed or the workflow has ended.

    Raises `WorkflowNotFound`.
    """
    while True:
        items = drive(_next_page(engine, workflow_id, stream, offset))
        if items is None:
            return
        for item in items:
            if item.value is None:
                return
            yield item.offset, engine.codec.decode(item.value, hint)
        offset = items[-1].offset + 1


async def read_async(
    engine: Engine, workflow_id: str, stream: str, offset: int, hint: Any
) -> AsyncIterator[tuple[int, Any]]:
    """Yield what `read` yields, in a coroutine."""
    while True:
        items = await drive_async(_next_page(engine, workflow_id, stream, offset))
        if items is None:
            return
        for item in items:
            if item.value is None:
                return
            yield item.offset, engine.codec.decode(item.value, hint)
        offset = items[-1].offset + 1


def _next_page(engine: Engine, workflow_id: str, stream: str, offset: int) -> Flow[list[StreamItem] | None]:
    check_text("a workflow id", workflow_id)
    check_text("a stream's name", stream)

    def look() -> list[StreamItem] | _Ended | None:
        # The status is read first: what it wrote before it ended is then there to be read.
        record = engine.store.get_workflow(workflow_id)
        items = engine.store.stream(workflow_id, stream, offset, PAGE)
        if items:
            return items
        if record is None:
            raise WorkflowNotFound(workflow_id)
        return _Ended() if record.status.is_terminal else None

    found = yield from engine.watch_until(workflow_id, look, None)
    return found if isinstance(found, list) else None


class _Ended:
    """The workflow has ended and there is no more."""
