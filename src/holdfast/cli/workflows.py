"""Looking at workflows: `list`, `show`, `watch`."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from holdfast.cli.database import reading, url_option
from holdfast.cli.documents import (
    approval_document,
    checkpoint_document,
    error_phrase,
    lineage_document,
    report_phrase,
    standing,
    wait_document,
    workflow_document,
)
from holdfast.cli.exits import CommandFailed, Exit
from holdfast.cli.filters import chosen, cursor, filter_options
from holdfast.cli.journal import line, tree, visible
from holdfast.cli.output import (
    at,
    cell,
    console,
    duration,
    facts_table,
    json_option,
    print_json,
    say,
    show,
    status_cell,
    table,
)
from holdfast.core.management import Lineage, attribute_value
from holdfast.core.model import (
    Approval,
    AttributeValue,
    Checkpoint,
    Status,
    WaitOn,
    WorkflowFilter,
    WorkflowRecord,
)
from holdfast.errors import ResultTimeout, WorkflowNotFound
from holdfast.store.base import Store

SET_ASIDE = frozenset({Status.BLOCKED, Status.DEAD})
_LOOK_SECONDS = 2.0
"""How long `watch` trusts that it hears of news."""


@click.command("list")
@filter_options
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--after", "page", type=cursor, metavar="CURSOR", help="The page after the one that ended with this.")
@json_option
@url_option
def list_command(url: str, page: tuple[float, str] | None, limit: int, *, as_json: bool, **where: Any) -> None:
    """List workflows, newest first, a page at a time."""
    wanted = replace(chosen(where), before=page, limit=limit)
    with reading(url) as store:
        found = store.list_workflows(wanted)
        now = store.now()
    full = len(found) == limit
    following = f"{found[-1].created_at!r},{found[-1].workflow_id}" if full else None
    if as_json:
        documents = [workflow_document(record, payloads=False) for record in found]
        print_json({"workflows": documents, "next": following})
        return
    if not found:
        say("no workflows match")
        return
    show(workflow_table(found, now))
    if following is not None:
        say(f"there may be more: --after {shlex.quote(following)}")


def workflow_table(found: Sequence[WorkflowRecord], now: float) -> Table:
    """Draw workflows as rows."""
    rows = [
        (
            cell(record.workflow_id, length=100),
            cell(record.name),
            status_cell(record.status.value),
            cell(at(record.created_at, now)),
            cell(_age(record, now)),
        )
        for record in found
    ]
    return table("id", "name", "status", "created", "took", rows=rows, wrap=("id",))


def _age(record: WorkflowRecord, now: float) -> str:
    if record.finished_at is None:
        return f"{duration(max(now - record.created_at, 0))}…"
    return duration(max(record.finished_at - record.created_at, 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A workflow with all that `show` tells of it."""

    record: WorkflowRecord
    journal: list[Checkpoint]
    waits: list[WaitOn]
    children: list[WorkflowRecord]
    attributes: dict[str, AttributeValue]
    lineage: Lineage | None
    forks: list[str]
    approvals: list[Approval]
    now: float


def look(store: Store, workflow_id: str) -> Seen:
    """Read a workflow. Raises `WorkflowNotFound`."""
    record = store.get_workflow(workflow_id)
    if record is None:
        raise WorkflowNotFound(workflow_id)
    return Seen(
        record=record,
        journal=store.journal(workflow_id),
        waits=store.waits(workflow_id) if record.status is Status.SUSPENDED else [],
        children=store.list_workflows(WorkflowFilter(parent_id=workflow_id)),
        attributes={name: attribute_value(text) for name, text in store.attributes(workflow_id).items()},
        lineage=store.lineage(workflow_id),
        forks=store.forks(workflow_id),
        approvals=store.approvals(workflow_id=workflow_id, limit=1000),
        now=store.now(),
    )


@click.command("show")
@click.argument("workflow_id", metavar="ID")
@click.option("--all", "everything", is_flag=True, help="Also what only accompanies operations, such as timers.")
@json_option
@url_option
def show_command(url: str, workflow_id: str, *, everything: bool, as_json: bool) -> None:
    """Show a workflow with its journal as a tree."""
    with reading(url) as store:
        seen = look(store, workflow_id)
    if as_json:
        print_json(
            {
                **workflow_document(seen.record),
                "waits": [wait_document(wait) for wait in seen.waits],
                "journal": [checkpoint_document(checkpoint) for checkpoint in seen.journal],
                "children": [workflow_document(child, payloads=False) for child in seen.children],
                "attributes": seen.attributes,
                "lineage": lineage_document(seen.lineage),
                "forks": seen.forks,
                "approvals": [approval_document(approval) for approval in seen.approvals],
            }
        )
        return
    label = status_cell(seen.record.status.value).append(f"  {_plain(seen.record.name)}  ", style="bold")
    label.append(_plain(seen.record.workflow_id))
    show(_facts(seen), "", tree(label, visible(seen.journal, everything=everything), seen.children))


def _plain(text: str) -> str:
    return cell(text).plain


def _facts(seen: Seen) -> Table:
    record, now = seen.record, seen.now
    return facts_table(
        ("waits for", standing(record, seen.waits, now)),
        ("created", f"{at(record.created_at, now)} ({duration(max(now - record.created_at, 0))} ago)"),
        ("took", "" if record.finished_at is None else _age(record, now)),
        ("parent", record.parent_id),
        ("queue", record.queue),
        ("attributes", [f"{name} = {value!r}" for name, value in seen.attributes.items()]),
        ("forked from", _origin(seen.lineage)),
        ("forks", seen.forks),
        ("approvals", [f"{each.approval_id}  {each.status}  {each.subject}" for each in seen.approvals]),
        ("deadline", at(record.deadline_at, now)),
        ("cancel asked", at(record.cancel_at, now)),
        ("worker", record.owner),
        ("crashes", str(record.crashes) if record.crashes else ""),
        ("input", record.input),
        ("output", record.output),
        ("error", error_phrase(record.error)),
        ("set aside", report_phrase(record.report)),
    )


def _origin(lineage: Lineage | None) -> str:
    if lineage is None:
        return ""
    return f"{lineage.forked_from} {f'at {lineage.forked_step}' if lineage.forked_step else ''}".strip()


@click.command("watch")
@click.argument("workflow_id", metavar="[ID]", required=False)
@click.option("--timeout", type=float, metavar="SECONDS", help="Give up after so long; the workflow goes on.")
@json_option
@url_option
def watch_command(url: str, workflow_id: str | None, timeout: float | None, *, as_json: bool) -> None:
    """Follow a workflow until it ends, or all that happens.

    With an ID: print what is recorded as it comes; exit code 0 if the workflow succeeds, 1 if it fails, is cancelled or
    set aside, 7 if the time is up. Without one: the counts and the newest workflows, until interrupted.
    """
    with reading(url) as store:
        if workflow_id is None:
            _watch_all(store, timeout, as_json=as_json)
        else:
            follow(store, workflow_id, timeout, as_json=as_json)


def follow(store: Store, workflow_id: str, timeout: float | None, *, as_json: bool) -> None:
    """Print what a workflow records until it ends; fail as it does. Raises `ResultTimeout`, `WorkflowNotFound`."""
    news = threading.Event()
    listener = store.listen(lambda _heard: news.set())
    ends = None if timeout is None else time.monotonic() + timeout
    printed: set[str] = set()
    try:
        while True:
            news.clear()
            seen = look(store, workflow_id)
            _print_new(seen, printed, as_json=as_json)
            if seen.record.status.is_terminal or seen.record.status in SET_ASIDE:
                break
            left = _LOOK_SECONDS if ends is None else min(_LOOK_SECONDS, ends - time.monotonic())
            if left <= 0:
                raise ResultTimeout(workflow_id, timeout or 0)
            news.wait(left)
    finally:
        listener.stop()
    _end(seen.record, as_json=as_json)


def _print_new(seen: Seen, printed: set[str], *, as_json: bool) -> None:
    new = [checkpoint for checkpoint in visible(seen.journal) if checkpoint.step_id not in printed]
    target = console()
    for checkpoint in new:
        printed.add(checkpoint.step_id)
        if as_json:
            print_json({"checkpoint": checkpoint_document(checkpoint)})
        else:
            stamp = Text(f"{at(checkpoint.finished_at, seen.now)}  ", style="dim", no_wrap=True, overflow="ellipsis")
            target.print(stamp.append_text(line(checkpoint)))


def _end(record: WorkflowRecord, *, as_json: bool) -> None:
    if as_json:
        print_json({"workflow": workflow_document(record)})
    else:
        said = status_cell(record.status.value).append("  ")
        said.append_text(cell(record.output or error_phrase(record.error) or report_phrase(record.report), length=600))
        show(said)
    if record.status is not Status.SUCCEEDED:
        if as_json:
            raise click.exceptions.Exit(Exit.FAILED)
        raise CommandFailed(f"workflow {record.workflow_id} is {record.status.value}")


def _watch_all(store: Store, timeout: float | None, *, as_json: bool) -> None:
    ends = None if timeout is None else time.monotonic() + timeout
    with Live(console=console(), auto_refresh=False, transient=not as_json) as live:
        while ends is None or time.monotonic() < ends:
            overview = store.overview()
            if as_json:
                counts = {status.value: count for status, count in overview.counts.items()}
                print_json({"at": datetime.fromtimestamp(overview.now, UTC), "counts": counts})
            else:
                words = [
                    Text(f"{count} ").append_text(status_cell(each.value)) for each, count in overview.counts.items()
                ]
                head = Text(f"{at(overview.now, overview.now)}  ", style="dim").append_text(Text("  ").join(words))
                head.append(f"  {len(overview.workers)} workers", style="dim")
                newest = store.list_workflows(WorkflowFilter(limit=15))
                live.update(Group(head, "", workflow_table(newest, overview.now)), refresh=True)
            time.sleep(1.0)
