"""Writing and reading what is recorded, and what becomes of a workflow whose records can't be read."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from holdfast.core.model import Checkpoint
from holdfast.core.replay import Operation
from holdfast.errors import PayloadError
from holdfast.runtime.control import Unreadable

if TYPE_CHECKING:
    from holdfast.runtime.execution import Execution

_PACKAGE = __file__.rpartition("runtime")[0]


def encoded(execution: Execution, operation: Operation, value: object, hint: Any) -> str:
    """Encode a value for the journal. Raises `PayloadError` that names workflow and step."""
    try:
        return execution.engine.codec.encode(value, hint)
    except PayloadError as error:
        raise _refusal(execution, operation, error) from error


def encoded_parcel(execution: Execution, operation: Operation, value: object) -> str:
    """Encode what is handed to others. Raises `PayloadError` that names workflow and step."""
    try:
        return execution.engine.encode_parcel(value)
    except PayloadError as error:
        raise _refusal(execution, operation, error) from error


def _refusal(execution: Execution, operation: Operation, error: PayloadError) -> PayloadError:
    return PayloadError(
        f"workflow {execution.workflow_id!r}, {operation.kind} {operation.step_id!r}: its value can't be recorded "
        f"so that it comes back equal: {error.reason}",
        path=error.path,
        type_name=error.type_name,
    )


def recorded_value(execution: Execution, recorded: Checkpoint, hint: Any) -> Any:
    """Return what was recorded, or raise it.

    Where that can't be read, because a class is gone, the row was damaged or a payload codec lacks its key, the
    workflow is set aside: it goes on once that is mended.
    """
    codec = execution.engine.codec
    try:
        error = None if recorded.error is None else codec.decode_error(recorded.error)
        value = None if recorded.output is None else codec.decode(recorded.output, hint)
    except Exception as unreadable:
        where = user_line(traceback.extract_stack())
        raise execution.leave(Unreadable(recorded.step_id, unreadable, where)) from unreadable
    if error is not None:
        raise error
    return value


def received_value(execution: Execution, recorded: Checkpoint, hint: Any) -> Any:
    """Return what was received from elsewhere. Raises `PayloadError` if it is not what the code expects.

    The code was told so when it came, and is told so again.
    """
    if recorded.output is None:
        return None
    try:
        return execution.engine.codec.decode(recorded.output, hint)
    except PayloadError:
        raise
    except Exception:  # noqa: BLE001 - a payload codec may raise anything
        return recorded_value(execution, recorded, hint)


def user_line(stack: traceback.StackSummary) -> str:
    """Name the nearest line outside this package in a stack, as `file:line: text`."""
    for entry in reversed(stack):
        if not entry.filename.startswith(_PACKAGE) and "/contextlib.py" not in entry.filename:
            return f"{entry.filename}:{entry.lineno}: {entry.line or ''}".rstrip(": ")
    return "unknown place"
