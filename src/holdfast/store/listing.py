"""How a list of workflows is asked for: which of the two queries, and its values. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from holdfast.core.management import attribute_text
from holdfast.core.model import Status, WorkflowFilter

_INFINITY = float("inf")
_ENDS = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
_ASIDE = (Status.BLOCKED, Status.DEAD)
_HAVE_ERRORS = frozenset({Status.FAILED, Status.CANCELLED, *_ASIDE})
_FEW = frozenset({*_HAVE_ERRORS, Status.RUNNING, Status.ENQUEUED})
"""Statuses of which few workflows are expected beside those that succeeded or wait, and which an index finds."""
_LAST = 0x10FFFF
_BEFORE_SURROGATES, _AFTER_SURROGATES = 0xD7FF, 0xE000

Texts = Callable[[Iterable[str]], Any]
"""Binds many texts as one value."""


def listing(where: WorkflowFilter, texts: Texts) -> tuple[str, dict[str, Any]]:
    """Choose the query for a filter and make its values. Raises `UsageError` for an attribute that can't be one."""
    statuses = _statuses(where)
    pairs = [(name, attribute_text(name, value)) for name, value in sorted((where.attributes or {}).items())]
    before_at, before_id = where.before or (None, None)
    values: dict[str, Any] = {
        "upper": min(_INFINITY if at is None else at for at in (before_at, where.created_before)),
        "before_at": before_at,
        "before_id": before_id,
        "created_after": where.created_after,
        "created_before": where.created_before,
        "finished_after": where.finished_after,
        "finished_before": where.finished_before,
        "statuses": None if statuses is None else texts(status.value for status in statuses),
        "name": where.name,
        "queue": where.queue,
        "parent_id": where.parent_id,
        "id_prefix": where.id_prefix,
        "error": None if where.error is None else needle(where.error),
        "forked_from": where.forked_from,
        "attributes": texts(f"{name}\n{value}" for name, value in pairs) if pairs else None,
        "limit": where.limit,
    }
    source = _source(where, statuses, pairs)
    if source is None:
        return "list_workflows", values
    source["by_ends"] = texts(source.get("by_ends", ()))
    return "list_selected", {**values, **_NOTHING, **source}


_NOTHING: dict[str, Any] = {
    "by_parent": None,
    "by_origin": None,
    "by_attribute": None,
    "by_value": None,
    "by_report": False,
    "by_running": False,
    "by_enqueued": False,
    "by_prefix": None,
    "by_prefix_end": None,
}


def _statuses(where: WorkflowFilter) -> tuple[Status, ...] | None:
    """Return the statuses that can match: an error leaves few."""
    if where.error is None:
        return where.status
    asked = Status if where.status is None else where.status
    return tuple(status for status in asked if status in _HAVE_ERRORS)


def _source(
    where: WorkflowFilter, statuses: tuple[Status, ...] | None, pairs: list[tuple[str, str]]
) -> dict[str, Any] | None:
    """Return where the candidates come from, or None: along the time of creation."""
    if where.parent_id is not None:
        return {"by_parent": where.parent_id}
    if where.forked_from is not None:
        return {"by_origin": where.forked_from}
    if pairs:
        return {"by_attribute": pairs[0][0], "by_value": pairs[0][1]}
    is_timed = where.finished_after is not None or where.finished_before is not None
    if is_timed or (statuses is not None and _FEW.issuperset(statuses)):
        wanted = _ENDS if statuses is None else statuses
        return {
            "by_ends": [status.value for status in wanted if status in _ENDS],
            "by_report": not is_timed and any(status in _ASIDE for status in wanted),
            "by_running": not is_timed and Status.RUNNING in wanted,
            "by_enqueued": not is_timed and Status.ENQUEUED in wanted,
        }
    if where.id_prefix and (end := prefix_end(where.id_prefix)) is not None:
        return {"by_prefix": where.id_prefix, "by_prefix_end": end}
    return None


def prefix_end(prefix: str) -> str | None:
    """Return the first text after all that begin with the prefix, in the order of code points; None: there is none."""
    for place in reversed(range(len(prefix))):
        last = ord(prefix[place])
        if last < _LAST:
            following = _AFTER_SURROGATES if last == _BEFORE_SURROGATES else last + 1
            return prefix[:place] + chr(following)
    return None


def needle(text: str) -> str:
    """Return how a part of a message stands in the JSON text of an error, in lower case."""
    return json.dumps(text)[1:-1].lower()
