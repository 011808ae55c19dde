"""Workflows whose code has changed: which versions recorded a journal, what a patch decides, what is left unasked for.

All of it is marks in the journal. They ride along with other writes, and no code asks for them in turn, so that code
without them replays the same journal.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from holdfast.core.identity import check_name
from holdfast.core.model import Kind
from holdfast.core.replay import UNASKED_ID, Operation, version_mark
from holdfast.runtime.context import current, workflow_frame

if TYPE_CHECKING:
    from holdfast.runtime.execution import Execution

log = logging.getLogger("holdfast.workflow")


def note_version(execution: Execution, recorded_version: str) -> None:
    """Mark, once for each version, that the code which goes on is not what the workflow was started with."""
    version = execution.definition.version
    if version == recorded_version or execution.journal.find(version_mark(version)) is not None:
        return
    mark = Operation(step_id=version_mark(version), branch="", name="$version", kind=Kind.VERSION)
    execution.record(mark, output=json.dumps({"version": version, "started under": recorded_version}))


def note_unasked(execution: Execution) -> None:
    """At the end of a workflow whose code has changed: record and report what that code did not ask for."""
    journal = execution.journal
    left = [] if journal.is_strict else journal.unasked()
    if not left:
        return
    names = [checkpoint.step_id for checkpoint in left]
    mark = Operation(step_id=UNASKED_ID, branch="", name=UNASKED_ID, kind=Kind.VERSION)
    execution.record(mark, output=json.dumps(names))
    log.warning(
        "workflow %s (%s) ended under version %s, which did not ask for what was recorded before: %s",
        execution.workflow_id,
        execution.definition.name,
        execution.definition.version,
        ", ".join(names),
        extra={"action": "unasked_steps"},
    )


def patched(name: str) -> bool:
    """Tell whether workflow code is to take its new path here: false where the old one was recorded.

    The first call in a branch decides for that branch and those that it opens afterwards: false if more is recorded in
    it than was asked for so far, since then the code without the patch recorded it; else what the branch around it
    decided; else true. The answer is recorded, and the same at every replay. It costs no commit of its own. Outside a
    workflow it is true.

    Raises `UsageError` in a step: ask before it.
    """
    check_name("a patch", name)
    if current.get() is None:
        return True
    frame = workflow_frame("patched()")
    return frame.execution.patched(frame.branch, name)
