"""What the database has lost of what it had acknowledged to this process, told when it comes back.

A standby that is promoted may lack the last commits of the server that went away, and a restored backup lacks more. The
committer keeps its last batch that recorded something. Before it sends anything again after a failure, it looks for the
last entry of that batch: a database loses a tail, so that all before it is there if that one is. It costs a commit one
comparison, and a failure one read.

What this does not see: what only other processes were told, what a transaction of the application's committed by itself
(its writes and its outcome are lost together), and whatever a database loses while its connections stay whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Protocol

from holdfast.core.model import Fence
from holdfast.errors import StoreUnavailable
from holdfast.store.base import Store
from holdfast.store.writes import Claim, Committed, Create, Finish, Heartbeat, Record, Unit, Write

log = logging.getLogger("holdfast.losses")

LOOK_AT_MOST = 100
"""Entries and workflows that are looked for once something is known to be lost."""
DELETED_AFTER = 60.0
"""Seconds after which a workflow that is not there any more may have ended and been deleted by somebody."""


class InMemory(Protocol):
    """A workflow in the memory of this process."""

    workflow_id: str

    @property
    def fence(self) -> Fence:
        """The epoch in which it runs here."""


class Losses:
    """Belongs to the committer, which calls it from whatever thread has its turn."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._units: Sequence[Unit] = ()
        self._committed: Committed | None = None
        self._at = 0.0
        self._in_doubt = False
        self.running: Callable[[], Sequence[InMemory]] = tuple
        """The workflows in memory; the engine's."""
        self.count = 0
        """How often the database was found to have lost something."""

    def acknowledged(self, units: Sequence[Unit], committed: Committed) -> None:
        """Keep a batch that is committed, unless it is of the worker's own life alone."""
        if len(units) == 1 and isinstance(units[0].writes[0], Heartbeat | Claim):
            return
        self._units, self._committed, self._at = units, committed, monotonic()

    def failed(self) -> None:
        """Take note that the database did not answer: when it does again, it may be another one."""
        self._in_doubt = True

    def look(self) -> None:
        """See whether the kept batch is there still, once after each failure. Never raises `StoreUnavailable`."""
        if not self._in_doubt:
            return
        try:
            entries = list(self._entries())
            if entries and self._is_lost(*entries[-1]):
                self._tell(entries)
        except StoreUnavailable:
            return
        self._in_doubt = False

    def _tell(self, entries: Sequence[tuple[str, Write]]) -> None:
        lost = [_name(*entry) for entry in entries[-LOOK_AT_MOST:] if self._is_lost(*entry)]
        lost += [each for here in self.running()[:LOOK_AT_MOST] if (each := self._lost_claim(here)) is not None]
        self.count += 1
        log.error(
            "the database lost what it had acknowledged (a fail-over to a server that lagged behind, or a restored "
            "backup): %s. There may be more, also elsewhere. What was lost is done again where the workflow is "
            "still known; compare effects outside by their idempotency keys, and start again what is not there",
            "; ".join(dict.fromkeys(lost)),
            extra={"action": "database_lost_commits"},
        )
        self._units, self._committed = (), None

    def _entries(self) -> Iterator[tuple[str, Write]]:
        """Return what of the kept batch leaves a row that stays, each with its workflow's id."""
        if self._committed is None:
            return
        for unit, receipt in zip(self._units, self._committed.receipts, strict=True):
            for write in unit.writes if receipt.accepted else ():
                if isinstance(write, Create):
                    yield write.workflow.workflow_id, write
                elif isinstance(write, Record | Finish) and unit.fence is not None:
                    yield unit.fence.workflow_id, write

    def _is_lost(self, workflow_id: str, write: Write) -> bool:
        found = self._store.get_workflow(workflow_id)
        if found is None:
            return monotonic() - self._at < DELETED_AFTER
        match write:
            case Record(checkpoint=checkpoint):
                return all(each.step_id != checkpoint.step_id for each in self._store.journal(workflow_id))
            case Finish():
                return not found.status.is_terminal
            case _:
                return False

    def _lost_claim(self, here: InMemory) -> str | None:
        found = self._store.get_workflow(here.workflow_id)
        if found is None:
            return f"workflow {here.workflow_id}, which runs here"
        if found.epoch < here.fence.epoch:
            return f"the claim of workflow {here.workflow_id}, which runs here"
        return None


def _name(workflow_id: str, write: Write) -> str:
    match write:
        case Record(checkpoint=checkpoint):
            return f"the outcome of {checkpoint.step_id} of workflow {workflow_id}"
        case Finish():
            return f"the end of workflow {workflow_id}"
        case _:
            return f"the start of workflow {workflow_id}"
