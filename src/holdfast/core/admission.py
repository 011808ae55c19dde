"""Who may start from a queue: limits against what is counted, and fair turns between partitions. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from holdfast.core.data import dataclass
from holdfast.core.queues import Queue

Candidate = tuple[str, str]
"""A workflow's id and the partition that it was started in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What is counted of a queue when its row is locked."""

    running: int
    mine: int
    """Those that run in the worker that claims."""
    kept: int
    """Those that keep their place while nobody runs them: suspended, or left by a dead worker."""
    started: int
    """Starts within the rate's period."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionLoad:
    """What is counted of one partition."""

    held: int
    started: int


_NOTHING = PartitionLoad(held=0, started=0)


class Room:
    """What a queue's limits leave to one worker; shrinks with every workflow that is let in."""

    def __init__(self, queue: Queue, load: Load, partitions: Mapping[str, PartitionLoad]) -> None:
        self.queue = queue
        self._load, self._partitions = load, partitions
        self._let_in = self._started = self._taken = 0
        self._let_in_of: defaultdict[str, int] = defaultdict(int)
        self._started_of: defaultdict[str, int] = defaultdict(int)

    def to_return(self) -> int | None:
        """Tell how many that have begun may go on; None: no limit. Those that kept their place need no other."""
        return _least(self._worker_room(), None if self.queue.hold_while_suspended else self._places())

    def to_start(self) -> int | None:
        """Tell how many may start; None: no limit."""
        rate = self.queue.rate
        by_rate = None if rate is None else max(0, rate.limit - self._load.started - self._started)
        return _least(self._worker_room(), self._places(), by_rate)

    def _worker_room(self) -> int | None:
        limit = self.queue.worker_concurrency
        return None if limit is None else max(0, limit - self._load.mine - self._taken)

    def _places(self) -> int | None:
        limit = self.queue.concurrency
        return None if limit is None else max(0, limit - self._load.running - self._load.kept - self._let_in)

    def places_of(self, partition: str) -> int | None:
        """Tell how many of a partition may run besides those that do."""
        limit = self.queue.partition_concurrency
        held = self._partitions.get(partition, _NOTHING).held + self._let_in_of[partition]
        return None if limit is None else max(0, limit - held)

    def starts_of(self, partition: str) -> int | None:
        """Tell how many of a partition may start."""
        rate = self.queue.partition_rate
        started = self._partitions.get(partition, _NOTHING).started + self._started_of[partition]
        return _least(self.places_of(partition), None if rate is None else max(0, rate.limit - started))

    def without_places(self) -> list[str]:
        """List the partitions in which none that has begun may go on."""
        if self.queue.hold_while_suspended:
            return []
        return [key for key in self._known_partitions() if self.places_of(key) == 0]

    def without_starts(self) -> list[str]:
        """List the partitions in which none may start."""
        return [key for key in self._known_partitions() if self.starts_of(key) == 0]

    def _known_partitions(self) -> list[str]:
        return sorted({*self._partitions, *self._let_in_of, *self._started_of})

    def choose_returning(self, candidates: Sequence[Candidate], limit: int) -> list[Candidate]:
        """Choose from those that have begun, in their order."""
        most = limit if (room := self.to_return()) is None else min(limit, room)
        left: dict[str, int | None] = {}
        chosen: list[Candidate] = []
        for candidate in candidates:
            if len(chosen) == most:
                break
            partition = candidate[1]
            places = None if self.queue.hold_while_suspended else left.setdefault(partition, self.places_of(partition))
            if places == 0:
                continue
            if places is not None:
                left[partition] = places - 1
            chosen.append(candidate)
        return chosen

    def choose_starting(self, line: Sequence[Candidate], limit: int) -> list[Candidate]:
        """Choose from the heads of partitions, each in its own order: one of each partition in turn."""
        most = limit if (room := self.to_start()) is None else min(limit, room)
        waiting: defaultdict[str, list[Candidate]] = defaultdict(list)
        for candidate in line:
            waiting[candidate[1]].append(candidate)
        lines = [entries[: self.starts_of(partition)] for partition, entries in waiting.items()]
        chosen: list[Candidate] = []
        turn = 0
        while len(chosen) < most and (lines := [entries for entries in lines if len(entries) > turn]):
            chosen += [entries[turn] for entries in lines]
            turn += 1
        return chosen[:most]

    def let_return(self, admitted: Sequence[Candidate]) -> None:
        """Count those that go on."""
        self._taken += len(admitted)
        if not self.queue.hold_while_suspended:
            self._let_in += len(admitted)
            for _, partition in admitted:
                self._let_in_of[partition] += 1

    def let_start(self, admitted: Sequence[Candidate]) -> None:
        """Count those that start."""
        self._taken += len(admitted)
        self._let_in += len(admitted)
        self._started += len(admitted)
        for _, partition in admitted:
            self._let_in_of[partition] += 1
            self._started_of[partition] += 1


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
