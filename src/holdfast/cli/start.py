"""Starting workflows: `start`."""

from __future__ import annotations

import difflib
import json
import time
from typing import Any

import click

from holdfast import StartOptions
from holdfast.api.registry import registry
from holdfast.cli.database import writing
from holdfast.cli.exits import CommandFailed, Exit
from holdfast.cli.output import json_option, print_json, say
from holdfast.cli.program import app_option, load_app
from holdfast.cli.values import arguments
from holdfast.cli.workflows import follow
from holdfast.core.codec import Codec
from holdfast.core.options import Config
from holdfast.runtime import starting
from holdfast.runtime.definitions import WorkflowDefinition
from holdfast.runtime.effects import drive


@click.command("start")
@click.argument("workflow")
@click.option(
    "--input", "document", metavar="JSON", help="The arguments by name: a JSON object, @file, or - for stdin."
)
@click.option("-a", "--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="One argument; VALUE is JSON or text.")
@click.option("--id", "workflow_id", metavar="ID", help="Names the workflow: started again, it is the same one.")
@click.option("--delay", type=float, metavar="SECONDS", help="Start it so much later.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Cancel it so long after now.")
@click.option("--wait", is_flag=True, help="Follow it until it ends, as `holdfast watch` does.")
@app_option
@json_option
def start_command(
    workflow: str,
    target: str,
    document: str | None,
    pairs: tuple[str, ...],
    *,
    workflow_id: str | None,
    delay: float | None,
    timeout: float | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Start a workflow of an application and print its id.

    WORKFLOW is its name, or the end of it: `refund` for `shop.refunds.refund`. Workers run it, not this command; the
    arguments are read by the function's type hints here, so that a wrong name is told at once.
    """
    given = arguments(document, pairs)
    app = load_app(target)
    definition = find_workflow(workflow)
    call = _call(definition, given)
    began = time.monotonic()
    with writing(app.store, app.codec) as engine:
        options = StartOptions(id=workflow_id, delay=delay, timeout=timeout)
        started = drive(starting.start(engine, call, options)).workflow_id
        _say(started, definition.name, as_json=as_json, wait=wait)
        if wait:
            left = None if timeout is None else max(timeout - (time.monotonic() - began), 0) + _GRACE
            follow(engine.store, started, left, as_json=as_json)


_GRACE = 30.0
"""Seconds after its timeout in which a workflow may still clean up."""


def _say(workflow_id: str, name: str, *, as_json: bool, wait: bool) -> None:
    if as_json:
        print_json({"id": workflow_id, "name": name})
    elif wait:
        say(f"started {name} as {workflow_id}")
    else:
        click.echo(workflow_id)


def find_workflow(name: str) -> WorkflowDefinition:
    """Find a workflow by its name or the end of it. Raises `CommandFailed`."""
    names = registry.workflow_names()
    matching = [name] if name in names else [each for each in names if each.endswith(f".{name}")]
    if len(matching) == 1:
        found = registry.workflow(matching[0])
        if found is not None:
            return found
    if matching:
        raise CommandFailed(f"{name!r} may be any of {', '.join(matching)}: say which", Exit.USAGE)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[:10]
    raise CommandFailed(
        f"the application knows no workflow {name!r}; it knows {', '.join(near) or 'none'}", Exit.NOT_FOUND
    )


def _call(definition: WorkflowDefinition, given: dict[str, Any]) -> starting.Call:
    """Decode typed-in arguments by the function's hints, as if they had been recorded. Raises `PayloadError`."""
    if definition.is_method:
        raise CommandFailed(
            f"{definition.name} is a method: start it from code, where its instance is known", Exit.USAGE
        )
    plain = Codec(max_bytes=Config().max_payload, signatures=registry.signatures)
    args, kwargs = plain.decode_call(definition.signature, json.dumps(given))
    return starting.Call(definition, args, kwargs)
