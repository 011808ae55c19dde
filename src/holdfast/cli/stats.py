"""Counting workflows: `stats`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import click

from holdfast.cli.database import managing, url_option
from holdfast.cli.filters import chosen, filter_options, is_given
from holdfast.cli.output import cell, duration, iso, json_option, print_json, say, show, status_cell, table
from holdfast.core.management import WorkflowCount
from holdfast.runtime.looking import Aspect

_ASPECTS = ("status", "name", "queue")


@click.command("stats")
@click.option(
    "--by", multiple=True, type=click.Choice(_ASPECTS), help="Count by this; may be repeated. Without it: by status."
)
@filter_options
@json_option
@url_option
def stats_command(url: str, *, by: Sequence[str], as_json: bool, **where: Any) -> None:
    """Count workflows by status, name or queue, all of them or those that filters choose.

    Each count comes with the age of the oldest workflow that has no outcome yet.
    """
    aspects = tuple(dict.fromkeys(by)) or ("status",)
    with managing(url) as admin:
        counts = admin.count(*cast(tuple[Aspect, ...], aspects), where=chosen(where) if is_given(where) else None)
        now = admin.engine.store.now()
    if as_json:
        print_json(
            {"counts": [_document(each, aspects) for each in counts], "total": sum(each.count for each in counts)}
        )
    elif not counts:
        say("no workflows match")
    else:
        rows = [
            (
                *(_aspect(each, aspect) for aspect in aspects),
                str(each.count),
                "" if each.oldest_at is None else duration(max(now - each.oldest_at, 0.0)),
            )
            for each in counts
        ]
        show(table(*aspects, "count", "oldest unfinished", rows=rows, wrap=("name", "queue")))


def _aspect(count: WorkflowCount, aspect: str) -> Any:
    value = getattr(count, aspect)
    if aspect == "status":
        return status_cell(value.value)
    return cell(value) if value is not None else cell("none", style="dim")


def _document(count: WorkflowCount, aspects: Sequence[str]) -> dict[str, Any]:
    values = {aspect: getattr(count, aspect) for aspect in aspects}
    return {**values, "count": count.count, "oldest_at": iso(count.oldest_at)}
