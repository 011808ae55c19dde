"""Options that choose workflows: the same for lists, counts, and changes to many."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import click

from holdfast.core.model import AttributeValue, Status, WorkflowFilter

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(text: str) -> float | None:
    """Read a duration such as 90s, 15m, 2h or 7d, in seconds; None for anything else."""
    if text[:-1].isdecimal() and text[-1:] in _UNITS:
        return float(text[:-1]) * _UNITS[text[-1]]
    return None


def age(text: str) -> float:
    """Read a duration in seconds. Raises `click.BadParameter`."""
    found = seconds_of(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no duration such as 90s, 15m, 2h or 7d")
    return found


def moment(text: str) -> float:
    """Read a time: ISO 8601, in this machine's zone unless it names one, or how long ago. In seconds since the epoch.

    Raises `click.BadParameter`.
    """
    ago = seconds_of(text)
    if ago is not None:
        return time.time() - ago
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is neither ISO 8601 (2026-01-31T12:00) nor how long ago (90s, 15m, 2h, 7d)"
        ) from None


def cursor(text: str) -> tuple[float, str]:
    """Read where a page begins: what the page before said was next. Raises `click.BadParameter`."""
    seconds, _, workflow_id = text.partition(",")
    try:
        return float(seconds), workflow_id
    except ValueError:
        raise click.BadParameter(f"{text!r} is not what a page said was next") from None


def attribute(text: str) -> tuple[str, AttributeValue]:
    """Read NAME=VALUE; the value is a number, true or false, a text in quotes, or any other text. Raises likewise."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        found = json.loads(value)
    except ValueError:
        return name, value
    return name, found if isinstance(found, str | int | float) else value


_OPTIONS = (
    click.option("--status", multiple=True, type=click.Choice(list(map(str, Status))), help="May be repeated."),
    click.option("--name", help="The workflow function's name."),
    click.option("--queue", help="In this queue."),
    click.option("--id-prefix", metavar="TEXT", help="How the id begins."),
    click.option("--parent", "parent_id", metavar="ID", help="Only the children of this workflow."),
    click.option("--forked-from", metavar="ID", help="Only the forks and retries of this workflow."),
    click.option(
        "--since", "created_after", type=moment, metavar="TIME",
        help="Created after: ISO 8601, or 90s, 15m, 2h, 7d ago.",
    ),
    click.option("--until", "created_before", type=moment, metavar="TIME", help="Created before."),
    click.option("--ended-since", "finished_after", type=moment, metavar="TIME", help="Ended after."),
    click.option("--ended-until", "finished_before", type=moment, metavar="TIME", help="Ended before."),
    click.option(
        "--attribute", "attributes", multiple=True, type=attribute, metavar="NAME=VALUE",
        help="Has set this attribute: a number, true, false or a text. Repeated: all of them.",
    ),
    click.option("--error", metavar="TEXT", help="Part of its error, or of why it was set aside; case does not count."),
)  # fmt: skip


def filter_options(command: F) -> F:
    """Give a command the options that choose workflows; `chosen` reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def is_given(where: Mapping[str, Any]) -> bool:
    """Tell whether any of the options was given."""
    return any(value is not None and value != () for value in where.values())


def chosen(where: Mapping[str, Any]) -> WorkflowFilter:
    """Make the filter that the options ask for."""
    values = dict(where)
    status, attributes = values.pop("status"), values.pop("attributes")
    return WorkflowFilter(
        status=tuple(Status(each) for each in status) or None, attributes=dict(attributes) or None, **values
    )
