"""What must hold after every commit: the committed rows as they change, and every rule that a change could break.

The rules go by the numbers of the list in docs/simulation.md. The model is fed with the rows that each commit has
changed, and with the process that committed; what breaks a rule is told to `violate`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.template import Note

SCHEDULE, TICKS = "beat", 2
"""The schedule, and how many seconds lie between its ticks."""
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(slots=True)
class Row:
    """The hot row of one workflow."""

    name: str
    status: str
    owner: str | None
    epoch: int
    crashes: int
    stage: str | None
    queue: str | None
    wake_at: float | None
    cancel_at: float | None


@dataclass(slots=True)
class Entry:
    """One checkpoint."""

    name: str
    kind: str
    output: str | None
    error: str | None
    attempts: int


@dataclass(slots=True)
class Limits:
    """What a queue promises."""

    concurrency: int | None = None
    worker_concurrency: int | None = None
    rate: tuple[int, float] | None = None
    partition_concurrency: int | None = None


@dataclass(slots=True)
class Commit:
    """One commit while it is looked at."""

    owners: AbstractSet[str]
    """The worker ids that the committing process has had."""
    now: float
    touched: set[str] = field(default_factory=set)
    created: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    """Those that were out of memory when their cancellation was asked for."""
    consumed: list[tuple[int, str, str]] = field(default_factory=list)
    received: list[tuple[str, str, str]] = field(default_factory=list)
    effects: list[tuple[str, str, str]] = field(default_factory=list)
    journaled: list[tuple[str, str]] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    begun: dict[str, tuple[str | None, str | None, int]] = field(default_factory=dict)
    """The status, owner and epoch of touched workflows before the commit."""


class Model:
    """See the module's page."""

    def __init__(self, violate: Callable[[str], None], queues: dict[str, Limits]) -> None:
        self._violate = violate
        self._queues = queues
        self.on_dead: Callable[[str, str | None], None] = lambda _workflow_id, _owner: None
        """Told of what was set aside as dead, and whose worker's death that was."""
        self.overlaps = False
        """Workflows of one schedule may run beside one another."""
        self.slack = 0.001
        self.is_clock_sure: Callable[[], bool] = lambda: True
        """No transaction that commits now can have read the clock before it jumped."""
        """Seconds by which a commit may be later than the time that it records."""
        self.rows: dict[str, Row] = {}
        self._partitions: dict[str, str] = {}
        self.parents: dict[str, str | None] = {}
        self.deadlines: dict[str, float | None] = {}
        self.journals: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
        self.named: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
        self.outcomes: dict[str, tuple[str, str | None, str | None]] = {}
        self.ended_by: dict[str, AbstractSet[str]] = {}
        """The worker ids of the process that recorded the outcome of its own; anybody may cancel."""
        self.messages: dict[int, tuple[str, str, str, str | None]] = {}
        self.bodies: set[tuple[str, str]] = set()
        self.streams: Counter[tuple[str, str]] = Counter()
        self.items: set[tuple[str, str]] = set()
        self.events: dict[tuple[str, str], int] = {}
        self.event_values: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        """All that an event has ever been."""
        self.effects: dict[tuple[str, str], str] = {}
        self.approvals: dict[tuple[str, str], str] = {}
        """Who decided how about what a workflow asked: by workflow and subject."""
        self.requests: dict[str, tuple[str, str, float]] = {}
        self._decisions: Counter[str] = Counter()
        self.starts: defaultdict[str, list[float]] = defaultdict(list)
        self.alive: dict[str, bool] = {}
        self.exposure: Counter[str] = Counter()
        """How often a workflow was running in a process that crashed, was taken for dead, or let go."""
        self._handlers: dict[str, Callable[[Commit, Sequence[Any]], None]] = {
            "workflow+": self._workflow_created,
            "workflow": self._workflow_changed,
            "info": self._info,
            "deadline": self._deadline,
            "journal+": self._journaled,
            "journal": lambda _, row: self._violate(f"I3 a recorded outcome was changed: {row}"),
            "outcome+": self._outcome,
            "outcome": lambda _, row: self._violate(f"I9 a recorded outcome of a workflow was changed: {row}"),
            "message+": self._message_sent,
            "message": self._message_changed,
            "stream+": self._stream,
            "event": self._event,
            "worker+": self._worker,
            "worker": self._worker_changed,
            "effect+": self._effect,
            "approval+": self._asked,
            "approval": self._decided,
            "audit+": self._audited,
            "schedule": self._ticked,
            "gone": lambda _, row: self._violate(f"I6 a row was lost: {row}"),
        }

    def apply(self, notes: Sequence[Note], owners: AbstractSet[str], now: float) -> None:
        """Take in what one commit has changed."""
        commit = Commit(owners, now)
        for note in notes:
            self._handlers[note[0]](commit, note[1:])
        if commit.touched or commit.consumed or commit.effects or commit.journaled:
            self._after(commit)

    # Workflows

    def _workflow_created(self, commit: Commit, row: Sequence[Any]) -> None:
        workflow_id = row[0]
        if workflow_id in self.rows:
            self._violate(f"I9 workflow {workflow_id} was created twice")
        self.rows[workflow_id] = new = Row(row[1], *row[2:-1])
        self._partitions[workflow_id] = row[-1]
        if new.status == "running" and new.owner not in commit.owners:
            self._violate(f"I2 {workflow_id} was created for a worker of another process")
        commit.touched.add(workflow_id)
        commit.created.append(workflow_id)
        commit.begun.setdefault(workflow_id, (None, None, new.epoch))
        if new.stage == "delayed" and new.wake_at is None:
            self._violate(f"I10 {workflow_id} is delayed until no time at all")

    def _workflow_changed(self, commit: Commit, row: Sequence[Any]) -> None:
        workflow_id = row[0]
        known, new = self.rows[workflow_id], Row(self.rows[workflow_id].name, *row[9:])
        old = Row(known.name, *row[1:9])
        commit.touched.add(workflow_id)
        commit.begun.setdefault(workflow_id, (old.status, old.owner, old.epoch))
        self.rows[workflow_id] = new
        if new.epoch < old.epoch:
            self._violate(f"I1 the epoch of {workflow_id} went back from {old.epoch} to {new.epoch}")
        if old.status in TERMINAL and (new.status, new.epoch) != (old.status, old.epoch):
            self._violate(f"I9 {workflow_id} was {old.status} and became {new.status}")
        if new.status == "running" and (old.status != "running" or new.owner != old.owner):
            self._claimed(commit, workflow_id, old, new)
        is_left = old.status == "running" and new.status != "running" and new.epoch == old.epoch
        if is_left and old.owner not in commit.owners:
            self._violate(f"I1 {workflow_id} was taken from {old.owner} without raising its epoch")
        if old.cancel_at is None and new.cancel_at is not None and new.status == "suspended":
            commit.cancelled.append(workflow_id)
        if (new.owner is not None) != (new.status == "running"):
            self._violate(f"I2 {workflow_id} is {new.status} with the owner {new.owner}")
        if new.status == "dead":
            commit.dead.append(workflow_id)
        if new.crashes > old.crashes and new.crashes > self.exposure[workflow_id]:
            self._violate(
                f"I17 {workflow_id} is blamed for {new.crashes} crashes, and met {self.exposure[workflow_id]}"
            )

    def _claimed(self, commit: Commit, workflow_id: str, old: Row, new: Row) -> None:
        if new.epoch != old.epoch + 1:
            self._violate(f"I2 {workflow_id} was claimed, and its epoch went from {old.epoch} to {new.epoch}")
        if new.owner not in commit.owners:
            self._violate(f"I2 {workflow_id} was claimed for a worker of another process: {new.owner}")
        if self.alive.get(new.owner or "") is False:
            self._violate(f"I2 {workflow_id} was claimed for {new.owner}, which was declared dead")
        if old.wake_at is not None and old.wake_at > commit.now + 1e-6:
            self._violate(f"I10 {workflow_id} was claimed {old.wake_at - commit.now:.3f} s before its time")
        if old.queue is not None and old.stage is not None:
            if self.is_clock_sure():
                self.starts[old.queue].append(commit.now)
            self._check_rate(old.queue, commit.now)

    def _check_rate(self, queue: str, now: float) -> None:
        rate = self._queues[queue].rate
        if rate is not None:
            count = sum(at > now - rate[1] + self.slack for at in self.starts[queue])
            if count > rate[0]:
                self._violate(f"I8 queue {queue} started {count} within {rate[1]} s; its rate is {rate[0]}")

    def _info(self, commit: Commit, row: Sequence[Any]) -> None:
        workflow_id, parent_id, deadline_at, _ = row
        self.parents[workflow_id], self.deadlines[workflow_id] = parent_id, deadline_at
        limit = self.deadlines.get(parent_id) if parent_id is not None else None
        if limit is not None and (deadline_at is None or deadline_at > limit):
            self._violate(f"I13 {workflow_id} may run until {deadline_at}, and its parent until {limit}")

    def _deadline(self, commit: Commit, row: Sequence[Any]) -> None:
        workflow_id, before, after = row
        self.deadlines[workflow_id] = after
        if before is not None and (after is None or after > before):
            self._violate(f"I13 the deadline of {workflow_id} moved from {before} to {after}")

    def _outcome(self, commit: Commit, row: Sequence[Any]) -> None:
        workflow_id, status, output, error = row
        self.outcomes[workflow_id] = (status, output, error)
        if status != "cancelled":
            self.ended_by[workflow_id] = commit.owners
        commit.touched.add(workflow_id)
        row_now = self.rows.get(workflow_id)
        commit.begun.setdefault(
            workflow_id, (None, None, 0) if row_now is None else (row_now.status, row_now.owner, row_now.epoch)
        )

    # Journals

    def _journaled(self, commit: Commit, row: Sequence[Any]) -> None:
        workflow_id, step_id, _, name, kind, output, error, attempts = row
        entry = Entry(name, kind, output, error, attempts)
        self.journals[workflow_id][step_id] = entry
        self.named[workflow_id][name if kind != "intent" else f"{name}:intent"] = entry
        commit.journaled.append((workflow_id, step_id))
        if kind == "receive" and output is not None:
            commit.received.append((workflow_id, step_id, output))
        elif kind == "transaction" and output is not None:
            commit.effects.append((workflow_id, "journal", output))
        hot = self.rows.get(workflow_id)
        before = commit.begun.get(workflow_id) or (None if hot is None else (hot.status, hot.owner, hot.epoch))
        if before is not None and before[0] is not None and (before[0] != "running" or before[1] not in commit.owners):
            self._violate(f"I1 {step_id} of {workflow_id} was recorded by a process that does not own it: {before}")

    def _effect(self, commit: Commit, row: Sequence[Any]) -> None:
        workflow_id, label, token = row
        if (workflow_id, label) in self.effects:
            self._violate(f"I4 the transaction {label} of {workflow_id} took effect twice")
        self.effects[workflow_id, label] = token
        commit.effects.append((workflow_id, "effect", json.dumps(token)))

    # Messages, streams, events

    def _message_sent(self, commit: Commit, row: Sequence[Any]) -> None:
        seq, workflow_id, _, topic, body, _, consumed_by = row
        if (workflow_id, body) in self.bodies:
            self._violate(f"I6 {body} was sent to {workflow_id} twice")
        self.bodies.add((workflow_id, body))
        self.messages[seq] = (workflow_id, topic, body, consumed_by)

    def _message_changed(self, commit: Commit, row: Sequence[Any]) -> None:
        seq, workflow_id, before, after = row
        _, topic, body, _ = self.messages[seq]
        if before is not None or after is None:
            self._violate(f"I6 message {seq} of {workflow_id} was consumed by {before} and then by {after}")
            return
        older = [
            other for other, (owner, its_topic, _, consumer) in self.messages.items()
            if other < seq and owner == workflow_id and its_topic == topic and consumer is None
        ]  # fmt: skip
        if older:
            self._violate(f"I6 message {seq} of {workflow_id} was consumed before {older}, which are older")
        self.messages[seq] = (workflow_id, topic, body, after)
        commit.consumed.append((seq, workflow_id, after))

    def _stream(self, commit: Commit, row: Sequence[Any]) -> None:
        workflow_id, stream, offset, value = row
        if offset != self.streams[workflow_id, stream]:
            self._violate(f"I7 {workflow_id} wrote offset {offset} after {self.streams[workflow_id, stream]} items")
        self.streams[workflow_id, stream] += 1
        if (workflow_id, value) in self.items:
            self._violate(f"I7 {value} stands twice in a stream of {workflow_id}")
        self.items.add((workflow_id, value))

    def _event(self, commit: Commit, row: Sequence[Any]) -> None:
        workflow_id, name, text = row
        value = int(json.loads(text))
        if self.events.get((workflow_id, name), -1) > value:
            self._violate(f"I3 event {name} of {workflow_id} went back to {value}")
        self.events[workflow_id, name] = value
        self.event_values[workflow_id, name].add(value)

    # Approvals, schedules

    def _asked(self, commit: Commit, row: Sequence[Any]) -> None:
        approval_id, workflow_id, subject, status, expires_at = row
        self.requests[approval_id] = (workflow_id, subject, expires_at)
        if status != "pending":
            self._violate(f"I11 {subject} of {workflow_id} was {status} before anybody was asked")

    def _decided(self, commit: Commit, row: Sequence[Any]) -> None:
        approval_id, before, status, by, decided_at, is_what_was_shown = row
        workflow_id, subject, expires_at = self.requests[approval_id]
        if not is_what_was_shown:
            self._violate(f"I11 what {workflow_id} asks for in {subject} has changed")
        if before != "pending":
            self._violate(f"I11 {subject} of {workflow_id} was {before}, and became {status}")
        if (status == "expired") != (decided_at >= expires_at) and status != "cancelled":
            self._violate(f"I11 {subject} of {workflow_id} was {status} at {decided_at}; its time ends at {expires_at}")
        self.approvals[workflow_id, subject] = f"{status} by {by}"

    def _audited(self, commit: Commit, row: Sequence[Any]) -> None:
        approval_id, event = row
        self._decisions[approval_id] += event in {"decided", "expired"}
        if self._decisions[approval_id] > 1:
            self._violate(f"I11 the trail of {self.requests[approval_id]} tells of two decisions")

    def _ticked(self, commit: Commit, row: Sequence[Any]) -> None:
        name, before, after, started, skipped, missed = row
        if before is None or after is None or before == after:
            return
        if before > commit.now:
            self._violate(f"I10 {name} ticked {before - commit.now:.3f} s early")
        count = sum(1 for new in commit.created if new.startswith(f"{name}@"))
        if count != started:
            self._violate(f"I16 {name} counts {started} workflows started, and started {count}")
        if started + skipped + missed != round((after - before) / TICKS):
            dealt_with = f"{started} started, {skipped} skipped, {missed} missed"
            self._violate(f"I16 {name} went from {before} to {after}: {dealt_with}")

    # Workers

    def _worker(self, commit: Commit, row: Sequence[Any]) -> None:
        self.alive[row[0]] = bool(row[1])

    def _worker_changed(self, commit: Commit, row: Sequence[Any]) -> None:
        worker_id, was_alive, alive, *_ = row
        if alive and not was_alive:
            self._violate(f"I2 worker {worker_id} was declared dead and lives again")
        self.alive[worker_id] = bool(alive)

    # After the commit

    def _after(self, commit: Commit) -> None:
        for workflow_id in commit.touched:
            self._check_ended(workflow_id)
        for workflow_id in commit.cancelled:
            if self.rows[workflow_id].status == "suspended":
                self._violate(f"I13 {workflow_id} is cancelled, and sleeps on")
        for workflow_id in commit.created:
            row = self.rows[workflow_id]
            if row.status == "running" and self.alive.get(row.owner or "") is False:
                self._violate(f"I2 {workflow_id} was created for {row.owner}, which was declared dead")
        for workflow_id in commit.dead:
            self._check_dead(commit, workflow_id)
        self._check_messages(commit)
        self._check_effects(commit)
        self._check_overlap(commit)
        for queue, limits in self._queues.items():
            self._check_queue(queue, limits)

    def _check_dead(self, commit: Commit, workflow_id: str) -> None:
        _, owner, _ = commit.begun[workflow_id]
        beside = [other for other, (_, its_owner, _) in commit.begun.items() if its_owner == owner]
        if len(beside) > 1:
            self._violate(f"I17 {workflow_id} is dead, and {beside} ran in its worker")
        self.on_dead(workflow_id, owner)

    def _check_ended(self, workflow_id: str) -> None:
        row, outcome = self.rows.get(workflow_id), self.outcomes.get(workflow_id)
        if row is None:
            self._violate(f"I9 an outcome without a workflow: {workflow_id}")
        elif (row.status if row.status in TERMINAL else None) != (outcome[0] if outcome else None):
            self._violate(f"I9 {workflow_id} is {row.status}, and its outcome is {outcome}")

    def _check_messages(self, commit: Commit) -> None:
        recorded = {(workflow_id, step_id): output for workflow_id, step_id, output in commit.received}
        for seq, workflow_id, step_id in commit.consumed:
            output = recorded.pop((workflow_id, step_id), None)
            if output != self.messages[seq][2]:
                self._violate(f"I6 {step_id} of {workflow_id} consumed message {seq}, and recorded {output}")
        for (workflow_id, step_id), output in recorded.items():
            self._violate(f"I6 {step_id} of {workflow_id} recorded {output}, which it did not consume")

    def _check_effects(self, commit: Commit) -> None:
        journal = sorted((who, text) for who, what, text in commit.effects if what == "journal")
        effects = sorted((who, text) for who, what, text in commit.effects if what == "effect")
        if journal != effects:
            self._violate(f"I4 a transaction committed {effects} and recorded {journal}")

    def _check_overlap(self, commit: Commit) -> None:
        if self.overlaps or not any(workflow_id.startswith(f"{SCHEDULE}@") for workflow_id in commit.touched):
            return
        going = [
            workflow_id for workflow_id, row in self.rows.items()
            if workflow_id.startswith(f"{SCHEDULE}@")
            and (row.status in {"enqueued", "running"} or (row.status == "suspended" and row.epoch > 0))
        ]  # fmt: skip
        if len(going) > 1:
            self._violate(f"I16 {going} go on at once")

    def _check_queue(self, queue: str, limits: Limits) -> None:
        here = {name: row for name, row in self.rows.items() if row.queue == queue and row.status == "running"}
        running = Counter(row.owner for row in here.values())
        if limits.concurrency is not None and running.total() > limits.concurrency:
            self._violate(f"I8 {running.total()} run in queue {queue}; its limit is {limits.concurrency}")
        if limits.worker_concurrency is not None and running:
            _, most = running.most_common(1)[0]
            if most > limits.worker_concurrency:
                self._violate(f"I8 a worker runs {most} of queue {queue}; its limit is {limits.worker_concurrency}")
        if limits.partition_concurrency is not None and here:
            [(key, most)] = Counter(self._partitions[workflow_id] for workflow_id in here).most_common(1)
            if most > limits.partition_concurrency:
                self._violate(f"I8 {most} run in partition {key!r} of {queue}; {limits.partition_concurrency} may")
