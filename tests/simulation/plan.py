"""What a seed decides before it begins: how many workers and workflows, and which faults befall them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from holdfast import Config, Queue, Rate
from holdfast.api.schedule_fields import ScheduleFields
from holdfast.core.schedule import Overlap
from tests.simulation.model import TICKS, Limits

LEASE, HEARTBEAT = 7.0, 2.0
QUEUES = (
    Queue("narrow", concurrency=2, worker_concurrency=1),
    Queue("paced", concurrency=3, rate=Rate(2, 3.0)),
    Queue("single", concurrency=1),
    Queue("split", partition_concurrency=1),
)
LIMITS = {
    "narrow": Limits(concurrency=2, worker_concurrency=1),
    "paced": Limits(concurrency=3, rate=(2, 3.0)),
    "single": Limits(concurrency=1),
    "split": Limits(partition_concurrency=1),
}
PATIENCE = 400.0
"""Seconds within which all workflows must have ended once everything is healed."""

STATEMENT_FAULTS = (
    "lost reply",
    "failed commit",
    "broken read",
    "broken statement",
    "locked",
    "slow",
    "dies at commit",
    "stall",
)
SCENES = ("crash", "pause", "hang", "cut off", "read-only", "disk full", "clock jump", "restart")
FAULTS = (*STATEMENT_FAULTS, *SCENES)
KINDS = (
    "step", "once", "undoable", "transaction", "send", "recv", "event", "get_event", "stream", "sleep", "child", "call",
    "start", "gather", "approval", "ensured", "pause",
)  # fmt: skip


@dataclass(kw_only=True)
class Plan:
    """What a seed has decided before it begins."""

    faults: frozenset[str]
    workers: int
    workflows: int
    duration: float
    poison: bool
    config: Config
    rates: dict[str, float] = field(default_factory=dict)
    schedule: ScheduleFields | None = None
    """The one schedule of the run, if it has one."""


def make_plan(chance: random.Random, only: frozenset[str] | None) -> Plan:
    """Draw what a seed does. `only`: the faults that may happen of those drawn; None: all."""
    quiet = chance.random() < 0.12
    wanted = frozenset() if quiet else frozenset(fault for fault in FAULTS if chance.random() < 0.4)
    poison = not quiet and chance.random() < 0.1
    config = Config(
        suspend_after=chance.choice([0.05, 0.5, 3.0]),
        max_threads=chance.choice([3, 32]),
        max_running=chance.choice([4, 10_000, 10_000]),
        lease=LEASE,
        heartbeat=HEARTBEAT,
        poll=chance.choice([5.0, 3600.0, 3600.0]),
        crash_limit=3 if poison else 60,
        shutdown_timeout=3.0,
    )
    plan = Plan(
        faults=wanted if only is None else wanted & only,
        workers=chance.choice([1, 2, 2, 2, 3]),
        workflows=chance.randint(2, 5),
        duration=chance.choice([6.0, 10.0, 20.0]),
        poison=poison,
        config=config,
    )
    for fault in STATEMENT_FAULTS:
        rate = chance.choice([0.003, 0.01, 0.03])
        if fault in plan.faults:
            plan.rates[fault] = rate / 5 if fault in {"broken statement", "dies at commit", "stall"} else rate
    if not poison and chance.random() < 0.25:
        plan.schedule = {
            "every": TICKS,
            "overlap": chance.choice(list(Overlap)),
            "catchup": chance.choice([1.0, 6.0]),
            "jitter": chance.choice([0.0, 1.0]),
        }
    return plan
