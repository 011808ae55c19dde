"""A workflow's journal as replay reads it: what was recorded for an operation, and whether the code still asks for it.

Pure. It decides nothing but match, miss or mismatch; what follows from it is the caller's.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.core.model import Checkpoint, Kind

_AUXILIARY = frozenset({Kind.TIMER, Kind.INTENT, Kind.CANCEL, Kind.BRANCH})
"""Kinds that accompany an operation: no code asks for them in turn."""

CANCEL_ID = "$cancel"
"""The identity of the checkpoint that says where a cancellation was raised."""


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
        for checkpoint in self._recorded.values():
            self.last_seq = max(self.last_seq, checkpoint.seq)
            if checkpoint.kind not in _AUXILIARY and not _is_keyed(checkpoint):
                self._due[checkpoint.branch].append(checkpoint)

    def __len__(self) -> int:
        return len(self._recorded)

    def find(self, step_id: str) -> Checkpoint | None:
        """Look up an auxiliary checkpoint, without holding the code to anything."""
        return self._recorded.get(step_id)

    def take(self, operation: Operation) -> Checkpoint | None:
        """Return what was recorded for the operation, or None if it is new. Raises `Mismatch`."""
        if not self._recorded:
            return None
        recorded = self._recorded.get(operation.step_id)
        if recorded is None:
            self._refuse_replacement(operation)
            return None
        if recorded.kind is not operation.kind or (self._strict and _differ(recorded.digest, operation.digest)):
            raise Mismatch(expected=describe(recorded), found=describe(operation), step_id=operation.step_id)
        self._taken.add(operation.step_id)
        return recorded

    def finish(self) -> None:
        """Say that the code has returned. Raises `Mismatch` if the root branch had more recorded."""
        if not self._recorded or not self._strict:
            return
        expected = self._next_due("")
        if expected is not None:
            raise Mismatch(expected=describe(expected), found="the end of the workflow", step_id=expected.step_id)

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


def describe(operation: Operation | Checkpoint) -> str:
    """Name an operation for a person: its kind, identity and the fingerprint of its arguments."""
    arguments = f" with arguments {operation.digest}" if operation.digest else ""
    return f"{operation.kind} {operation.step_id!r}{arguments}"


def _differ(recorded: str, asked: str) -> bool:
    return bool(recorded and asked) and recorded != asked


def _is_keyed(checkpoint: Checkpoint) -> bool:
    return checkpoint.step_id.endswith("]")
