"""Queues: `queues list`, `change`, `pause`, `resume`. They are declared by code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from holdfast.cli.database import reading, url_option, writing_to
from holdfast.cli.exits import CommandFailed, Exit
from holdfast.cli.output import cell, duration, json_option, print_json, say, show, table
from holdfast.core.queues import Queue, QueueState, Rate
from holdfast.errors import ConfigurationError
from holdfast.runtime.effects import drive
from holdfast.runtime.engine import Engine


@click.group("queues")
def queues() -> None:
    """Look at queues, change their limits, pause and resume them."""


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
    return {
        "name": state.queue.name,
        "paused": state.paused,
        "depth": state.depth,
        "delayed": state.delayed,
        "running": state.running,
        "suspended": state.suspended,
        "oldest_age": state.oldest_age,
        "limits": _limits_document(state.queue),
    }


def _limits_document(queue: Queue) -> dict[str, Any]:
    rates = {
        name: None if rate is None else {"limit": rate.limit, "seconds": rate.seconds}
        for name, rate in (("rate", queue.rate), ("partition_rate", queue.partition_rate))
    }
    return {
        "concurrency": queue.concurrency,
        "worker_concurrency": queue.worker_concurrency,
        "partition_concurrency": queue.partition_concurrency,
        **rates,
        "hold_while_suspended": queue.hold_while_suspended,
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


class Limit(click.ParamType[int | None, None]):
    """A whole number from 1 on, or `none`."""

    name = "N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Read what was typed."""
        if value in (None, "none"):
            return None
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor none", param, ctx)


class RateLimit(click.ParamType[Rate | None, None]):
    """`5/60`: five in sixty seconds; or `none`."""

    name = "N/SECONDS|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Rate | None:
        """Read what was typed."""
        if value in (None, "none"):
            return None
        limit, _, period = str(value).partition("/")
        try:
            return Rate(int(limit), float(period))
        except (ValueError, ConfigurationError) as error:
            self.fail(f"{value!r} is no rate such as 5/60, five in sixty seconds: {error}", param, ctx)


_CHANGES = {
    "concurrency": (Limit(), "How many run at once, on all workers."),
    "worker_concurrency": (Limit(), "How many run at once in one worker."),
    "rate": (RateLimit(), "How many begin in how many seconds, on all workers."),
    "partition_concurrency": (Limit(), "How many of one partition run at once."),
    "partition_rate": (RateLimit(), "How many of one partition begin in how many seconds."),
}


def _change_options(command: Any) -> Any:
    for name, (kind, text) in reversed(_CHANGES.items()):
        command = click.option(f"--{name.replace('_', '-')}", type=kind, help=text)(command)
    return command


@queues.command("change")
@click.argument("name")
@_change_options
@json_option
@url_option
@click.pass_context
def change_queue(ctx: click.Context, /, url: str, name: str, *, as_json: bool, **_given: Any) -> None:
    """Change limits of a queue, for all workers, at once; `none` takes one away, what is not given stays.

    They hold until they are changed again, or a program is launched that declares other limits than it did before.
    """
    given = {
        each: ctx.params[each] for each in _CHANGES if ctx.get_parameter_source(each) is ParameterSource.COMMANDLINE
    }
    if not given:
        raise click.UsageError("say what to change: --concurrency, --rate, …; see --help")
    with writing_to(url) as engine:
        found = next((state.queue for state in engine.store.queues() if state.queue.name == name), None)
        if found is None:
            raise _unknown(engine, name)
        try:
            changed = replace(found, **given)
        except ConfigurationError as error:
            raise click.UsageError(str(error)) from None
        drive(engine.queues.change(changed))
    if as_json:
        print_json({"name": name, "limits": _limits_document(changed)})
    else:
        say(f"queue {name}: {', '.join(_limits(changed)) or 'no limits'}")


def _unknown(engine: Engine, name: str) -> CommandFailed:
    known = ", ".join(engine.store.queue_names()) or "none"
    return CommandFailed(f"there is no queue {name!r} in this database; known: {known}", Exit.NOT_FOUND)


def _set(url: str, name: str, *, paused: bool, as_json: bool) -> None:
    with writing_to(url) as engine:
        try:
            drive(engine.queues.pause(name, paused=paused))
        except ConfigurationError:
            raise _unknown(engine, name) from None
    if as_json:
        print_json({"name": name, "paused": paused})
    else:
        say(f"queue {name} is {'paused' if paused else 'open'}")
