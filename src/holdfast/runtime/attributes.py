"""Attributes: what a workflow says of itself, to be found by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from holdfast.core.management import attribute_text
from holdfast.core.model import AttributeValue, Kind
from holdfast.errors import UsageError
from holdfast.runtime.context import current, workflow_frame
from holdfast.runtime.effects import Durable, Flow
from holdfast.runtime.messages import ride_and_submit
from holdfast.store.management_writes import SetAttributes
from holdfast.store.writes import Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine


def set_attributes(engine: Engine, values: Mapping[str, AttributeValue | None]) -> Flow[None]:
    """Set attributes of the running workflow, exactly once per call; in a step, at least once. Raises `UsageError`."""
    if not values:
        raise UsageError("set_attributes() needs at least one attribute: set_attributes(customer=42)")
    texts = {name: None if value is None else attribute_text(name, value) for name, value in values.items()}
    frame = current.get()
    if frame is not None and frame.step is not None:
        write = SetAttributes(
            workflow_id=frame.execution.workflow_id,
            values=tuple(texts.items()),
            write_id=engine.step_scoped_id(frame, "attributes"),
        )
        yield Durable(engine.committer.submit(Unit(writes=(write,))))
        return
    execution = workflow_frame("set_attributes()").execution
    operation, _ = execution.operation(Kind.ATTRIBUTES, "set_attributes", engine.codec.digest(texts))
    if execution.begin(operation) is None:
        write = SetAttributes(
            workflow_id=execution.workflow_id, values=tuple(texts.items()), write_id=operation.step_id
        )
        ride_and_submit(execution, operation, write, json.dumps(texts))
