"""Queues: `queues list`, `pause`, `resume`. They are declared by code."""

from __future__ import annotations

from typing import Any

import click

from holdfast.cli.database import reading, url_option, writing_to
from holdfast.cli.output import cell, duration, json_option, print_json, say, show, table
from holdfast.core.queues import Queue, QueueState, Rate
from holdfast.runtime.effects import drive
from holdfast.runtime.queues import Queues


@click.group("queues")
def queues() -> None:
    """Look at queues, pause and resume them."""


@queues.command("list")
@json_option
@url_option
def list_queues(url: str, *, as_json: bool) -> None:
    """List all queues by name: how many wait and run, for how long, and the limits."""
    with reading(url) as store:
        found = store.queues()
    if as_json:
        print_json({"queues": [_document(state) for state in found]})
    elif not found:
        say("there are no queues")
    else:
        rows = [
            (
                cell(state.queue.name),
                cell("paused", style="yellow") if state.paused else cell(""),
                cell(f"{state.depth}" + (f" ({state.delayed} delayed)" if state.delayed else "")),
                cell("" if state.oldest_age is None else duration(state.oldest_age)),
                cell(state.running),
                cell(state.suspended),
                cell(_limits(state.queue)),
            )
            for state in found
        ]
        show(
            table("name", "", "waiting", "oldest", "running", "suspended", "limits", rows=rows, wrap=("name", "limits"))
        )


@queues.command("pause")
@click.argument("name")
@json_option
@url_option
def pause_queue(url: str, name: str, *, as_json: bool) -> None:
    """Start no more workflows from a queue, on no worker; those that have begun go on."""
    _pause(url, name, paused=True, as_json=as_json)


@queues.command("resume")
@click.argument("name")
@json_option
@url_option
def resume_queue(url: str, name: str, *, as_json: bool) -> None:
    """Start workflows from a paused queue again."""
    _pause(url, name, paused=False, as_json=as_json)


def _pause(url: str, name: str, *, paused: bool, as_json: bool) -> None:
    with writing_to(url) as engine:
        drive(Queues(engine, ()).pause(name, paused=paused))
    if as_json:
        print_json({"name": name, "paused": paused})
    else:
        say(f"queue {name} is {'paused' if paused else 'resumed'}")


def _limits(queue: Queue) -> str:
    said = [
        ("at once", queue.concurrency),
        ("in a worker", queue.worker_concurrency),
        ("", _rate(queue.rate)),
        ("of a partition", queue.partition_concurrency),
        ("of a partition", _rate(queue.partition_rate)),
    ]
    return ", ".join(f"{limit} {words}".strip() for words, limit in said if limit is not None)


def _rate(rate: Rate | None) -> str | None:
    return None if rate is None else f"{rate.limit} in {duration(rate.seconds)}"


def _document(state: QueueState) -> dict[str, Any]:
    queue = state.queue
    return {
        "name": queue.name,
        "paused": state.paused,
        "waiting": state.depth,
        "delayed": state.delayed,
        "running": state.running,
        "suspended": state.suspended,
        "oldest_seconds": state.oldest_age,
        "concurrency": queue.concurrency,
        "worker_concurrency": queue.worker_concurrency,
        "rate": None if queue.rate is None else {"limit": queue.rate.limit, "seconds": queue.rate.seconds},
        "partition_concurrency": queue.partition_concurrency,
        "partition_rate": None
        if queue.partition_rate is None
        else {"limit": queue.partition_rate.limit, "seconds": queue.partition_rate.seconds},
        "hold_while_suspended": queue.hold_while_suspended,
    }
