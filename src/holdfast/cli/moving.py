"""New workflows out of recorded ones: `fork`, and `export` and `import` from one database to another."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from holdfast.cli.changes import changed_document
from holdfast.cli.database import managing, url_option
from holdfast.cli.exits import CommandFailed, Exit
from holdfast.cli.output import cell, json_option, print_json, say, show
from holdfast.cli.program import codec_option
from holdfast.cli.values import arguments, given_text
from holdfast.core.model import Checkpoint


@click.command("fork")
@click.argument("workflow_id", metavar="ID")
@click.option(
    "--from",
    "from_step",
    metavar="STEP",
    help="The first step to run anew: its id, or its place (seq). Without it: all of them, or what follows --outcome.",
)
@click.option("--id", "new_id", metavar="ID", help="Names the fork: made again, it is the same one.")
@click.option("--input", "document", metavar="JSON", help="Other arguments, by name: a JSON object, @file, or -.")
@click.option("-a", "--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="One other argument; JSON or text.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    metavar="STEP=VALUE",
    help="Another result of a step that is taken over; JSON or text.",
)
@click.option("--version", metavar="VERSION", help="Run under this version of the code, not the original's.")
@codec_option
@json_option
@url_option
def fork_command(
    url: str, workflow_id: str, *, from_step: str | None, new_id: str | None, document: str | None,
    pairs: Sequence[str], outcomes: Sequence[str], version: str | None, target: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make a new workflow that goes on from a step of a recorded one, and print its id.

    The original is never touched. What was recorded before the step is taken over, the rest runs anew; `holdfast show`
    names the steps. With another input, or another outcome of a step, it shows what would have happened.
    """
    with managing(url, target) as admin:
        journal = admin.show(workflow_id).journal
        made = admin.fork(
            workflow_id,
            None if from_step is None else _place(journal, from_step),
            id=new_id,
            input=arguments(document, pairs),
            outcomes=_outcomes(journal, outcomes),
            version=version,
        )
    if as_json:
        print_json({"id": made, "forked_from": workflow_id})
    else:
        click.echo(cell(made, length=600).plain)


def _place(journal: Sequence[Checkpoint], text: str) -> str | int:
    """Return the step that a text names: its id, its id as trees show it, or its place."""
    known = {checkpoint.step_id for checkpoint in journal}
    if text not in known and text.isdecimal():
        return int(text)
    return _step_id(known, text)


def _step_id(known: set[str], text: str) -> str:
    return f"{text}#1" if text not in known and f"{text}#1" in known else text


def _outcomes(journal: Sequence[Checkpoint], pairs: Sequence[str]) -> Mapping[str, Any]:
    """Read STEP=VALUE pairs. A step's id may hold equals signs itself. Raises `click.UsageError`."""
    known = {checkpoint.step_id for checkpoint in journal}
    found: dict[str, Any] = {}
    for pair in pairs:
        places = [at for at, character in enumerate(pair) if character == "="]
        if not places or not places[0]:
            raise click.UsageError(f"--outcome is STEP=VALUE, not {pair!r}")
        at = next((at for at in places if _step_id(known, pair[:at]) in known), places[0])
        try:
            value = json.loads(pair[at + 1 :])
        except ValueError:
            value = pair[at + 1 :]
        found[_step_id(known, pair[:at])] = value
    return found


@click.command("export")
@click.argument("workflow_id", metavar="ID")
@click.option("--children", is_flag=True, help="With all its descendants.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A new file, readable by its owner only. Without this: standard output.",
)
@json_option
@url_option
def export_command(url: str, workflow_id: str, *, children: bool, output: Path | None, as_json: bool) -> None:
    """Write a workflow with all that is recorded for it, approvals left out, as a JSON document in pure ASCII.

    `holdfast import` takes it into another database, of either kind; `holdfast replay` runs it against your code.
    Payloads are written as they are stored: what was encrypted stays so. With --json it is one line, or says what was
    written to the file.
    """
    with managing(url) as admin:
        document = admin.export(workflow_id, children=children)
    if output is None:
        click.echo(json.dumps(json.loads(document)) if as_json else document)
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandFailed(f"{output} is there already: nothing was written", Exit.REFUSED) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{document}\n")
    count = len(json.loads(document)["workflows"])
    if as_json:
        print_json({"file": os.fspath(output.resolve()), "workflows": count})
    else:
        say(f"{output}: {count} workflow{'s' if count != 1 else ''}")


@click.command("import")
@click.argument("file", metavar="FILE")
@json_option
@url_option
def import_command(url: str, file: str, *, as_json: bool) -> None:
    """Take in the workflows of a document that `holdfast export` wrote; FILE may be - for standard input.

    What had not ended is set aside as blocked, since it may go on where it comes from: `holdfast resume` lets it go on
    here. An id that is taken by another workflow is refused before anything is written.
    """
    document = given_text("-") if file == "-" else given_text(f"@{file}")
    with managing(url) as admin:
        changed = admin.import_(document)
    if as_json:
        print_json(changed_document(changed))
        return
    for workflow_id in changed.workflow_ids:
        show(cell(f"imported  {workflow_id}", length=600))
    for workflow_id, reason in changed.kept.items():
        say(f"left as it is: {workflow_id}: {reason}")
