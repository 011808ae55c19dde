"""A journal as a tree: branches as they ran side by side, each operation with its duration and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from rich.text import Text
from rich.tree import Tree

from holdfast.cli.documents import error_phrase
from holdfast.cli.output import duration, iso, status_cell
from holdfast.cli.text import one_line
from holdfast.core.model import Checkpoint, Kind, WorkflowRecord

ACCOMPANYING = frozenset({Kind.TIMER, Kind.BRANCH})
"""Kinds that say nothing to a reader who does not debug the engine."""
_WORDS = {
    Kind.STEP: "",
    Kind.TRANSACTION: "transaction",
    Kind.INTENT: "began, outcome unknown",
    Kind.CHILD: "child",
    Kind.START: "started",
    Kind.RESULT: "result of a workflow",
    Kind.SEND: "sent",
    Kind.RECEIVE: "received",
    Kind.SLEEP: "until",
    Kind.EVENT: "event set",
    Kind.GET_EVENT: "event read",
    Kind.STREAM: "stream",
    Kind.CANCEL: "cancelled here",
    Kind.UNDO: "undoing begins",
    Kind.ON_UNDO: "to undo, if it comes to that",
    Kind.SKIPPED: "settled by a person, not undone",
}
_EXCERPT = 120
_WORTH_TELLING = 0.0005
"""Seconds; what is recorded without being waited for took none."""


def visible(journal: Iterable[Checkpoint], *, everything: bool = False) -> list[Checkpoint]:
    """Choose the checkpoints that a reader cares for, in the order of recording."""
    recorded = list(journal)
    settled = {checkpoint.name for checkpoint in recorded if checkpoint.kind is not Kind.INTENT}
    return [
        checkpoint
        for checkpoint in recorded
        if everything
        or not (checkpoint.kind in ACCOMPANYING or (checkpoint.kind is Kind.INTENT and checkpoint.name in settled))
    ]


def tree(label: Text, journal: Sequence[Checkpoint], children: Sequence[WorkflowRecord] = ()) -> Tree:
    """Draw a journal, with the workflows that it started."""
    root = Tree(label, guide_style="dim")
    branches: dict[str, Tree] = {"": root}
    for checkpoint in journal:
        _branch(branches, checkpoint.branch).add(line(checkpoint))
    for child in children:
        row = Text("⤷ ", style="dim") + status_cell(child.status.value)
        root.add(row.append(f" {one_line(child.name)}  ").append(one_line(child.workflow_id), style="dim"))
    return root


def line(checkpoint: Checkpoint) -> Text:
    """Write one operation as a line."""
    failed = checkpoint.error is not None
    made = Text("✗ " if failed else "✓ ", style="red" if failed else "green", no_wrap=True, overflow="ellipsis")
    made.append(one_line(_own_id(checkpoint)), style="default")
    word = _WORDS.get(checkpoint.kind, checkpoint.kind.value)
    if word:
        made.append(f"  {word}", style="cyan")
    taken = checkpoint.finished_at - checkpoint.started_at
    if checkpoint.started_at and taken >= _WORTH_TELLING:
        made.append(f"  {duration(taken)}", style="dim")
    if checkpoint.attempts > 1:
        made.append(f"  {checkpoint.attempts} attempts", style="yellow")
    if failed:
        made.append(f"  {one_line(error_phrase(checkpoint.error), length=_EXCERPT)}", style="red")
    elif checkpoint.kind is Kind.SLEEP:
        made.append(f" {_until(checkpoint.output)}", style="default")
    elif checkpoint.kind is Kind.ATTRIBUTES:
        made.append(f"  → {one_line(_attributes(checkpoint.output), length=_EXCERPT)}", style="default")
    elif checkpoint.output not in {None, "null"}:
        made.append(f"  → {one_line(checkpoint.output or '', length=_EXCERPT)}", style="default")
    return made


def _until(output: str | None) -> str:
    try:
        return iso(float(output or "")) or ""
    except ValueError:
        return one_line(output or "")


def _attributes(output: str | None) -> str:
    try:
        texts: dict[str, str | None] = json.loads(output or "{}")
        return ", ".join(f"{name}={text}" for name, text in texts.items())
    except (ValueError, AttributeError):
        return output or ""


def _branch(branches: dict[str, Tree], path: str) -> Tree:
    if path not in branches:
        parent, _, name = path.rpartition("/")
        branches[path] = _branch(branches, parent).add(Text(f"║ {one_line(name)}", style="dim"))
    return branches[path]


def _own_id(checkpoint: Checkpoint) -> str:
    """Return the step's id without its branch; the first of a name goes by the name alone."""
    return checkpoint.step_id.removeprefix(f"{checkpoint.branch}/").removesuffix("#1")
