"""Cancellations that race with starts, steps, children, messages, ends and approvals: real threads, real databases.

Each cancellation is let go at a chance pass of some failpoint, so that it meets every instant between two others.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from holdfast import (
    Config,
    Handle,
    Holdfast,
    Status,
    WorkflowFilter,
    asleep,
    failpoints,
    options,
    recv,
    send,
    step,
    workflow,
)
from holdfast import start as start_child
from holdfast.approvals import ApprovalError, ApprovalRequest, Approvals, Decision, request_approval
from holdfast.errors import WorkflowWasCancelled
from tests.helpers import eventually

CONFIG = Config(suspend_after=0.01, heartbeat=0.2, lease=5.0, poll=0.5, shutdown_timeout=5.0)
ROUNDS = int(os.environ.get("KILLS", "0")) or 40
AT_ONCE = 8
PASSES = 150
"""About as many failpoints are passed by a round."""


@step
def race_act(number: int) -> int:
    return number


@step
async def arace_act(number: int) -> int:
    return number


@workflow
def race_steps() -> int:
    return sum(race_act(number) for number in range(3))


@workflow
async def race_coroutine() -> int:
    first = await arace_act(1)
    await asleep(0.02)
    return first + await arace_act(2)


@workflow
def race_family() -> int:
    children = [start_child(race_steps) for _ in range(2)]
    called = race_steps()
    return called + sum(child.result() for child in children)


@workflow
def race_message() -> str:
    word: str = recv("word", type=str)
    race_act(1)
    return word


@workflow
def race_approval() -> str:
    decision = request_approval("Refund", {"amount": "1"}, to="manager@example.com")
    race_act(1)
    return decision.status


STORIES = (race_steps, race_coroutine, race_family, race_message, race_approval)


@dataclass
class Race:
    """What happened in a round, in its order, and whom it lets go when."""

    chance: random.Random
    events: list[tuple[str, str]] = field(default_factory=list)
    waiting: dict[int, threading.Event] = field(default_factory=dict)
    passes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reached(self, point: str, about: Any) -> None:
        """Note what matters, and let go whoever waits for this pass."""
        with self.lock:
            self.passes += 1
            let_go = self.waiting.pop(self.passes, None)
            if point == "step.before":
                self.events.append(("step", about.workflow_id))
            elif point == "cancel.heard":
                self.events.append(("heard", about))
        if let_go is not None:
            let_go.set()

    def some_pass(self) -> threading.Event:
        """Return what is set at a chance pass of a failpoint."""
        with self.lock:
            place = self.passes + self.chance.randrange(1, PASSES)
            return self.waiting.setdefault(place, threading.Event())

    def note(self, what: str, workflow_id: str) -> None:
        """Put something between what the failpoints tell."""
        with self.lock:
            self.events.append((what, workflow_id))


class Decider:
    """A delivery that leads to a decision at some chance instant; keeps what the manager was told."""

    def __init__(self) -> None:
        self.race: Race | None = None
        self.decide: Callable[[str], Decision] | None = None
        self.told: dict[str, str] = {}
        self.pool = ThreadPoolExecutor(AT_ONCE)

    def deliver(self, request: ApprovalRequest) -> None:
        """Let a manager decide in a thread, some time."""
        assert self.race is not None
        self.pool.submit(self._decide, request.approval_id, self.race.some_pass())

    def _decide(self, approval_id: str, instant: threading.Event) -> None:
        assert self.decide is not None
        instant.wait(0.05)
        try:
            self.told[approval_id] = self.decide(approval_id).status
        except ApprovalError:
            self.told[approval_id] = "refused"


@pytest.fixture
def racing(store_url: str) -> Iterator[tuple[Holdfast, Approvals, Decider]]:
    app, decider = Holdfast(store_url, config=CONFIG), Decider()
    approvals = Approvals(app, delivery=decider, base_url="https://refunds.example.com/approvals")
    decider.decide = lambda approval_id: approvals.decide(approval_id, True, by="manager")
    with app:
        yield app, approvals, decider
    decider.pool.shutdown()


def run_races(app: Holdfast, approvals: Approvals, decider: Decider, seeds: range) -> Counter[Status]:
    """Run so many rounds, check each, and return how the workflows ended."""
    ended: Counter[Status] = Counter()
    with ThreadPoolExecutor(AT_ONCE * 2) as pool:
        for seed in seeds:
            race = decider.race = Race(random.Random(seed))
            with failpoints.installed(race.reached):
                names = [f"{seed}-{number}" for number in range(AT_ONCE)]
                for done in [pool.submit(tell_story, race, name) for name in names]:
                    done.result(60)
                eventually(lambda: not unfinished(app), timeout=30, message=f"all of round {seed} end")
            ended += check_round(app, race, names)
    decider.pool.shutdown()
    for approval in approvals.list(limit=100_000):
        check_approval(app, approvals, decider.told, approval.approval_id)
    return ended


def tell_story(race: Race, name: str) -> None:
    """Start one workflow and cancel it at some instant: its caller sees the one or the other."""
    story = race.chance.choice(STORIES)
    instant = race.some_pass()
    handle: Handle[Any] = options(id=name).start(story)
    if story is race_message:
        send(name, "hello", topic="word")
    instant.wait(0.05)
    handle.cancel()
    race.note("cancelled", name)
    with suppress(WorkflowWasCancelled):
        assert handle.result(30) in {1, 3, 9, "hello", "approved"}
        race.note("result", name)


def unfinished(app: Holdfast) -> list[str]:
    return [each.workflow_id for each in app.list_workflows(WorkflowFilter(limit=1000)) if not each.status.is_terminal]


def check_round(app: Holdfast, race: Race, names: list[str]) -> Counter[Status]:
    """Hold a round to the promises; return how its workflows ended."""
    succeeded = {name for what, name in race.events if what == "result"}
    family = [each for name in names for each in app.store.tree(name)]
    records = {name: app.get_workflow(name) for name in family}
    for name, record in records.items():
        assert record.status in {Status.SUCCEEDED, Status.CANCELLED}, (name, record.status, record.error)
        happened = [what for what, whose in race.events if whose == name]
        if "heard" in happened:
            assert "step" not in happened[happened.index("heard") :], f"{name} began a step after it heard"
            assert record.status is Status.CANCELLED
        if "cancelled" in happened:
            # One may be just about to begin; it does not look twice.
            assert happened[happened.index("cancelled") :].count("step") <= 1, name
        places = Counter(check.step_id for check in app.get_journal(name))
        assert set(places.values()) <= {1}
    for name in names:
        assert (name in succeeded) is (records[name].status is Status.SUCCEEDED)
    return Counter(records[name].status for name in names)


def check_approval(app: Holdfast, approvals: Approvals, told: dict[str, str], approval_id: str) -> None:
    """One decision or one withdrawal, and all are told the same."""
    approval = approvals.get(approval_id)
    record = app.get_workflow(approval.workflow_id)
    ends = [entry for entry in approvals.audit(approval_id) if entry.event in {"decided", "cancelled"}]
    assert len(ends) == 1, ends
    if record.status is Status.SUCCEEDED:
        assert approval.status == "approved"
    if approval_id in told:
        assert (told[approval_id] == "approved") is (approval.status == "approved")


def test_a_cancellation_that_races_with_anything_leaves_one_end(
    racing: tuple[Holdfast, Approvals, Decider],
) -> None:
    assert run_races(*racing, range(6)).total() == 6 * AT_ONCE


@pytest.mark.chaos
def test_many_cancellations_that_race_with_anything_leave_one_end_each(
    racing: tuple[Holdfast, Approvals, Decider],
) -> None:
    ended = run_races(*racing, range(100, 100 + ROUNDS))
    assert ended.total() == ROUNDS * AT_ONCE
    assert set(ended) == {Status.SUCCEEDED, Status.CANCELLED}, "both win at times"
