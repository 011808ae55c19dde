"""What a person is asked to look at: details as rows of text, and the digest that binds a decision to them.

The rows are made once, when the workflow asks, and recorded; every mail and page renders the recorded ones. So what
a value looks like is decided here, by code, never by whoever wrote the value.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from holdfast.core.model import Approval
from holdfast.errors import UsageError

Row = tuple[str, str]
"""A label and its value, both as the person reads them."""


def rows_of(details: object) -> tuple[Row, ...]:
    """Turn details into rows: a mapping, pairs of label and value, a dataclass or a pydantic model.

    Raises `UsageError` for a value that has no certain text, naming its label.
    """
    return tuple((_label(label), _text(value, str(label))) for label, value in _pairs(details))


def recorded_rows(details: str) -> tuple[Row, ...]:
    """Read rows back from the record."""
    return tuple((str(label), str(value)) for label, value in json.loads(details))


def record_of(rows: Sequence[Row]) -> str:
    """Write rows for the record, in pure ASCII: what models write may hold anything."""
    return json.dumps(rows)


def digest_of(*, approval_id: str, workflow_id: str, subject: str, rows: Sequence[Row]) -> str:
    """Return the SHA-256 of exactly what is shown, and of who asks."""
    shown = {"approval": approval_id, "workflow": workflow_id, "subject": subject, "details": rows}
    canonical = json.dumps(shown, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def is_intact(approval: Approval) -> bool:
    """Tell whether the record still holds what its digest was made of."""
    try:
        rows = recorded_rows(approval.details)
    except (ValueError, TypeError):
        return False
    digest = digest_of(
        approval_id=approval.approval_id, workflow_id=approval.workflow_id, subject=approval.subject, rows=rows
    )
    return hmac.compare_digest(digest, approval.digest)


def _pairs(details: Any) -> Iterable[tuple[object, object]]:
    fields = _fields(details)
    if fields is not None:
        return [(name.replace("_", " ").capitalize(), value) for name, value in fields.items()]
    if isinstance(details, Mapping):
        return details.items()
    if not isinstance(details, Iterable) or isinstance(details, str | bytes):
        raise UsageError(
            "the details of an approval are a mapping, pairs of label and value, a dataclass or a pydantic model, "
            f"not {type(details).__name__}"
        )
    return [_pair(member) for member in details]


def _pair(member: object) -> tuple[object, object]:
    match member:
        case [label, value] if not isinstance(member, str):
            return label, value
    raise UsageError(f"the details of an approval, given one by one, are pairs of label and value, not {member!r}")


def _label(label: object) -> str:
    if not isinstance(label, str) or not label.strip():
        raise UsageError(f"each detail of an approval needs a label of text, not {label!r}")
    return label


def _fields(value: Any) -> dict[str, Any] | None:
    """Return the fields of a dataclass or pydantic model."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    model_fields = getattr(type(value), "model_fields", None)
    if isinstance(model_fields, Mapping):
        return {name: getattr(value, name) for name in model_fields}
    return None


def _text(value: object, label: str) -> str:
    plain = _plain(value, label)
    if plain is None:
        return "none"
    if isinstance(plain, bool):
        return "yes" if plain else "no"
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, indent=2, ensure_ascii=False)


def _plain(value: Any, label: str) -> Any:
    """Return the value as JSON knows it, everything that is written in one line as text."""
    if isinstance(value, Enum):
        return _plain(value.value, label)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, Decimal | UUID | timedelta):
        return str(value)
    fields = _fields(value)
    if fields is not None:
        value = fields
    if isinstance(value, Mapping):
        return {str(key): _plain(member, label) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, label) for member in value]
    raise UsageError(
        f"the detail {label!r} of an approval holds a {type(value).__name__}, which has no certain text: "
        "give the text that the person is to read"
    )
