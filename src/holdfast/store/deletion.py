"""Which of the workflows that are to be deleted can be: the same decision on both databases. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from holdfast.core.data import dataclass
from holdfast.core.management import DELETABLE
from holdfast.core.model import Status

_DELETABLE = frozenset(DELETABLE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of `deletable`: a workflow in the tree below one that was asked for."""

    root: str
    workflow_id: str
    status: Status
    parent_id: str | None
    parent_status: Status | None
    """None: it has no parent, or that one is gone."""
    waiter_id: str | None

    @classmethod
    def of(cls, row: Sequence[str | None]) -> Candidate:
        """Make one from a row."""
        root, workflow_id, status, parent_id, parent_status, waiter_id = row
        return cls(
            str(root),
            str(workflow_id),
            Status(status or ""),
            parent_id,
            None if parent_status is None else Status(parent_status),
            waiter_id,
        )


def decide(wanted: Sequence[str], rows: Iterable[Sequence[str | None]]) -> tuple[list[str], dict[str, str]]:
    """Return the workflows to delete, by id, and why others that were asked for are kept."""
    trees: defaultdict[str, list[Candidate]] = defaultdict(list)
    for row in rows:
        candidate = Candidate.of(row)
        trees[candidate.root].append(candidate)
    kept: dict[str, str] = {}
    for root in wanted:
        reason = next(filter(None, (_obstacle(root, each) for each in trees[root])), None)
        if reason is not None:
            kept[root] = reason
    # A parent that is set aside may be deleted with its children; one that is kept keeps them.
    while True:
        going = {each.workflow_id for root in wanted if root not in kept for each in trees[root]}
        stuck = {
            root: f"its parent {each.parent_id!r} has no outcome, and may go on and ask for it"
            for root in wanted
            if root not in kept
            for each in trees[root]
            if each.parent_status is not None and not each.parent_status.is_terminal and each.parent_id not in going
        }
        if not stuck:
            return sorted(going), kept
        kept |= stuck


def _obstacle(root: str, candidate: Candidate) -> str | None:
    who = "it" if candidate.workflow_id == root else f"its descendant {candidate.workflow_id!r}"
    if candidate.status not in _DELETABLE:
        return f"{who} is {candidate.status}"
    if candidate.waiter_id is not None:
        return f"workflow {candidate.waiter_id!r} waits for {'it' if who == 'it' else who}"
    return None
