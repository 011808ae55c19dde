"""Queues: `queues list`, `pause`, `resume`. They are declared by code."""

from __future__ import annotations

from typing import Any

import click

from holdfast.cli.database import reading, url_option, writing_to
from holdfast.cli.exits import CommandFailed, Exit
from holdfast.cli.output import cell, duration, json_option, print_json, say, show, table
from holdfast.core.queues import Queue, QueueState, Rate
from holdfast.errors import ConfigurationError
from holdfast.runtime.effects import drive


@click.group("queues")
def queues() -> None:
    """Look at queues, pause and resume them."""


@queues.command("list")
@json_option
@url_option
def list_queues(url: str, *, as_json: bool) -> None:
    """List all queues by name: how many wait and run, for how long the oldest waits, and the limits."""
    with reading(url) as store:
        found = store.queues()
    if as_json:
        print_json({"queues": [_document(state) for state in found]})
    elif not found:
        say("there are no queues: an application declares them, Holdfast(url, queues=[Queue(…)])")
    else:
        columns = ("name", "waiting", "delayed", "running", "suspended", "oldest", "limits")
        show(table(*columns, rows=[_row(state) for state in found], wrap=("name", "limits")))


def _row(state: QueueState) -> tuple[Any, ...]:
    name = cell(state.queue.name)
    if state.paused:
        name.append("  paused", style="yellow")
    oldest = "" if state.oldest_age is None else duration(max(state.oldest_age, 0.0))
    counts = (state.depth - state.delayed, state.delayed, state.running, state.suspended)
    return name, *(str(each) for each in counts), oldest, ", ".join(_limits(state.queue)) or "none"


def _limits(queue: Queue) -> list[str]:
    said = (
        ("at once", queue.concurrency),
        ("at once in a worker", queue.worker_concurrency),
        ("", queue.rate),
        ("at once in a partition", queue.partition_concurrency),
        ("in a partition", queue.partition_rate),
    )
    words = [f"{_rate(limit) if isinstance(limit, Rate) else limit} {what}".strip() for what, limit in said if limit]
    return [*words, "held while suspended"] if queue.hold_while_suspended else words


def _rate(rate: Rate) -> str:
    return f"{rate.limit} in {duration(rate.seconds)}"


def _document(state: QueueState) -> dict[str, Any]:
    queue = state.queue
    rates = {
        name: None if rate is None else {"limit": rate.limit, "seconds": rate.seconds}
        for name, rate in (("rate", queue.rate), ("partition_rate", queue.partition_rate))
    }
    return {
        "name": queue.name,
        "paused": state.paused,
        "depth": state.depth,
        "delayed": state.delayed,
        "running": state.running,
        "suspended": state.suspended,
        "oldest_age": state.oldest_age,
        "limits": {
            "concurrency": queue.concurrency,
            "worker_concurrency": queue.worker_concurrency,
            "partition_concurrency": queue.partition_concurrency,
            **rates,
            "hold_while_suspended": queue.hold_while_suspended,
        },
    }


@queues.command("pause")
@click.argument("name")
@json_option
@url_option
def pause_queue(url: str, name: str, *, as_json: bool) -> None:
    """Start no more workflows from a queue, on no worker; those that have begun go on."""
    _set(url, name, paused=True, as_json=as_json)


@queues.command("resume")
@click.argument("name")
@json_option
@url_option
def resume_queue(url: str, name: str, *, as_json: bool) -> None:
    """Start workflows from a paused queue again."""
    _set(url, name, paused=False, as_json=as_json)


def _set(url: str, name: str, *, paused: bool, as_json: bool) -> None:
    with writing_to(url) as engine:
        try:
            drive(engine.queues.pause(name, paused=paused))
        except ConfigurationError:
            known = ", ".join(engine.store.queue_names()) or "none"
            raise CommandFailed(
                f"there is no queue {name!r} in this database; known: {known}", Exit.NOT_FOUND
            ) from None
    if as_json:
        print_json({"name": name, "paused": paused})
    else:
        say(f"queue {name} is {'paused' if paused else 'open'}")
