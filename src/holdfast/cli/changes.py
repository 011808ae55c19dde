"""Changing what workflows do, by id or by filter: `send`, `cancel`, `resume`, `retry`, `delete`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from holdfast.api.admin import Admin
from holdfast.cli.database import managing, url_option, writing_to
from holdfast.cli.exits import CommandFailed, Exit
from holdfast.cli.filters import chosen, filter_options, is_given
from holdfast.cli.output import cell, json_option, print_json, say, show, status_cell, table
from holdfast.cli.program import codec_option
from holdfast.cli.values import message_value
from holdfast.core.management import Changed
from holdfast.runtime import messages
from holdfast.runtime.changing import Target
from holdfast.runtime.effects import drive

F = TypeVar("F", bound=Callable[..., Any])

_SHOWN = 20
"""Workflows that are shown before somebody is asked; their count tells of all."""


@click.command("send")
@click.argument("workflow_id", metavar="ID")
@click.argument("message")
@click.option("--topic", default="", help="The topic that the workflow receives on.")
@click.option(
    "--text", "as_text", is_flag=True, help="Take MESSAGE as a text; without this it is JSON, or @file, or -."
)
@click.option("--key", help="Names this message: sent again with the same key, it is delivered once.")
@json_option
@url_option
def send_command(
    url: str, workflow_id: str, message: str, *, topic: str, as_text: bool, key: str | None, as_json: bool
) -> None:
    """Send a message to a workflow; it is durable when this ends."""
    value = message_value(message, as_text=as_text)
    with writing_to(url) as engine:
        drive(messages.send(engine, workflow_id, value, topic, key))
    if as_json:
        print_json({"id": workflow_id, "sent": True, "topic": topic})
    else:
        say(f"sent to {workflow_id}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change to one or many workflows: what it is called, and how it is made."""

    verb: str
    done: str
    make: Callable[[Target, int, bool], Changed]
    """Of a target, a limit, and whether this is a dry run."""
    note: str = ""
    """What else the question says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which workflows were asked for on the command line, and how sure the person is."""

    workflow_ids: tuple[str, ...]
    where: dict[str, Any]
    limit: int
    dry_run: bool
    yes: bool
    as_json: bool

    @property
    def target(self) -> Target:
        """What management takes. Raises `click.UsageError` unless there are either ids or filters."""
        if bool(self.workflow_ids) == is_given(self.where):
            raise click.UsageError("name workflows by their ids, or choose them with filters such as --status failed")
        return self.workflow_ids or chosen(self.where)


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ids or filters to choose workflows by, and ask for each what it changes."""
    for option in (
        url_option,
        json_option,
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Change nothing; tell what would be changed."),
        click.option(
            "--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="At most so many."
        ),
        filter_options,
        click.argument("workflow_ids", metavar="[ID]...", nargs=-1),
    ):
        command = option(command)
    return command


def _choice(values: dict[str, Any]) -> Choice:
    own = {name: values.pop(name) for name in ("workflow_ids", "limit", "dry_run", "yes", "as_json")}
    return Choice(**own, where=values)


@click.command("cancel")
@click.option("--only", is_flag=True, help="Leave their children alone.")
@choosing
def cancel_command(url: str, *, only: bool, **values: Any) -> None:
    """Ask for the cancellation of workflows, by id or by filter, and of their children.

    Each workflow's code sees it at its next durable operation, and may clean up first.
    """
    with managing(url) as admin:

        def make(target: Target, limit: int, dry: bool) -> Changed:  # noqa: FBT001 - a callback's
            return admin.cancel(target, children=not only, limit=limit, dry_run=dry)

        note = "" if only else " and their children"
        _carry_out(admin, Change(verb="cancel", done="cancellation asked for", make=make, note=note), _choice(values))


@click.command("resume")
@choosing
def resume_command(url: str, **values: Any) -> None:
    """Let blocked and dead workflows go on, by id or by filter, once what stopped them is mended.

    Ids are resumed without a question.
    """
    choice = _choice(values)
    with managing(url) as admin:

        def make(target: Target, limit: int, dry: bool) -> Changed:  # noqa: FBT001 - a callback's
            return admin.resume(target, limit=limit, dry_run=dry)

        _carry_out(admin, Change(verb="resume", done="resumed", make=make), choice, ask_first=not choice.workflow_ids)


@click.command("retry")
@click.option("--from-start", is_flag=True, help="Take over nothing but the input.")
@click.option("--version", metavar="VERSION", help="Run under this version of the code, not the original's.")
@codec_option
@choosing
def retry_command(url: str, *, from_start: bool, version: str | None, target: str | None, **values: Any) -> None:
    """Try failed and cancelled workflows again, by id or by filter, each as a new one from the step that failed.

    The originals stay as they are. A retry has the id ID~retry; retried again, it is the same one.
    Ids are retried without a question.
    """
    choice = _choice(values)
    with managing(url, target) as admin:

        def make(chosen: Target, limit: int, dry: bool) -> Changed:  # noqa: FBT001 - a callback's
            return admin.retry(chosen, from_start=from_start, version=version, limit=limit, dry_run=dry)

        _carry_out(admin, Change(verb="retry", done="retried as", make=make), choice, ask_first=not choice.workflow_ids)


@click.command("delete")
@click.option("--children", is_flag=True, help="With all their descendants, of a workflow all or none.")
@choosing
def delete_command(url: str, *, children: bool, **values: Any) -> None:
    """Delete workflows, by id or by filter, that have ended or are set aside, with all that is recorded for them.

    Approvals and their audit trails stay. What others wait for stays too, and what may still go on by itself.
    """
    with managing(url) as admin:

        def make(target: Target, limit: int, dry: bool) -> Changed:  # noqa: FBT001 - a callback's
            return admin.delete(target, children=children, limit=limit, dry_run=dry)

        note = " and their descendants" if children else ""
        _carry_out(admin, Change(verb="delete", done="deleted", make=make, note=note), _choice(values))


def _carry_out(admin: Admin, change: Change, choice: Choice, *, ask_first: bool = True) -> None:
    """Show what is chosen and ask, change it, and say what became of it."""
    target = choice.target
    if choice.dry_run or (ask_first and not choice.yes):
        planned = change.make(target, choice.limit, True)
        if choice.dry_run:
            _report(change, planned, as_json=choice.as_json)
            return
        if planned.workflow_ids:
            _ask(admin, change, planned, choice)
    changed = change.make(target, choice.limit, False)
    _report(change, changed, as_json=choice.as_json)
    if choice.workflow_ids and changed.kept:
        raise click.exceptions.Exit(Exit.REFUSED)


def _ask(admin: Admin, change: Change, planned: Changed, choice: Choice) -> None:
    count = len(planned)
    question = f"{change.verb} {count} workflow{'s' if count != 1 else ''}{change.note}?"
    if planned.more:
        question = f"more than {count} match; {change.verb} the newest {count}{change.note}?"
    if not choice.as_json:
        engine = admin.engine
        ids = [each.removesuffix("~retry") if change.verb == "retry" else each for each in planned.workflow_ids]
        found = [record for each in ids[:_SHOWN] if (record := engine.store.get_workflow(each)) is not None]
        rows = [(cell(each.workflow_id), cell(each.name), status_cell(each.status)) for each in found]
        show(table("id", "name", "status", rows=rows, wrap=("id",)))
        if count > _SHOWN:
            say(f"… and {count - _SHOWN} more")
    ask(question)


def ask(question: str) -> None:
    """Ask for a yes. Raises `Abort` for a no, and an error where nobody can be asked."""
    if not sys.stdin.isatty():
        raise CommandFailed(f"{question} Nobody can be asked here: add --yes", Exit.USAGE)
    click.confirm(question, abort=True, err=True)


def _report(change: Change, changed: Changed, *, as_json: bool) -> None:
    """Say what was changed, or in a dry run would be, and what was not and why."""
    if as_json:
        print_json(changed_document(changed))
        return
    done = f"would {change.verb}" if changed.dry_run else change.done
    for workflow_id in changed.workflow_ids:
        show(cell(f"{done}  {workflow_id}", length=600))
    for workflow_id, reason in changed.kept.items():
        say(f"left as it is: {workflow_id}: {reason}")
    if not changed.workflow_ids and not changed.kept:
        say("no workflows match")
    if changed.more:
        say("the limit was reached, and more match: run it again, or with a larger --limit")


def changed_document(changed: Changed) -> dict[str, Any]:
    """Describe what became of a change."""
    return {
        "workflows": list(changed.workflow_ids),
        "kept": dict(changed.kept),
        "more": changed.more,
        "dry_run": changed.dry_run,
    }
