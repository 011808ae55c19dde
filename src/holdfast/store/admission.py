"""Letting workflows in from queues: the same procedure for both stores, inside the transaction of a claim.

    open_queues        which queues have something due: one look into an index for each
    lock_queues        one claim at a time for each of them; what is counted from here on stays true until the commit
    *_loads            what runs, and what has started within the rates' periods
    returning          those that have begun (woken, or left by a dead worker) go before those that have not
    waiting_partitions from the partition after the one that was let in last, all around
    heads_of_lines     the first few of each; `holdfast.core.admission` chooses one of each in turn

The time is read after the locks, so that a start is never recorded before one that was let in earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from holdfast.core.admission import Candidate, Load, PartitionLoad, Room
from holdfast.core.queues import Queue
from holdfast.store.rows import pinned_values, queue_of
from holdfast.store.writes import Claim

DELAYED_AT_ONCE = 1000
"""How many delayed ones line up in one claim."""


class Gate(Protocol):
    """What a store does for admission, inside its transaction."""

    @property
    def bound_now(self) -> float | None:
        """The time that the first look goes by; None: the database's clock."""

    def rows(self, query: str, /, **values: Any) -> Sequence[tuple[Any, ...]]:
        """Run a named query."""

    def run(self, query: str, /, **values: Any) -> None:
        """Run a named statement that gives no rows."""

    def texts(self, texts: Iterable[str]) -> Any:
        """Bind many texts as one value."""

    def take(self, claim: Claim, workflow_ids: Sequence[str]) -> set[str]:
        """Give workflows to the claiming worker; return those that could be had."""


def admit(gate: Gate, claim: Claim, open_queues: Sequence[str]) -> list[str]:
    """Let in up to `claim.queue_limit` workflows from queues in which something is due; no queue starves another."""
    lines = _lines(gate, claim, open_queues) if open_queues else []
    admitted: list[str] = []
    left = claim.queue_limit
    while lines and left > 0:
        share = max(1, left // len(lines))
        have_more = []
        for line in lines:
            taken = line.take(min(share, left)) if left else []
            admitted += taken
            left -= len(taken)
            if taken and len(taken) == share:
                have_more.append(line)
        lines = have_more
    return admitted


def _lines(gate: Gate, claim: Claim, names: Sequence[str]) -> list[_Line]:
    wanted = gate.texts(names)
    longest_waiting_first = sorted(gate.rows("lock_queues", queues=wanted), key=lambda row: (row[11], row[0]))
    locked = [(queue_of(row), bool(row[9]), row[10]) for row in longest_waiting_first]
    loads = {}
    now = 0.0
    for name, running, mine, kept, started, now in gate.rows(  # noqa: B007 - the same time in each row
        "queue_loads", queues=wanted, worker_id=claim.worker_id, now=gate.bound_now
    ):
        loads[name] = Load(running=running, mine=mine, kept=kept, started=started)
    return [
        _Line(gate, claim, queue, loads[queue.name], turn=turn, paused=paused, now=now)
        for queue, paused, turn in locked
    ]


class _Line:
    """One queue during one claim."""

    def __init__(
        self, gate: Gate, claim: Claim, queue: Queue, load: Load, *, turn: str | None, paused: bool, now: float
    ) -> None:
        self._gate, self._claim, self._queue, self._now = gate, claim, queue, now
        self._turn, self._paused = turn, paused
        self._known = {"names": gate.texts(claim.names), **pinned_values(claim.pinned, gate.texts)}
        self._room = Room(queue, load, self._partition_loads())
        self._seen_suspect = False
        if not paused:
            gate.run("line_up", queue=queue.name, now=now, limit=DELAYED_AT_ONCE)

    def _partition_loads(self) -> dict[str, PartitionLoad]:
        queue, rate = self._queue, self._queue.partition_rate
        if queue.partition_concurrency is None and rate is None:
            return {}
        found = self._gate.rows(
            "partition_loads",
            queue=queue.name,
            holds=queue.hold_while_suspended,
            period=0.0 if rate is None else rate.seconds,
            now=self._now,
        )
        return {partition: PartitionLoad(held=held, started=started) for partition, held, started in found}

    def take(self, limit: int) -> list[str]:
        """Let in up to `limit`: first those that have begun, then those whose turn it is."""
        taken = self._return_suspect(limit)
        if self._claim.accused:
            return taken
        taken += self._return(limit - len(taken))
        while not self._paused and len(taken) < limit:
            started = self._start(limit - len(taken))
            if not started:
                break
            taken += started
        return taken

    def _return_suspect(self, limit: int) -> list[str]:
        """Take at most one that may have killed its worker, if this worker runs none such."""
        if self._seen_suspect or limit <= 0:
            return []
        self._seen_suspect = True
        chosen = self._room.choose_returning(self._returning("returning_suspect"), 1)
        if not chosen or self._gate.rows("runs_suspect", worker_id=self._claim.worker_id)[0][0]:
            return []
        taken = self._let_return(chosen)
        for workflow_id in taken:
            self._gate.run("set_suspect", worker_id=self._claim.worker_id, workflow_id=workflow_id)
        return taken

    def _return(self, limit: int) -> list[str]:
        if limit <= 0 or self._room.to_return() == 0:
            return []
        return self._let_return(self._room.choose_returning(self._returning("returning_workflows", limit=limit), limit))

    def _returning(self, query: str, **values: Any) -> list[Candidate]:
        found = self._gate.rows(
            query,
            queue=self._queue.name,
            now=self._now,
            isolate_from=self._claim.isolate_from,
            accused_from=self._claim.accused_from,
            accused=self._claim.accused,
            without=self._gate.texts(self._room.without_places()),
            **self._known,
            **values,
        )
        return [(workflow_id, partition) for workflow_id, partition in found]

    def _let_return(self, chosen: Sequence[Candidate]) -> list[str]:
        admitted = self._take(chosen)
        self._room.let_return(admitted)
        return [workflow_id for workflow_id, _ in admitted]

    def _start(self, limit: int) -> list[str]:
        """Let the partitions whose turn it is start some, as evenly as they have any."""
        room = self._room.to_start()
        most = limit if room is None else min(limit, room)
        for partitions in self._partitions_in_turn(most) if most else ():
            chosen = self._room.choose_starting(self._heads(partitions, most), most)
            if chosen:
                admitted = self._take(chosen)
                if admitted:
                    self._note(admitted)
                return [workflow_id for workflow_id, _ in admitted]
        return []

    def _partitions_in_turn(self, most: int) -> Iterator[list[str]]:
        """Give the partitions that may start some, `most` at a time, from the one after the last turn all around."""
        last, around = self._turn, self._turn is None
        start = "" if last is None else _after(last)
        without = self._gate.texts(self._room.without_starts())
        while True:
            found = self._gate.rows(
                "waiting_partitions", queue=self._queue.name, start=start, without=without, limit=most
            )
            partitions = [key for (key,) in found if not (around and last is not None and key > last)]
            if partitions:
                yield partitions
            if len(partitions) == most:
                start = _after(partitions[-1])
            elif around:
                return
            else:
                start, around = "", True

    def _heads(self, partitions: Sequence[str], most: int) -> list[Candidate]:
        depth = -(-most // len(partitions))
        found = self._gate.rows(
            "heads_of_lines",
            queue=self._queue.name,
            partitions=self._gate.texts(partitions),
            limit=depth,
            **self._known,
        )
        return [(workflow_id, partition) for workflow_id, partition in found]

    def _note(self, admitted: Sequence[Candidate]) -> None:
        queue = self._queue
        self._room.let_start(admitted)
        self._turn = admitted[-1][1]
        self._gate.run("set_turn", queue=queue.name, turn=self._turn, now=self._now)
        rates = [rate for rate in (queue.rate, queue.partition_rate) if rate is not None]
        if rates:
            started = self._gate.texts(workflow_id for workflow_id, _ in admitted)
            self._gate.run("note_starts", workflow_ids=started, now=self._now)
            oldest = self._now - max(rate.seconds for rate in rates) - 1
            self._gate.run("forget_starts", queue=queue.name, before=oldest)

    def _take(self, chosen: Sequence[Candidate]) -> list[Candidate]:
        if not chosen:
            return []
        taken = self._gate.take(self._claim, [workflow_id for workflow_id, _ in chosen])
        return [candidate for candidate in chosen if candidate[0] in taken]


def _after(partition: str) -> str:
    """Return the smallest text that sorts after a partition: control characters name none."""
    return partition + "\x01"
