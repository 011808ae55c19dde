"""Replaying one recorded journal against today's code, as a regression test does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from holdfast.api.app import Holdfast
from holdfast.api.decorators import definition_of
from holdfast.api.registry import registry
from holdfast.core.codec import Codec
from holdfast.core.findings import Finding
from holdfast.core.model import Checkpoint, Claimed, Kind, Status, WorkflowRecord
from holdfast.core.options import Config, Duration, seconds
from holdfast.errors import UsageError
from holdfast.runtime.dry_run import DryEngine, examine

R = TypeVar("R", WorkflowRecord, Checkpoint)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RecordedHistory:
    """One workflow of an exported file; its text names both, as the id of a test."""

    file: Path
    document: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.file.name}:{self.document['workflow']['workflow_id']}"


History = tuple[WorkflowRecord, Sequence[Checkpoint]] | Mapping[str, Any] | Path | RecordedHistory
"""A workflow with its journal: as records, as the JSON document of an export, or the file that holds one."""

_NEEDED = frozenset({"workflow_id", "name", "version", "input", "status", "step_id", "branch", "kind", "seq"})
"""Fields that a replay looks at. Others may be missing from what an older version exported."""


def replay(
    history: History,
    workflow: Callable[..., Any] | None = None,
    *,
    app: Holdfast | None = None,
    strict: bool | None = None,
    timeout: Duration = 10.0,
) -> Finding:
    """Replay a recorded journal against today's code, and tell where they part first.

    No step's body is run and nothing is written: each step gives what it gave then. `workflow` is the code; default:
    the workflow registered under the recorded name. Of an export of several workflows the first is replayed. `app` is
    asked for its payload codec and configuration, and need not be launched. With `strict` the code must ask for exactly
    what is recorded; by default it must if it has the recorded version, while another version may ask for new steps and
    leave old ones out, as in a deploy.

    The finding's `verdict` is `Verdict.OK` where nothing differs. Code that takes more than `timeout` seconds is
    `Verdict.UNCHECKED`. Raises `UsageError` if `history` is not a workflow with its journal, `ConfigurationError` if
    `workflow` is no workflow.
    """
    if app is None:
        config = Config()
        codec = Codec(max_bytes=config.max_payload, payload_codec=None, signatures=registry.signatures)
        engine = DryEngine(registry, config=config, codec=codec)
    else:
        engine = DryEngine(registry, config=app.config, codec=app.codec, extensions=app.extensions)
    definition = None if workflow is None else definition_of(workflow)
    return examine(engine, _claimed(history), definition=definition, strict=strict, timeout=seconds(timeout))


def histories(folder: Path) -> list[RecordedHistory]:
    """List every workflow in the exports (`*.json`) of a folder and of those below it, in the order of their names.

    For pytest: `@pytest.mark.parametrize("history", histories(FOLDER), ids=str)`. Raises `UsageError` for a folder
    without any, which would test nothing, and for a file that is no export.
    """
    found = [each for file in sorted(folder.rglob("*.json")) for each in _workflows(file)]
    if not found:
        raise UsageError(f"there is no exported workflow in {folder}: write app.admin.export(…) to a .json file there")
    return found


def _workflows(file: Path) -> list[RecordedHistory]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        single = [document] if "workflow" in document else document["workflows"]
        found = [RecordedHistory(file=file, document=each) for each in single]
        for each in found:
            str(each)
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(f"{file} is no export of workflows: {type(error).__name__}: {error}") from error
    return found


def _claimed(history: History) -> Claimed:
    if isinstance(history, tuple):
        return Claimed(record=history[0], journal=tuple(history[1]))
    if isinstance(history, RecordedHistory):
        history = history.document
    try:
        document = json.loads(history.read_text(encoding="utf-8")) if isinstance(history, Path) else history
        if "workflows" in document:
            document = document["workflows"][0]
        record = _record(WorkflowRecord, {**document["workflow"], "status": Status(document["workflow"]["status"])})
        journal = [_record(Checkpoint, {**each, "kind": Kind(each["kind"])}) for each in document["journal"]]
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(
            "replay() takes an exported workflow: a document with `workflow` and `journal`, whose fields are those of "
            f"WorkflowRecord and Checkpoint. This is none: {type(error).__name__}: {error}"
        ) from error
    return Claimed(record=record, journal=tuple(journal))


def _record(kind: type[R], fields: Mapping[str, Any]) -> R:
    """Make a record of those of the fields that it has: an export may hold more."""
    known = {field.name for field in dataclasses.fields(kind)}
    absent = {
        field.name: None
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.name not in _NEEDED
    }
    return kind(**{**absent, **{name: value for name, value in fields.items() if name in known}})
