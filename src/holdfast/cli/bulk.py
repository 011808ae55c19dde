"""Changing workflows, by id or all that a filter matches: `cancel`, `resume`, `retry`, `delete`, and `gc`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from holdfast.api.admin import Admin
from holdfast.cli.changes import ask
from holdfast.cli.database import url_option, writing_to
from holdfast.cli.exits import Exit
from holdfast.cli.filters import age, filter_options, is_open
from holdfast.cli.output import cell, json_option, print_json, say, show, status_cell, table
from holdfast.core.management import Changed
from holdfast.core.model import WorkflowFilter
from holdfast.errors import WorkflowNotFound
from holdfast.runtime.engine import Engine

F = TypeVar("F", bound=Callable[..., Any])
_SHOWN = 20
"""Workflows that are named before one is asked."""

Change = Callable[[tuple[str, ...] | WorkflowFilter, int, bool], Changed]
"""Called with whom to change, how many at most, and whether it is a rehearsal."""


def bulk_options(command: F) -> F:
    """Give a command ids, or a filter with its limit, and the ways to rehearse it and not to be asked."""
    for option in (
        url_option,
        json_option,
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Change nothing; say what would be changed."),
        click.option(
            "--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="At most so many."
        ),
        filter_options,
        click.argument("workflow_ids", metavar="[ID...]", nargs=-1),
    ):
        command = option(command)
    return command


@click.command("cancel")
@click.option("--children/--no-children", default=True, help="Their children too; that is the default.")
@bulk_options
def cancel_command(url: str, *, children: bool, **asked: Any) -> None:
    """Ask for the cancellation of workflows and of their children.

    Each workflow's code sees it at its next durable operation, and may clean up first. Without an ID: all that the
    filter matches.
    """
    with writing_to(url) as engine:
        admin = Admin(engine)
        _change(
            engine,
            "cancel",
            lambda target, limit, dry: admin.cancel(target, children=children, limit=limit, dry_run=dry),
            **asked,
        )


@click.command("resume")
@bulk_options
def resume_command(url: str, **asked: Any) -> None:
    """Let blocked and dead workflows go on, once what stopped them is mended."""
    with writing_to(url) as engine:
        admin = Admin(engine)
        asked["yes"] = True  # nothing is lost by it
        _change(engine, "resume", lambda target, limit, dry: admin.resume(target, limit=limit, dry_run=dry), **asked)


@click.command("retry")
@click.option("--from-start", is_flag=True, help="Take over nothing but the input.")
@click.option("--version", metavar="VERSION", help="Run under this version of the code.")
@bulk_options
def retry_command(url: str, *, from_start: bool, version: str | None, **asked: Any) -> None:
    """Try failed or cancelled workflows again, each as a new one that is forked at the failure.

    The new one has the id ID~retry; the original stays as it is.
    """
    with writing_to(url) as engine:
        admin = Admin(engine)
        _change(
            engine,
            "retry",
            lambda target, limit, dry: admin.retry(
                target, from_start=from_start, version=version, limit=limit, dry_run=dry
            ),
            **asked,
        )


@click.command("delete")
@click.option("--children", is_flag=True, help="Their descendants too, of a workflow all or none.")
@bulk_options
def delete_command(url: str, *, children: bool, **asked: Any) -> None:
    """Delete workflows that have ended or are set aside, with everything recorded for them but approvals.

    Kept is what may still go on, and what another workflow waits for.
    """
    with writing_to(url) as engine:
        admin = Admin(engine)
        _change(
            engine,
            "delete",
            lambda target, limit, dry: admin.delete(target, children=children, limit=limit, dry_run=dry),
            **asked,
        )


@click.command("gc")
@click.option(
    "--older-than", "age_", type=age, required=True, metavar="AGE", help="Ended so long ago: 90s, 15m, 2h, 7d."
)
@click.option(
    "--status",
    multiple=True,
    type=click.Choice(["succeeded", "failed", "cancelled"]),
    default=("succeeded", "failed", "cancelled"),
    help="Those that ended so. May be repeated; default: all.",
)
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@click.option("--dry-run", is_flag=True, help="Delete nothing; say how many would be deleted.")
@json_option
@url_option
def gc_command(
    url: str, *, age_: float, status: tuple[str, ...], limit: int | None, dry_run: bool, as_json: bool
) -> None:
    """Delete workflows that ended long ago, oldest first, in small commits."""
    with writing_to(url) as engine:
        count = Admin(engine).delete_older_than(age_, status=status, limit=limit, dry_run=dry_run)
    if as_json:
        print_json({"deleted": 0 if dry_run else count, "would_delete": count if dry_run else 0})
    else:
        was = "would be" if dry_run else "was" if count == 1 else "were"
        say(f"{count} workflow{_s(count)} {was} deleted")


def _change(
    engine: Engine,
    verb: str,
    change: Change,
    *,
    workflow_ids: tuple[str, ...],
    where: WorkflowFilter,
    limit: int,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    if bool(workflow_ids) is not is_open(where):
        raise click.UsageError("say either which workflows by ID, or which by filter (--status, --name, …)")
    for workflow_id in workflow_ids:
        if engine.store.get_workflow(workflow_id) is None:
            raise WorkflowNotFound(workflow_id)
    target = workflow_ids or where
    if not (dry_run or yes):
        _confirm(engine, verb, change(target, limit, True))
    _report(engine, verb, change(target, limit, dry_run), named=bool(workflow_ids), as_json=as_json)


def _confirm(engine: Engine, verb: str, planned: Changed) -> None:
    """Show what is about to change, and ask. Raises `Abort`."""
    if not planned.workflow_ids:
        return
    records = [engine.store.get_workflow(each) for each in planned.workflow_ids[:_SHOWN]]
    rows = [(cell(each.workflow_id), cell(each.name), status_cell(each.status)) for each in records if each]
    if rows:
        show(table("id", "name", "status", rows=rows, wrap=("id",)))
    if len(planned) > len(rows):
        say(f"… and {len(planned) - len(rows)} more")
    ask(f"{verb} {len(planned)} workflow{_s(len(planned))}?")


def _report(engine: Engine, verb: str, changed: Changed, *, named: bool, as_json: bool) -> None:
    """Say what was changed and what was not. Fails if a workflow that was named could not be."""
    if as_json:
        print_json(
            {
                "verb": verb,
                "dry_run": changed.dry_run,
                "changed": list(changed.workflow_ids),
                "kept": dict(changed.kept),
                "more": changed.more,
            }
        )
    else:
        for workflow_id in changed.workflow_ids[:_SHOWN]:
            record = engine.store.get_workflow(workflow_id)
            said = status_cell(record.status if record else "gone")
            asked = record is not None and record.cancel_at and not record.status.is_terminal
            show(said.append_text(cell(f"  {workflow_id}{'  cancellation asked for' if asked else ''}", length=600)))
        for workflow_id, reason in list(changed.kept.items())[:_SHOWN]:
            say(f"workflow {workflow_id}: {reason}")
        would = "would be " if changed.dry_run else ""
        say(f"{verb}: {len(changed)} {would}changed, {len(changed.kept)} left as they are")
        if changed.more:
            say("more match than the limit allows: run it again, or give --limit")
    if named and changed.kept:
        raise click.exceptions.Exit(Exit.REFUSED)


def _s(count: int) -> str:
    return "" if count == 1 else "s"
