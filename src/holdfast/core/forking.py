"""What of a journal a fork takes over. Pure.

A fork replays what was recorded before one place by `seq`, and runs the rest anew. What accompanies an operation (a
wait's end, an at-most-once step's intent) is taken over with it or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from holdfast.core.archive import Contents, StoredItem
from holdfast.core.model import Checkpoint, Kind
from holdfast.core.replay import CANCEL_ID, UNASKED_ID, version_mark
from holdfast.errors import UsageError

_ACCOMPANIES = frozenset({Kind.TIMER, Kind.INTENT})
_HAS_VALUE = frozenset({Kind.STEP, Kind.TRANSACTION, Kind.CHILD, Kind.RESULT, Kind.RECEIVE, Kind.GET_EVENT})
"""What has an outcome that somebody else may give instead."""
_MARKS = frozenset({*_ACCOMPANIES, Kind.CANCEL, Kind.VERSION, Kind.BRANCH, Kind.PATCH})


def place(journal: Sequence[Checkpoint], from_step: str | int | None, edited: Iterable[str]) -> int:
    """Return the `seq` of the first checkpoint that is not taken over. Raises `UsageError` for unknown steps."""
    by_id = {checkpoint.step_id: checkpoint for checkpoint in journal}
    for step_id in edited:
        if step_id not in by_id or by_id[step_id].kind not in _HAS_VALUE:
            raise UsageError(f"the journal has no outcome of {step_id!r} that could be replaced; {_known(journal)}")
    last_edited = max((by_id[step_id].seq for step_id in edited), default=0)
    if from_step is None:
        return last_edited + 1
    before = _seq(journal, by_id, from_step)
    if last_edited >= before:
        raise UsageError(
            f"only outcomes recorded before {from_step!r} are taken over and can be replaced; "
            "to go on after a replaced one, leave out from_step"
        )
    return before


def _seq(journal: Sequence[Checkpoint], by_id: Mapping[str, Checkpoint], from_step: str | int) -> int:
    if isinstance(from_step, str):
        if from_step in by_id:
            return by_id[from_step].seq
        raise UsageError(f"the journal has no step {from_step!r}; {_known(journal)}")
    end = max((each.seq for each in journal), default=0) + 1
    if 1 <= from_step <= end:
        return from_step
    raise UsageError(f"the journal has places from 1 to {end}, which is its end; not {from_step}")


def _known(journal: Sequence[Checkpoint]) -> str:
    steps = [each.step_id for each in journal if each.kind not in _MARKS]
    more = f" and {len(steps) - 20} more" if len(steps) > 20 else ""  # noqa: PLR2004 - what fits in a message
    return f"it has {', '.join(map(repr, steps[:20])) or 'no steps'}{more}"


def taken_over(journal: Sequence[Checkpoint], before: int, *, still_begun: str | None = None) -> list[Checkpoint]:
    """Return what a fork begins with: all recorded before `before`.

    The intent of the at-most-once step `still_begun` is taken over without its outcome.
    """
    kept = [each for each in journal if each.seq < before and each.kind not in _ACCOMPANIES]
    owners = {each.step_id for each in kept}
    along = [
        each
        for each in journal
        if each.kind in _ACCOMPANIES and (owner := each.step_id.rpartition(":")[0]) in owners | {still_begun}
        and (each.seq < before or owner == still_begun)
    ]  # fmt: skip
    everything = [each for each in (*kept, *along) if each.step_id != UNASKED_ID]
    return sorted(everything, key=lambda each: (each.seq, each.step_id))


def with_outcomes(
    journal: Sequence[Checkpoint], outcomes: Mapping[str, tuple[str | None, str | None]]
) -> list[Checkpoint]:
    """Replace outcomes, each by an (output, error)."""
    edited = []
    for each in journal:
        if each.step_id in outcomes:
            output, error = outcomes[each.step_id]
            edited.append(replace(each, output=output, error=error, attempts=1, attempt_errors=None))
        else:
            edited.append(each)
    return edited


def without_arguments(journal: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Let outcomes be taken whatever arguments their operations are asked for with; their order still counts."""
    return [each if each.kind is Kind.CANCEL else replace(each, digest="") for each in journal]


def recorded_by(journal: Sequence[Checkpoint], version: str) -> list[Checkpoint]:
    """Say that a journal which is to go on under another version was recorded by this one."""
    if not journal or journal[0].step_id.startswith(version_mark("")[:-1]):
        return list(journal)
    at = journal[0].started_at
    mark = Checkpoint(
        step_id=version_mark(version),
        branch="",
        name="$version",
        kind=Kind.VERSION,
        seq=0,
        output="{}",
        started_at=at,
        finished_at=at,
    )
    return [mark, *journal]


def failure(journal: Sequence[Checkpoint], errors: Mapping[str, object], error: Sequence[object]) -> Checkpoint | None:
    """Find what failed a workflow: the latest recorded error among `error` and its causes, else an error at the end.

    `errors` names the error of each checkpoint that has one. None: the workflow's own code failed.
    """
    found = [each for each in journal if each.error is not None and errors.get(each.step_id) in error]
    if found:
        return max(found, key=lambda each: each.seq)
    operations = [each for each in journal if each.kind not in _MARKS]
    last = max(operations, key=lambda each: each.seq, default=None)
    return last if last is not None and last.error is not None else None


def cancellation(journal: Sequence[Checkpoint]) -> Checkpoint | None:
    """Find the place at which a cancellation was raised."""
    return next((each for each in journal if each.step_id == CANCEL_ID), None)


def left_behind(contents: Contents, workflow_id: str, journal: Sequence[Checkpoint]) -> Contents:
    """Return what the operations that are taken over have published: events, streams, attributes.

    An event that was set again later is not known as it was, and comes when the code sets it again.
    """
    known = {each.step_id for each in journal}
    events = tuple(each for each in contents.events if _owner(each.write_id, workflow_id, "/event:") in known)
    items: list[StoredItem] = []
    offset: dict[str, int] = {}
    for item in contents.stream_items:
        if _owner(item.write_id, workflow_id, ":") in known:
            offset[item.stream] = offset.get(item.stream, -1) + 1
            items.append(replace(item, offset=offset[item.stream]))
    attributes: dict[str, str | None] = {}
    for each in journal:
        if each.kind is Kind.ATTRIBUTES and each.output is not None:
            attributes.update(json.loads(each.output))
    kept = tuple((name, value) for name, value in sorted(attributes.items()) if value is not None)
    return Contents(journal=tuple(journal), events=events, stream_items=tuple(items), attributes=kept)


def _owner(write_id: str, workflow_id: str, mark: str) -> str:
    """Return the operation that made a write: of workflow code its own id, of a step what its key begins with."""
    prefix = f"{workflow_id}:"
    return write_id.removeprefix(prefix).rpartition(mark)[0] if write_id.startswith(prefix) else write_id
