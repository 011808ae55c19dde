"""The code at hand against recorded workflows: `check` for all of a database, `replay` for one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from holdfast import CheckReport, Finding, WorkflowFilter
from holdfast.cli.database import reading
from holdfast.cli.exits import Exit
from holdfast.cli.output import cell, json_option, print_json, say, show, table
from holdfast.cli.program import app_option, load_app
from holdfast.cli.workflows import look
from holdfast.testing import replay
from holdfast.testing.replay import History

_MANY = 50
"""Findings that are listed for a person; the counts tell of all."""


@click.command("check")
@click.option("--name", help="Only workflows of this name.")
@click.option("--finished", type=click.IntRange(0), default=0, metavar="N", help="Also the newest N that have ended.")
@click.option("--strict", is_flag=True, help="Hold other versions of the code to every recorded step, too.")
@click.option("--timeout", type=float, default=10.0, show_default=True, metavar="SECONDS", help="For each workflow.")
@app_option
@json_option
def check_command(target: str, *, name: str | None, finished: int, strict: bool, timeout: float, as_json: bool) -> None:
    """Tell what deploying this code would do to the workflows that are recorded.

    Each unfinished workflow is replayed up to the end of its journal: no step is run, nothing is written. Exit code 0:
    all would go on; 1: some would be blocked, fail or not be found. Run it before a deploy.
    """
    app = load_app(target)
    where = None if name is None else WorkflowFilter(name=name)
    report = app.check(where, finished=finished, strict=strict or None, timeout=timeout)
    if as_json:
        counts = {verdict.value: count for verdict, count in report.counts.items()}
        documents = [_document(finding) for finding in report.findings]
        print_json({"ok": report.ok, "checked": report.checked, "counts": counts, "findings": documents})
    else:
        _show(report)
    if not report.ok:
        raise click.exceptions.Exit(Exit.FAILED)


@click.command("replay")
@click.argument("workflow_id", metavar="[ID]", required=False)
@click.option("--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Replay an exported workflow instead.")  # fmt: skip
@click.option("--url", envvar="HOLDFAST_URL", show_envvar=True, metavar="URL", help="The database that has it.")
@click.option("--strict", is_flag=True, help="Hold another version of the code to every recorded step, too.")
@click.option("--timeout", type=float, default=10.0, show_default=True, metavar="SECONDS")
@app_option
@json_option
def replay_command(
    workflow_id: str | None, *, file: Path | None, url: str | None, target: str, strict: bool, timeout: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Replay one workflow against the code at hand, and tell where they part first.

    No step is run, and nothing is written. Exit code 0: the code follows the journal, or may be deployed all the same;
    1: it would be blocked or fail.
    """
    if (workflow_id is None) == (file is None):
        raise click.UsageError("name either the workflow's ID or a --file")
    app = load_app(target)
    history: History
    if file is not None:
        history = file
    elif url is None:
        raise click.UsageError("name the database: --url or HOLDFAST_URL")
    else:
        with reading(url) as store:
            seen = look(store, workflow_id or "")
        history = (seen.record, seen.journal)
    finding = replay(history, app=app, strict=strict or None, timeout=timeout)
    if as_json:
        print_json(_document(finding))
    else:
        show(_facts([finding]))
    if not finding.verdict.is_harmless:
        raise click.exceptions.Exit(Exit.FAILED)


def _document(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.workflow_id,
        "name": finding.name,
        "status": finding.status.value,
        "verdict": finding.verdict.value,
        "harmless": finding.verdict.is_harmless,
        "recorded_version": finding.recorded_version,
        "code_version": finding.code_version,
        "step_id": finding.step_id,
        "expected": finding.expected,
        "found": finding.found,
        "where": finding.where,
        "unasked": list(finding.unasked),
    }


def _show(report: CheckReport) -> None:
    if not report.checked:
        say("no unfinished workflows")
        return
    rows = [
        (cell(verdict.value, style="" if verdict.is_harmless else "bold red"), cell(count))
        for verdict, count in report.counts.items()
    ]
    show(table("verdict", "workflows", rows=rows))
    serious = sorted(report.findings, key=lambda finding: finding.verdict.is_harmless)
    if serious:
        show("", _facts(serious[:_MANY]))
    if len(serious) > _MANY:
        say(f"{len(serious) - _MANY} more: --json lists all")


def _facts(findings: Iterable[Finding]) -> Table:
    rows = []
    for finding in findings:
        told = cell(f"{finding.name} is {finding.status.value}", length=300)
        for label, value in (
            ("recorded", finding.expected),
            ("the code", finding.found),
            ("not asked for", ", ".join(finding.unasked)),
            ("at", finding.where),
        ):
            if value:
                told.append(f"\n{label}: ", style="dim").append_text(cell(value, length=400))
        style = "" if finding.verdict.is_harmless else "bold red"
        rows.append((cell(finding.verdict.value, style=style), cell(finding.workflow_id, length=600), told))
    return table("verdict", "id", "what", rows=rows, wrap=("id", "what"))
