"""Changing what a workflow does, by its id: `send`, `cancel`, `resume`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from holdfast.cli.database import url_option, writing_to
from holdfast.cli.exits import CommandFailed, Exit
from holdfast.cli.output import cell, json_option, print_json, say, show, status_cell, table
from holdfast.cli.values import message_value
from holdfast.core.model import Status
from holdfast.errors import WorkflowNotFound
from holdfast.runtime import messages
from holdfast.runtime.effects import drive
from holdfast.runtime.engine import Engine
from holdfast.store.writes import Receipt, Resume, Unit

_NOT_SET_ASIDE = "is {status}, neither blocked nor dead: nothing was changed"


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


@click.command("cancel")
@click.argument("workflow_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@url_option
def cancel_command(url: str, workflow_ids: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    """Ask for the cancellation of workflows and of their children.

    Each workflow's code sees it at its next durable operation, and may clean up first.
    """
    with writing_to(url) as engine:
        _confirm(engine, "cancel", workflow_ids, yes=yes)
        touched = {workflow_id: drive(engine.cancel(workflow_id)) for workflow_id in workflow_ids}
        _report(engine, touched, as_json=as_json)


@click.command("resume")
@click.argument("workflow_ids", metavar="ID...", nargs=-1, required=True)
@json_option
@url_option
def resume_command(url: str, workflow_ids: tuple[str, ...], *, as_json: bool) -> None:
    """Let blocked and dead workflows go on, once what stopped them is mended."""
    with writing_to(url) as engine:
        before = {workflow_id: _resume(engine, workflow_id) for workflow_id in workflow_ids}
        touched = {workflow_id: None if status is None else [workflow_id] for workflow_id, status in before.items()}
        _report(engine, touched, as_json=as_json)
    idle = [each for each, status in before.items() if status not in {None, Status.BLOCKED, Status.DEAD}]
    for workflow_id in idle:
        say(f"workflow {workflow_id} {_NOT_SET_ASIDE.format(status=before[workflow_id])}")
    if idle:
        raise click.exceptions.Exit(Exit.REFUSED)


def _resume(engine: Engine, workflow_id: str) -> Status | None:
    receipt: Receipt = engine.committer.submit(Unit(writes=(Resume(workflow_id=workflow_id),))).wait()
    status: Status | None = receipt.results[0]
    return status


def _confirm(engine: Engine, verb: str, workflow_ids: Sequence[str], *, yes: bool) -> None:
    """Show what is about to change, and ask. Raises `WorkflowNotFound`, before anything is changed, and `Abort`."""
    found = {each: engine.store.get_workflow(each) for each in workflow_ids}
    for workflow_id, record in found.items():
        if record is None:
            raise WorkflowNotFound(workflow_id)
    if yes:
        return
    rows = [(cell(each), cell(record.name), status_cell(record.status)) for each, record in found.items() if record]
    show(table("id", "name", "status", rows=rows, wrap=("id",)))
    ask(f"{verb} {len(rows)} workflow{'s' if len(rows) != 1 else ''} and their children?")


def ask(question: str) -> None:
    """Ask for a yes. Raises `Abort` for a no, and an error where nobody can be asked."""
    if not sys.stdin.isatty():
        raise CommandFailed(f"{question} Nobody can be asked here: add --yes", Exit.USAGE)
    click.confirm(question, abort=True, err=True)


def _report(engine: Engine, touched: dict[str, list[str] | None], *, as_json: bool) -> None:
    """Say how the workflows stand now. Fails if one of them does not exist."""
    missing = [workflow_id for workflow_id, ids in touched.items() if ids is None]
    known = {workflow_id: record for workflow_id in touched if (record := engine.store.get_workflow(workflow_id))}
    if as_json:
        documents = [
            {"id": each, "status": record.status.value, "cancel_asked": record.cancel_at is not None, "touched": ids}
            for each, ids in touched.items()
            if (record := known.get(each)) is not None
        ]
        print_json({"workflows": documents, "missing": missing})
    else:
        for record in known.values():
            asked = "  cancellation asked for" if record.cancel_at and not record.status.is_terminal else ""
            show(status_cell(record.status.value).append_text(cell(f"  {record.workflow_id}{asked}", length=600)))
    if missing:
        raise WorkflowNotFound(missing[0])
