"""Schedules: `schedules list`, `show`, `pause`, `resume`, `remove`, `backfill`. They are made by code."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from holdfast.api.schedules import Schedules
from holdfast.cli.changes import ask
from holdfast.cli.database import reading, url_option, writing, writing_to
from holdfast.cli.documents import payload
from holdfast.cli.output import at, cell, duration, facts_table, iso, json_option, print_json, say, show, table
from holdfast.cli.program import app_option, load_app
from holdfast.core.schedule import ScheduleRecord
from holdfast.errors import ScheduleNotFound
from holdfast.store.base import Store

_NEXT_RUNS = 5


@click.group("schedules")
def schedules() -> None:
    """Look at schedules, pause, resume and remove them."""


@schedules.command("list")
@json_option
@url_option
def list_schedules(url: str, *, as_json: bool) -> None:
    """List all schedules by name, with their next ticks."""
    with reading(url) as store:
        found, now = store.schedules(), store.now()
    if as_json:
        print_json({"schedules": [_document(schedule) for schedule in found]})
    elif not found:
        say("there are no schedules")
    else:
        rows = [
            (
                cell(schedule.name),
                cell(_timing(schedule)),
                cell(schedule.workflow),
                cell("paused", style="yellow") if schedule.paused else cell(at(schedule.next_at, now) or "no more"),
                cell(f"{schedule.started} / {schedule.skipped} / {schedule.missed}"),
            )
            for schedule in found
        ]
        show(table("name", "when", "workflow", "next", "started / skipped / missed", rows=rows, wrap=("name", "when")))


@schedules.command("show")
@click.argument("name")
@json_option
@url_option
def show_schedule(url: str, name: str, *, as_json: bool) -> None:
    """Show a schedule with its next ticks and what became of the past ones."""
    with writing_to(url) as engine:
        found = _find(engine.store, name)
        runs = [run.isoformat() for run in Schedules(engine).next_runs(name, _NEXT_RUNS)]
        now = engine.store.now()
    if as_json:
        print_json({**_document(found), "next_runs": runs})
        return
    show(
        facts_table(
            ("name", found.name),
            ("workflow", found.workflow),
            ("when", _timing(found)),
            ("arguments", found.arguments),
            ("overlap", found.overlap.value),
            ("catch-up", duration(found.catchup)),
            ("jitter", duration(found.jitter) if found.jitter else ""),
            ("queue", found.queue),
            ("declared", "in the code" if found.declared else "at run time"),
            ("paused", "yes" if found.paused else ""),
            ("next", runs),
            ("last", at(found.last_at, now)),
            ("latest workflow", found.current_id),
            ("waits for it", found.held_id),
            ("ticks", f"{found.started} started, {found.skipped} skipped, {found.missed} missed"),
        )
    )


@schedules.command("pause")
@click.argument("name")
@json_option
@url_option
def pause_schedule(url: str, name: str, *, as_json: bool) -> None:
    """Let a schedule's ticks pass until it is resumed; its workflows go on."""
    with writing_to(url) as engine:
        Schedules(engine).pause(name)
        _report(engine.store, name, as_json=as_json)


@schedules.command("resume")
@click.argument("name")
@json_option
@url_option
def resume_schedule(url: str, name: str, *, as_json: bool) -> None:
    """Let a paused schedule go on with its next tick from now."""
    with writing_to(url) as engine:
        Schedules(engine).resume(name)
        _report(engine.store, name, as_json=as_json)


@schedules.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@url_option
def remove_schedule(url: str, name: str, *, yes: bool, as_json: bool) -> None:
    """Remove a schedule; its workflows stay. One that the code declares is back at the next launch."""
    with writing_to(url) as engine:
        found = _find(engine.store, name)
        if not yes:
            ask(f"remove schedule {found.name!r} ({_timing(found)})?")
        Schedules(engine).remove(name)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        say(f"removed schedule {name}")


@schedules.command("backfill")
@click.argument("name")
@click.option("--from", "start", required=True, type=click.DateTime(), help="In the schedule's time zone.")
@click.option("--to", "end", required=True, type=click.DateTime(), help="The first moment left out; it is past.")
@app_option
@json_option
def backfill_schedule(target: str, name: str, start: datetime, end: datetime, *, as_json: bool) -> None:
    """Start the workflows of past ticks, whatever the schedule's policies say; what is there already stays."""
    app = load_app(target)
    with writing(app.store, app.codec) as engine:
        made = list(Schedules(engine).backfill(name, start, end))
    if as_json:
        print_json({"name": name, "started": made})
    else:
        say(f"{len(made)} workflows started")
        for workflow_id in made:
            click.echo(cell(workflow_id, length=600).plain)


def _find(store: Store, name: str) -> ScheduleRecord:
    found = store.schedule(name)
    if found is None:
        raise ScheduleNotFound(name)
    return found


def _report(store: Store, name: str, *, as_json: bool) -> None:
    found = _find(store, name)
    if as_json:
        print_json(_document(found))
    else:
        ticks = f"ticks next: {at(found.next_at, store.now()) or 'never'}"
        say(f"schedule {name} {'is paused' if found.paused else ticks}")


def _timing(schedule: ScheduleRecord) -> str:
    timing = schedule.timing
    if timing.cron is not None:
        return f"{timing.cron} ({timing.timezone})"
    return f"every {duration(timing.every or 0)}"


def _document(schedule: ScheduleRecord) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "workflow": schedule.workflow,
        **json.loads(schedule.timing.spec),
        "timezone": schedule.timing.timezone,
        "arguments": payload(schedule.arguments),
        "overlap": schedule.overlap.value,
        "catchup": schedule.catchup,
        "jitter": schedule.jitter,
        "queue": schedule.queue,
        "priority": schedule.priority,
        "declared": schedule.declared,
        "paused": schedule.paused,
        "next_at": iso(schedule.next_at),
        "last_at": iso(schedule.last_at),
        "current_id": schedule.current_id,
        "held_id": schedule.held_id,
        "started": schedule.started,
        "skipped": schedule.skipped,
        "missed": schedule.missed,
    }
