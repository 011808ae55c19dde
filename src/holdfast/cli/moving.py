"""Copies of workflows: `fork`, `export`, `import`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from holdfast.api.admin import Admin
from holdfast.cli.database import url_option, writing_to
from holdfast.cli.output import json_option, print_json, say
from holdfast.cli.values import arguments, given_text


@click.command("fork")
@click.argument("workflow_id", metavar="ID")
@click.option("--from-step", metavar="STEP", help="The first step to run anew: its id, or its number in the journal.")
@click.option("--id", "new_id", metavar="ID", help="Names the fork: made again, it is the same one.")
@click.option("--input", "document", metavar="JSON", help="Other arguments, by name: a JSON object, @file, or -.")
@click.option("-a", "--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="Another argument; JSON or text.")
@click.option(
    "--outcome", "outcomes", multiple=True, metavar="STEP=VALUE", help="Another result of a step that is taken over."
)
@click.option("--version", metavar="VERSION", help="Run it under this version of the code.")
@json_option
@url_option
def fork_command(
    url: str,
    workflow_id: str,
    *,
    from_step: str | None,
    new_id: str | None,
    document: str | None,
    pairs: Sequence[str],
    outcomes: Sequence[str],
    version: str | None,
    as_json: bool,
) -> None:
    """Make a new workflow that goes on from a place in another one's journal, and print its id.

    Nothing is taken over but the input if no step is named. The original is never touched.
    """
    place: Any = int(from_step) if from_step is not None and from_step.isdecimal() else from_step
    with writing_to(url) as engine:
        made = Admin(engine).fork(
            workflow_id,
            place,
            id=new_id,
            input=arguments(document, pairs),
            outcomes=arguments(None, outcomes),
            version=version,
        )
    if as_json:
        print_json({"id": made, "forked_from": workflow_id})
    else:
        click.echo(made)


@click.command("export")
@click.argument("workflow_id", metavar="ID")
@click.option("--children", is_flag=True, help="All descendants too.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file to write.")
@json_option
@url_option
def export_command(url: str, workflow_id: str, *, children: bool, output: Path | None, as_json: bool) -> None:
    """Write a workflow with its journal as JSON, to be replayed in tests or imported elsewhere."""
    with writing_to(url) as engine:
        text = Admin(engine).export(workflow_id, children=children)
    if output is None:
        click.echo(text)
        return
    output.write_text(f"{text}\n", encoding="utf-8")
    if as_json:
        print_json({"id": workflow_id, "written": str(output)})
    else:
        say(f"written: {output}")


@click.command("import")
@click.argument("document", metavar="@FILE|-")
@json_option
@url_option
def import_command(url: str, document: str, *, as_json: bool) -> None:
    """Take in workflows that `holdfast export` wrote.

    What had not ended is set aside, since it may go on where it comes from; `resume` lets it go on here.
    """
    with writing_to(url) as engine:
        changed = Admin(engine).import_(given_text(document))
    if as_json:
        print_json({"imported": list(changed.workflow_ids), "kept": dict(changed.kept)})
    else:
        say(f"{len(changed)} imported, {len(changed.kept)} were there already")
