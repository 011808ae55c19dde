"""Is everything as it should be? `doctor` looks at the database, the workers and what is stuck, and changes nothing."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version

import click
from rich.text import Text

from holdfast.api.registry import registry
from holdfast.cli.database import url_option, without_password
from holdfast.cli.exits import Exit
from holdfast.cli.output import cell, duration, json_option, print_json, show, table
from holdfast.cli.program import load_app
from holdfast.core.model import Status, WorkflowFilter, WorkflowRecord
from holdfast.store.base import Store
from holdfast.store.open import open_store
from holdfast.store.overview import Fact, Overview, Verdict

CLOCK_DIFFERENCE = 5.0
"""Seconds that this machine's clock may differ from the database's: only logs and people notice."""
LONG_QUEUED = 300.0
LONG_RUNNING = 3600.0
_MARKS = {Verdict.FINE: ("ok", "green"), Verdict.WARNING: ("warning", "yellow"), Verdict.WRONG: ("WRONG", "bold red")}


@click.command("doctor")
@click.option("--app", "target", metavar="MODULE:NAME", help="Also look for workflows that this application lacks.")
@json_option
@url_option
def doctor_command(url: str, target: str | None, *, as_json: bool) -> None:
    """Look for what is wrong or will be, and say what to do about it.

    Exit code 0: all is fine, or there are only warnings; 1: something is wrong.
    """
    facts = list(_facts(url, target))
    wrong = any(fact.verdict is Verdict.WRONG for fact in facts)
    if as_json:
        documents = [
            {"name": fact.name, "value": fact.value, "verdict": fact.verdict.value, "advice": fact.advice}
            for fact in facts
        ]
        print_json({"facts": documents, "ok": not wrong})
    else:
        show(table("", "what", "found", rows=_rows(facts), wrap=("found",)))
    if wrong:
        raise click.exceptions.Exit(Exit.FAILED)


def _rows(facts: Iterable[Fact]) -> Iterator[tuple[Text, Text, Text]]:
    for fact in facts:
        word, style = _MARKS[fact.verdict]
        found = cell(fact.value, length=1000)
        if fact.advice:
            found.append("\n→ ").append_text(cell(fact.advice, length=1000))
        yield cell(word, style=style), cell(fact.name), found


def _facts(url: str, target: str | None) -> Iterator[Fact]:
    yield Fact(name="Holdfast", value=f"{version('holdfast')}, Python {platform.python_version()}")
    yield Fact(name="database", value=without_password(url))
    if target is not None:
        load_app(target)
    store = open_store(url)
    inspection = store.inspect()
    yield from inspection.facts
    if inspection.schema is None:
        return
    yield _schema(inspection.schema, inspection.known_schema)
    if inspection.schema == 0 or inspection.schema < inspection.known_schema:
        return
    store.open(migrate=False)
    try:
        yield _clock(store)
        overview = store.overview()
        yield _workers(overview)
        yield from _queues(overview)
        yield from _set_aside(store, overview)
        yield from _running(store, overview)
        if target is not None:
            yield from _unknown(store)
    finally:
        store.close()


def _schema(found: int, known: int) -> Fact:
    if found == known:
        return Fact(name="schema", value=f"{found}, the newest this version knows")
    if found == 0:
        return Fact(name="schema", value="none", verdict=Verdict.WRONG, advice="`holdfast migrate` creates it")
    if found < known:
        advice = "`holdfast migrate`, or the next launch of a worker, updates it"
        return Fact(
            name="schema", value=f"{found}; this version works with {known}", verdict=Verdict.WARNING, advice=advice
        )
    advice = "upgrade this program's holdfast package"
    return Fact(
        name="schema",
        value=f"{found}, newer than {known}, the newest this version knows",
        verdict=Verdict.WARNING,
        advice=advice,
    )


def _clock(store: Store) -> Fact:
    before = time.time()
    theirs = store.now()
    after = time.time()
    # Between the two reads of this machine's clock, the difference can't be told.
    difference = max(before - theirs, theirs - after, 0.0)
    value = "this machine's and the database's agree" if difference < 1 else f"they differ by {duration(difference)}"
    if difference <= CLOCK_DIFFERENCE:
        return Fact(name="clock", value=value)
    advice = "the engine goes by the database's clock, so nothing fires early; but logs mislead: run NTP on both"
    return Fact(name="clock", value=value, verdict=Verdict.WARNING, advice=advice)


def _workers(overview: Overview) -> Fact:
    lapsed = [worker for worker in overview.workers if worker.lease_until < overview.now]
    alive = len(overview.workers) - len(lapsed)
    waiting = overview.counts[Status.ENQUEUED] + overview.counts[Status.RUNNING]
    if lapsed:
        names = ", ".join(f"{worker.host.partition('/')[0]} pid {worker.pid}" for worker in lapsed[:3])
        value = f"{alive} alive, {len(lapsed)} not heard of for longer than their lease: {names}"
        advice = (
            "any living worker takes over what they ran: start one" if not alive else "their work is being taken over"
        )
        return Fact(name="workers", value=value, verdict=Verdict.WARNING, advice=advice)
    if not alive and waiting:
        advice = f"{waiting} workflows wait for one: holdfast worker module:app"
        return Fact(name="workers", value="none is alive", verdict=Verdict.WARNING, advice=advice)
    return Fact(name="workers", value=f"{alive} alive" if alive else "none is alive, and none is needed now")


def _queues(overview: Overview) -> Iterator[Fact]:
    for line in overview.lines:
        name = f"queue {line.queue}" if line.queue else "waiting for a worker"
        age = 0.0 if line.oldest_at is None else max(overview.now - line.oldest_at, 0.0)
        value = f"{line.depth} due, the oldest for {duration(age)}"
        if age <= LONG_QUEUED:
            yield Fact(name=name, value=value)
        else:
            advice = "more workers, or one that knows these functions: `holdfast doctor --app module:app` tells"
            yield Fact(name=name, value=value, verdict=Verdict.WARNING, advice=advice)


def _set_aside(store: Store, overview: Overview) -> Iterator[Fact]:
    advices = {
        Status.BLOCKED: "mend the code, then `holdfast resume`",
        Status.DEAD: "they took their worker down again and again: mend what does it, then `holdfast resume`",
    }
    for status, advice in advices.items():
        count = overview.counts[status]
        if not count:
            yield Fact(name=status.value, value="none")
            continue
        newest = store.list_workflows(WorkflowFilter(status=(status,), limit=3))
        ids = ", ".join(record.workflow_id for record in newest)
        value = f"{count}: {ids}{' …' if count > len(newest) else ''}"
        yield Fact(name=status.value, value=value, verdict=Verdict.WARNING, advice=advice)


def _running(store: Store, overview: Overview) -> Iterator[Fact]:
    """Find running workflows whose last sign of life is long ago: probably in one step that hangs."""
    running = store.list_workflows(WorkflowFilter(status=(Status.RUNNING,), limit=1000))
    # Read in this order: whoever owned one of them and has gone since, left it before.
    known = {worker.worker_id for worker in store.workers()}
    strays = [each.workflow_id for each in running if each.owner not in known and _still_runs(store, each)]
    if strays:
        value = f"{len(strays)} belong to workers that are gone: {', '.join(strays[:3])}"
        yield Fact(name="running", value=value, verdict=Verdict.WRONG, advice="report this: it must not happen")
    stuck = []
    for record in sorted(running, key=lambda each: each.created_at)[:20]:
        if overview.now - record.created_at <= LONG_RUNNING:
            break
        last = max(
            (checkpoint.finished_at for checkpoint in store.journal(record.workflow_id)), default=record.created_at
        )
        if overview.now - last > LONG_RUNNING:
            stuck.append(f"{record.workflow_id} (for {duration(overview.now - last)})")
    if stuck:
        advice = "a step without a timeout may hang: `holdfast show`, then cancel it or restart its worker"
        yield Fact(name="stuck", value=", ".join(stuck[:3]), verdict=Verdict.WARNING, advice=advice)
    elif not strays:
        yield Fact(name="running", value=f"{overview.counts[Status.RUNNING]}, none without a sign for an hour")


def _still_runs(store: Store, seen: WorkflowRecord) -> bool:
    record = store.get_workflow(seen.workflow_id)
    return record is not None and record.status is Status.RUNNING and record.epoch == seen.epoch


def _unknown(store: Store) -> Iterator[Fact]:
    unknown = store.count_unknown(registry.workflow_names())
    if not unknown:
        yield Fact(name="unknown names", value="none")
    for name, count in sorted(unknown.items()):
        advice = f"import the module that defines it, or give the renamed function name={name!r}"
        value = f"{count} enqueued workflows are named {name!r}, which this application does not have"
        yield Fact(name="unknown name", value=value, verdict=Verdict.WARNING, advice=advice)
