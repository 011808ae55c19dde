"""A workflow's journal as replay reads it: what was recorded for an operation, and whether the code still asks for it.

Pure. It decides nothing but match, miss or mismatch; what follows from it is the caller's.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

from holdfast.core.data import dataclass
from holdfast.core.model import Checkpoint, Kind

_MARKS = frozenset({Kind.CANCEL, Kind.BRANCH, Kind.VERSION, Kind.PATCH, Kind.UNDO, Kind.SKIPPED})
"""Kinds that note something about the workflow."""
AUXILIARY = frozenset({Kind.TIMER, Kind.INTENT}) | _MARKS
"""Kinds that no code asks for in turn: marks, and what accompanies an operation, named `step_id:what`."""

CANCEL_ID = "$cancel"
"""The identity of the checkpoint that says where a cancellation was raised."""
UNDO_ID = "$undo"
"""The identity of the checkpoint that says that undoing has begun."""
UNDO_BRANCH = "$undo"
"""Where undo steps are recorded: the engine asks for them, not the code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """What the code asks for."""

    step_id: str
    branch: str
    name: str
    kind: Kind
    digest: str = ""
    keyed: bool = False


class Mismatch(Exception):
    """The code asks for something else than was recorded."""

    def __init__(self, *, expected: str, found: str, step_id: str) -> None:
        self.expected, self.found, self.step_id = expected, found, step_id
        super().__init__(f"recorded: {expected}; the code asks for: {found}")


class Journal:
    """The recorded checkpoints of one workflow.

    `strict` holds the code to them: a recorded operation left out, another one in its place, or other arguments are a
    `Mismatch`. Without it, operations match by identity alone and what is new simply runs. Not thread-safe.
    """

    def __init__(self, checkpoints: Iterable[Checkpoint] = (), *, strict: bool = True) -> None:
        self._strict = strict
        self.last_seq = 0
        self._recorded = {checkpoint.step_id: checkpoint for checkpoint in checkpoints}
        if not self._recorded:
            return  # nearly all are: nothing was recorded before the first execution
        self._due: dict[str, deque[Checkpoint]] = defaultdict(deque)
        self._taken: set[str] = set()
        """What was asked for."""
        self._has_new = False
        """Something was asked for that is not recorded."""
        self._reached: defaultdict[str, int] = defaultdict(int)
        """The latest that was asked for in each branch, by its place in the order of recording."""
        for checkpoint in self._recorded.values():
            self.last_seq = max(self.last_seq, checkpoint.seq)
            if checkpoint.kind not in AUXILIARY and not _is_keyed(checkpoint):
                self._due[checkpoint.branch].append(checkpoint)

    def __len__(self) -> int:
        return len(self._recorded)

    def find(self, step_id: str) -> Checkpoint | None:
        """Look up an auxiliary checkpoint, without holding the code to anything."""
        return self._recorded.get(step_id)

    def of_kind(self, kind: Kind) -> list[Checkpoint]:
        """Look up all checkpoints of an auxiliary kind."""
        if not self._recorded:
            return []
        return [checkpoint for checkpoint in self._recorded.values() if checkpoint.kind is kind]

    def take(self, operation: Operation) -> Checkpoint | None:
        """Return what was recorded for the operation, or None if it is new. Raises `Mismatch`."""
        if not self._recorded:
            return None
        recorded = self._recorded.get(operation.step_id)
        if recorded is None:
            self._refuse_replacement(operation)
            self._taken.add(operation.step_id)
            self._has_new = True
            return None
        if recorded.kind is not operation.kind or (self._strict and _differ(recorded.digest, operation.digest)):
            raise Mismatch(expected=describe(recorded), found=describe(operation), step_id=operation.step_id)
        self._taken.add(operation.step_id)
        self._reached[operation.branch] = max(self._reached[operation.branch], recorded.seq)
        return recorded

    def finish(self) -> None:
        """Say that the code has returned. Raises `Mismatch` if the root branch had more recorded."""
        if not self._recorded or not self._strict:
            return
        expected = self._next_due("")
        if expected is not None:
            raise Mismatch(expected=describe(expected), found="the end of the workflow", step_id=expected.step_id)

    @property
    def is_strict(self) -> bool:
        """Whether the code is held to what is recorded, or only finds it by identity."""
        return self._strict

    def has_later(self, branch: str) -> bool:
        """Tell whether more is recorded, in a branch or those within it, than the code has asked for there so far.

        An operation that was begun counts too, where its beginning left a trace.
        """
        if not self._recorded:
            return False
        reached = self._reached[branch]
        return any(
            checkpoint.seq > reached and is_within(checkpoint.branch, branch) and self._is_owed(checkpoint)
            for checkpoint in self._recorded.values()
        )

    def unasked(self) -> list[Checkpoint]:
        """Return the recorded operations that the code has not asked for, in the order of recording."""
        recorded = self._recorded.values()
        asked = (each for each in recorded if each.kind not in AUXILIARY and each.branch != UNDO_BRANCH)
        return sorted((each for each in asked if each.step_id not in self._taken), key=lambda each: each.seq)

    def is_replayed_to(self, seq: int | None) -> bool:
        """Tell whether the code has come past all that was recorded before `seq`; None: past all that is recorded.

        If it is not held to that, to something new is far enough.
        """
        if not self._recorded or (self._has_new and not self._strict):
            return True
        return not any(seq is None or checkpoint.seq < seq for checkpoint in self.unasked())

    def _is_owed(self, checkpoint: Checkpoint) -> bool:
        if checkpoint.kind in _MARKS or checkpoint.branch == UNDO_BRANCH:
            return False
        asked_for = checkpoint.step_id
        if checkpoint.kind in AUXILIARY:
            asked_for = asked_for.rpartition(":")[0]
        return asked_for not in self._taken

    def _refuse_replacement(self, operation: Operation) -> None:
        if not self._strict or operation.keyed:
            return
        expected = self._next_due(operation.branch)
        if expected is not None:
            raise Mismatch(expected=describe(expected), found=describe(operation), step_id=operation.step_id)

    def _next_due(self, branch: str) -> Checkpoint | None:
        due = self._due.get(branch)
        while due and due[0].step_id in self._taken:
            due.popleft()
        return due[0] if due else None


def version_mark(version: str) -> str:
    """Name the checkpoint that says that another version than the workflow's own went on from there."""
    return f"$version[{version}]"


UNASKED_ID = "$unasked"
"""The identity of the checkpoint that lists what the version which ended the workflow did not ask for."""


def writers(version: str, checkpoints: Iterable[Checkpoint]) -> frozenset[str]:
    """Tell which versions recorded a journal: that of the workflow itself, and those that went on after it."""
    journal = sorted(checkpoints, key=lambda checkpoint: checkpoint.seq)
    marked = [each for each in journal if each.kind is Kind.VERSION and each.step_id != UNASKED_ID]
    later = {each.step_id.removeprefix("$version[").removesuffix("]") for each in marked}
    began = not journal or (bool(marked) and marked[0] is journal[0])
    return frozenset(later if began else later | {version})


def is_within(branch: str, outer: str) -> bool:
    """Tell whether a branch is another one or within it."""
    return not outer or branch == outer or branch.startswith(f"{outer}/")


def describe(operation: Operation | Checkpoint) -> str:
    """Name an operation for a person: its kind, identity and the fingerprint of its arguments."""
    arguments = f" with arguments {operation.digest}" if operation.digest else ""
    return f"{operation.kind} {operation.step_id!r}{arguments}"


def _differ(recorded: str, asked: str) -> bool:
    return bool(recorded and asked) and recorded != asked


def _is_keyed(checkpoint: Checkpoint) -> bool:
    return checkpoint.step_id.endswith("]")
