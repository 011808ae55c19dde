"""Which workflows: the same options for `list` and for what changes many at once."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from holdfast.core.model import AttributeValue, Status, WorkflowFilter

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FIELDS = (
    "name", "queue", "id_prefix", "parent_id", "forked_from", "created_after", "created_before", "finished_after",
    "finished_before", "error",
)  # fmt: skip


def moment(text: str) -> float:
    """Read a time: ISO 8601, in this machine's zone unless it names one, or how long ago. In seconds since the epoch.

    Raises `click.BadParameter`.
    """
    if text[:-1].isdecimal() and text[-1:] in _UNITS:
        return time.time() - float(text[:-1]) * _UNITS[text[-1]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither ISO 8601 (2026-01-31T12:00) nor how long ago (90s, 15m, 2h, 7d)"
        ) from None


def age(text: str) -> float:
    """Read a duration such as 90s, 15m, 2h, 7d, or a number of seconds. Raises `click.BadParameter`."""
    unit = _UNITS.get(text[-1:])
    try:
        return float(text if unit is None else text[:-1]) * (unit or 1.0)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no duration: 90s, 15m, 2h, 7d") from None


def filter_options(command: F) -> F:
    """Give a command the options that choose workflows; it gets `where`, a `WorkflowFilter` without its limit."""

    @functools.wraps(command)
    def with_filter(*args: Any, status: tuple[str, ...], attributes: tuple[str, ...], **kwargs: Any) -> Any:
        fields = {name: kwargs.pop(name) for name in _FIELDS}
        where = WorkflowFilter(
            status=tuple(Status(each) for each in status) or None, attributes=_attributes(attributes), **fields
        )
        return command(*args, where=where, **kwargs)

    for option in reversed(_OPTIONS):
        with_filter = option(with_filter)
    return with_filter  # type: ignore[return-value]  # the same command, with more options


_OPTIONS: Sequence[Callable[[Any], Any]] = (
    click.option(
        "--status", multiple=True, type=click.Choice([each.value for each in Status]), help="May be repeated."
    ),
    click.option("--name", help="The workflow function's name."),
    click.option("--queue", help="The queue it was started in."),
    click.option("--id-prefix", metavar="TEXT", help="How the id begins."),
    click.option("--parent", "parent_id", metavar="ID", help="Only the children of this workflow."),
    click.option("--forked-from", metavar="ID", help="Only the forks and retries of this workflow."),
    click.option(
        "--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="What it set itself. May be repeated."
    ),
    click.option("--error", metavar="TEXT", help="Part of its error, or of the reason why it was set aside."),
    click.option(
        "--after",
        "created_after",
        type=moment,
        metavar="TIME",
        help="Created after: ISO 8601, or 15m, 2h, 7d ago.",
    ),
    click.option("--before", "created_before", type=moment, metavar="TIME", help="Created before."),
    click.option("--finished-after", type=moment, metavar="TIME", help="Ended after."),
    click.option("--finished-before", type=moment, metavar="TIME", help="Ended before."),
)


def _attributes(pairs: Sequence[str]) -> dict[str, AttributeValue] | None:
    found: dict[str, AttributeValue] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise click.UsageError(f"--attribute is name=value, not {pair!r}")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if not isinstance(value, str | int | float | bool):
            raise click.UsageError(f"--attribute {name}: a text, a number, true or false")
        found[name] = value
    return found or None


def is_open(where: WorkflowFilter) -> bool:
    """Tell whether a filter leaves nothing out."""
    return where == WorkflowFilter()
