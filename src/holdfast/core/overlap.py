"""What becomes of a tick while the schedule's earlier workflow has not ended: the overlap policies as one decision."""

from __future__ import annotations

from holdfast.core.data import dataclass
from holdfast.core.model import Status
from holdfast.core.schedule import Overlap

_GOES_ON = frozenset({Status.ENQUEUED, Status.RUNNING, Status.SUSPENDED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a workflow of the schedule stands."""

    workflow_id: str
    status: Status
    epoch: int

    @property
    def goes_on(self) -> bool:
        """It has not ended, and no person is needed for it to: one set aside keeps nobody waiting."""
        return self.status in _GOES_ON

    @property
    def is_held(self) -> bool:
        """It was never begun, because it waits for another one's end."""
        return self.status is Status.SUSPENDED and self.epoch == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to do with one tick, in the order of the fields."""

    release: str | None = None
    """A held workflow that nothing keeps any more."""
    cancel: tuple[str, ...] = ()
    terminate: tuple[str, ...] = ()
    skip: bool = False
    behind: str | None = None
    """Hold the tick's workflow until this one has ended."""
    current_id: str | None = None
    held_id: str | None = None
    """The two as they are before the tick's own workflow takes its place."""


def plan(overlap: Overlap, current: Standing | None, held: Standing | None) -> Plan:
    """Decide about one tick. `current` is the schedule's latest workflow, `held` the one that waits for it."""
    current, held, release = _settled(current, held)
    current_id = None if current is None else current.workflow_id
    held_id = None if held is None else held.workflow_id
    others = tuple(each for each in (held_id, current_id) if each is not None)
    match overlap:
        case Overlap.ALLOW:
            return Plan(release=release, current_id=current_id, held_id=held_id)
        case Overlap.CANCEL_OTHER:
            return Plan(release=release, cancel=others, behind=current_id, current_id=current_id)
        case Overlap.TERMINATE_OTHER:
            return Plan(release=release, terminate=others)
        case Overlap.BUFFER_ONE if held_id is None:
            return Plan(release=release, behind=current_id, current_id=current_id)
        case _:
            return Plan(release=release, skip=bool(others), current_id=current_id, held_id=held_id)


def _settled(current: Standing | None, held: Standing | None) -> tuple[Standing | None, Standing | None, str | None]:
    """Forget what has ended, and move a held one up whose turn has come; the last value is one to be let go."""
    if current is not None and not current.goes_on:
        current = None
    if held is None or not held.goes_on:
        return current, None, None
    if held.is_held and current is not None:
        return current, held, None
    return held, None, held.workflow_id if held.is_held else None
