"""What the conformance tests speak in: writes with sensible defaults, and a store whose batches can be sent twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.core.model import (
    Approval,
    Checkpoint,
    Fence,
    Kind,
    Message,
    NewWorkflow,
    Status,
    WaitOn,
    WorkerRecord,
    WorkflowRecord,
)
from holdfast.store.base import Store
from holdfast.store.management_writes import Delete
from holdfast.store.schedule_writes import RemoveSchedule
from holdfast.store.writes import (
    Cancel,
    Claim,
    Committed,
    Consume,
    Create,
    Decide,
    Finish,
    Heartbeat,
    Receipt,
    Record,
    Register,
    Resume,
    Send,
    SetAside,
    Suspend,
    TakeOver,
    Unit,
    Write,
)

START = 1_800_000_000.0
_numbers = itertools.count(1)

# A resend of these tells what it finds, which is what the first try has made of it.
_TELLS_WHAT_IS = (Cancel, Delete, RemoveSchedule, Resume, TakeOver)


class FakeClock:
    """The database's clock, in a test's hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def new(workflow_id: str, **fields: Any) -> NewWorkflow:
    defaults: dict[str, Any] = {
        "workflow_id": workflow_id,
        "name": "refund",
        "version": "1",
        "input": "[42]",
        "input_digest": "d1",
        "request_id": f"request-{next(_numbers)}",
        "created_at": START,
        "owner": "w1",
    }
    return NewWorkflow(**{**defaults, **fields})


def checkpoint(step_id: str = "/pay#1", **fields: Any) -> Checkpoint:
    defaults: dict[str, Any] = {
        "step_id": step_id,
        "branch": "",
        "name": "pay",
        "kind": Kind.STEP,
        "seq": 1,
        "digest": "arguments",
        "output": '"paid"',
        "started_at": START,
        "finished_at": START + 1,
    }
    return Checkpoint(**{**defaults, **fields})


def message(workflow_id: str, body: str = '"hello"', **fields: Any) -> Message:
    defaults: dict[str, Any] = {
        "workflow_id": workflow_id,
        "message_id": f"message-{next(_numbers)}",
        "topic": "",
        "body": body,
        "sent_at": START,
    }
    return Message(**{**defaults, **fields})


def worker(worker_id: str, **fields: Any) -> WorkerRecord:
    defaults: dict[str, Any] = {
        "worker_id": worker_id,
        "host": "here",
        "pid": 4711,
        "process_started": "12345",
        "started_at": START,
        "heartbeat_at": START,
        "lease_until": START,
        "suspect_id": None,
        "alive": True,
    }
    return WorkerRecord(**{**defaults, **fields})


def approval(approval_id: str, workflow_id: str, **fields: Any) -> Approval:
    defaults: dict[str, Any] = {
        "approval_id": approval_id,
        "workflow_id": workflow_id,
        "subject": "Refund of 1,200.00",
        "details": '{"order": 42}',
        "digest": "digest-1",
        "requested_at": START,
        "expires_at": START + 3600,
        "recipients": ("a@example.org", "b@example.org"),
    }
    return Approval(**{**defaults, **fields})


def decide(asked: Approval, status: str = "approved", by: str = "a@example.org", **fields: Any) -> Decide:
    defaults: dict[str, Any] = {
        "approval_id": asked.approval_id,
        "status": status,
        "decided_by": by,
        "comment": None,
        "via": "link",
        "expected_digest": asked.digest,
        "message": message(asked.workflow_id, f'"{status}"', topic="approval"),
    }
    return Decide(**{**defaults, **fields})


def received(message_id: str, body: str | None = None, step_id: str = "/recv#1") -> tuple[Write, Write]:
    """Make what records that a message was received."""
    recorded = checkpoint(step_id, kind=Kind.RECEIVE, name="recv", output=body)
    return Record(checkpoint=recorded), Consume(message_id=message_id, step_id=step_id)


def for_message(workflow_id: str, topic: str = "") -> WaitOn:
    return WaitOn(workflow_id=workflow_id, kind=Kind.RECEIVE, name=topic)


def for_outcome(workflow_id: str) -> WaitOn:
    return WaitOn(workflow_id=workflow_id, kind=Kind.RESULT)


def for_event(workflow_id: str, name: str) -> WaitOn:
    return WaitOn(workflow_id=workflow_id, kind=Kind.GET_EVENT, name=name)


@dataclass
class Bench:
    """A store under test. With `resend` every batch is sent twice, as after a lost reply, and must say the same."""

    store: Store
    clock: FakeClock
    reopen: Callable[[], Store]
    """Opens one more Store on the same database, with the same clock."""
    resend: bool = False
    last: Committed = field(default_factory=lambda: Committed(receipts=[]))
    """What the latest commit said, by its first try."""

    def commit(self, *units: Unit) -> list[Receipt]:
        """Write a batch; return the receipts."""
        self.last = self.store.commit(units)
        assert len(self.last.receipts) == len(units)
        if self.resend:
            again = self.store.commit(units)
            assert _comparable(units, again.receipts) == _comparable(units, self.last.receipts)
        return self.last.receipts

    def write(self, *writes: Write, fence: Fence | None = None) -> tuple[Any, ...]:
        """Write one unit that must be accepted; return its results."""
        [receipt] = self.commit(Unit(writes=writes, fence=fence))
        assert receipt.accepted
        assert len(receipt.results) == len(writes)
        return receipt.results

    def ask(self, write: Write, fence: Fence | None = None) -> Any:
        """Write one write; return its result."""
        return self.write(write, fence=fence)[0]

    def refused(self, *writes: Write, fence: Fence) -> bool:
        """Tell whether a unit is refused."""
        [receipt] = self.commit(Unit(writes=writes, fence=fence))
        return not receipt.accepted

    def start(self, workflow_id: str, **fields: Any) -> Fence:
        """Create a running workflow."""
        self.write(Create(workflow=new(workflow_id, **fields)))
        return Fence(workflow_id=workflow_id, epoch=1)

    def finish(self, fence: Fence, output: str = '"done"') -> None:
        """End a workflow well."""
        self.write(Finish(status=Status.SUCCEEDED, output=output), fence=fence)

    def block(self, fence: Fence) -> None:
        """Set a workflow aside."""
        self.write(SetAside(status=Status.BLOCKED, report='{"reason": "changed"}'), fence=fence)

    def sleep(self, fence: Fence, *waits: WaitOn, wake_at: float | None = None, cancel_heard: bool = False) -> bool:
        """Try to suspend a workflow; return whether it was."""
        suspended: bool = self.ask(Suspend(wake_at=wake_at, waits=waits, cancel_heard=cancel_heard), fence)
        return suspended

    def suspect_of(self, worker_id: str) -> str | None:
        """Return what a worker runs that is under suspicion."""
        living: list[WorkerRecord] = self.ask(Heartbeat(worker_id=worker_id, lease_seconds=30))
        return {each.worker_id: each.suspect_id for each in living}[worker_id]

    def tell(self, workflow_id: str, body: str = '"hello"', **fields: Any) -> Status | None:
        """Send a message."""
        status: Status | None = self.ask(Send(message=message(workflow_id, body, **fields)))
        return status

    def mailbox(self, workflow_id: str, topic: str = "") -> list[str]:
        """Read the bodies of the messages that are not received yet."""
        return [each.body for each in self.store.mailbox(workflow_id, topic, 10)]

    def receive(self, fence: Fence, step_id: str = "/recv#1", topic: str = "") -> str:
        """Receive the oldest message, and return its body."""
        [found] = self.store.mailbox(fence.workflow_id, topic, 1)
        self.write(*received(found.message_id, found.body, step_id), fence=fence)
        return found.body

    def claim(
        self, worker_id: str = "w1", limit: int = 10, names: Iterable[str] = ("refund",), **fields: Any
    ) -> list[str]:
        """Take what is due."""
        claim_id = f"claim-{next(_numbers)}"
        taken: list[str] = self.ask(
            Claim(claim_id=claim_id, worker_id=worker_id, names=tuple(names), limit=limit, **fields)
        )
        return taken

    def register(self, *worker_ids: str, lease: float = 30.0) -> None:
        """Make workers known."""
        for worker_id in worker_ids:
            self.write(Register(worker=worker(worker_id), lease_seconds=lease))

    def record(self, fence: Fence, *steps: str) -> None:
        """Record checkpoints."""
        self.write(*(Record(checkpoint=checkpoint(step, seq=seq)) for seq, step in enumerate(steps, 1)), fence=fence)

    def get(self, workflow_id: str) -> WorkflowRecord:
        """Read a workflow that must be there."""
        found = self.store.get_workflow(workflow_id)
        assert found is not None
        return found

    def status(self, workflow_id: str) -> Status:
        """Read a workflow's status."""
        return self.get(workflow_id).status

    def steps(self, workflow_id: str) -> list[str]:
        """Read which steps are recorded, in order."""
        return [each.step_id for each in self.store.journal(workflow_id)]


def next_epoch(fence: Fence) -> Fence:
    return replace(fence, epoch=fence.epoch + 1)


def _comparable(units: Iterable[Unit], receipts: Iterable[Receipt]) -> list[tuple[Any, ...]]:
    return [
        (
            receipt.accepted,
            [
                sorted(result) if isinstance(write, Claim) else result
                for write, result in zip(unit.writes, receipt.results, strict=False)
                if not isinstance(write, _TELLS_WHAT_IS)
            ],
        )
        for unit, receipt in zip(units, receipts, strict=True)
    ]
