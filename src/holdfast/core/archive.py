"""All that is recorded for one workflow, as it is copied by forks and moved by exports; and its JSON form.

Pure. Payloads stay the texts that the codec made, so that an encrypted one is moved as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, TypeVar

from holdfast.core.data import dataclass
from holdfast.core.management import Lineage
from holdfast.core.model import Checkpoint, Kind, Status, WorkflowRecord
from holdfast.errors import UsageError

FORMAT, FORMAT_VERSION = "holdfast workflows", 1
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredMessage:
    """A message in a workflow's mailbox."""

    message_id: str
    topic: str
    body: str
    sent_at: float
    sender_id: str | None
    consumed_by: str | None
    """The step that received it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEvent:
    """An event as it was set last."""

    name: str
    value: str
    write_id: str
    version: int
    set_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredItem:
    """An item of a stream; `value` None marks its end."""

    stream: str
    offset: int
    value: str | None
    write_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What belongs to a workflow beside its record."""

    journal: tuple[Checkpoint, ...] = ()
    messages: tuple[StoredMessage, ...] = ()
    """By topic, in the order of sending."""
    events: tuple[StoredEvent, ...] = ()
    event_writes: tuple[str, ...] = ()
    stream_items: tuple[StoredItem, ...] = ()
    """By stream, in order."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Names and values as they are stored, by name."""
    lineage: Lineage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """A workflow with all that is recorded for it."""

    record: WorkflowRecord
    contents: Contents

    @property
    def comparable(self) -> tuple[WorkflowRecord, Contents]:
        """What two copies of one workflow have in common: not who runs it, nor why one of them was set aside."""
        record = replace(self.record, epoch=0, owner=None, wake_at=None, crashes=0, cancel_at=None, report=None)
        if not record.status.is_terminal:
            record = replace(record, status=Status.BLOCKED)
        return record, self.contents


def dump(archives: Iterable[Archive]) -> str:
    """Write archives as JSON text in pure ASCII."""
    documents = [{"workflow": asdict(each.record), **asdict(each.contents)} for each in archives]
    return json.dumps({"format": FORMAT, "version": FORMAT_VERSION, "workflows": documents}, indent=1)


def load(text: str) -> list[Archive]:
    """Read what `dump` wrote. Raises `UsageError` for anything else."""
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise UsageError(f"this is no export of workflows: its format is {document['format']!r}")
        if document["version"] != FORMAT_VERSION:
            raise UsageError(
                f"the export has format version {document['version']!r}, this version of Holdfast reads "
                f"{FORMAT_VERSION}: use the version that wrote it, or a newer one"
            )
        return [_archive(each) for each in document["workflows"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"this is no export of workflows, or a damaged one: {error!r}") from error


def _archive(document: dict[str, Any]) -> Archive:
    record = dict(document["workflow"])
    record["status"] = Status(record["status"])
    lineage = document["lineage"]
    return Archive(
        record=_built(WorkflowRecord, record),
        contents=Contents(
            journal=tuple(_built(Checkpoint, {**each, "kind": Kind(each["kind"])}) for each in document["journal"]),
            messages=_all(StoredMessage, document["messages"]),
            events=_all(StoredEvent, document["events"]),
            event_writes=tuple(_text(each) for each in document["event_writes"]),
            stream_items=_all(StoredItem, document["stream_items"]),
            attributes=tuple((_text(name), _text(value)) for name, value in document["attributes"]),
            lineage=None if lineage is None else _built(Lineage, lineage),
        ),
    )


def _all(kind: type[T], documents: Sequence[dict[str, Any]]) -> tuple[T, ...]:
    return tuple(_built(kind, each) for each in documents)


def _built(kind: type[T], values: dict[str, Any]) -> T:
    """Build a record, each value of which is a text, number or None, as its fields say."""
    known: Any = kind
    for field in fields(known):
        value = values.get(field.name)
        hint = str(field.type)
        if value is None and ("None" in hint or field.name not in values):
            continue
        wanted = (int, float) if "float" in hint else int if "int" in hint else str
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise TypeError(f"{kind.__name__}.{field.name} can't be {value!r}")
    return kind(**values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
