"""Whom a worker's death is blamed on, and what becomes of the workflows that it ran. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from holdfast.core.data import dataclass
from holdfast.core.model import Status
from holdfast.store.writes import TakeOver


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one workflow of a worker that died."""

    workflow_id: str
    status: Status
    crashes: int

    @property
    def wake_at(self) -> float | None:
        """When it is due: before all that was never begun."""
        return None if self.status is Status.DEAD else 0.0


def fates(write: TakeOver, running: Sequence[tuple[str, int]]) -> list[Fate]:
    """Decide about all that a dead worker ran: ids, and how often each had crashed before.

    Also those beside its suspect are blamed: else one that kills would be spared as long as there are innocent suspects
    to run beside. A worker has one suspect at a time, so no more than one comes to `crash_limit` with a death.
    """

    def fate(workflow_id: str, crashes: int) -> Fate:
        crashes += write.blame
        is_dead = write.blame and len(running) == 1 and crashes >= write.crash_limit
        return Fate(workflow_id, Status.DEAD if is_dead else Status.ENQUEUED, crashes)

    return [fate(workflow_id, crashes) for workflow_id, crashes in running]


def crash_report(crashes: int, worker_id: str) -> str:
    """Say why a workflow is dead, as JSON."""
    times = "once" if crashes == 1 else f"{crashes} times"
    return json.dumps(
        {"reason": f"its worker died {times} while it was running", "crashes": crashes, "last_worker": worker_id}
    )
