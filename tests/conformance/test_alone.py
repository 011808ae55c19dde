"""A unit that is a commit by itself takes a shorter way than one in company. Whatever it meets, it does the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.core.model import Fence, Status
from holdfast.core.queues import Queue
from holdfast.store.queue_writes import DeclareQueue
from holdfast.store.writes import Cancel, Create, Finish, Record, TakeOver, Unit, Write
from tests.conformance.kit import START, Bench, checkpoint, for_outcome, new

Prepared = Callable[[Bench, str], None]
"""Brings a workflow of that id about; the worker that has it is `w-` and the id."""


def worker(workflow_id: str) -> str:
    return f"w-{workflow_id}"


def running(bench: Bench, workflow_id: str) -> None:
    bench.register(worker(workflow_id))
    bench.start(workflow_id, owner=worker(workflow_id))


def cancelled(bench: Bench, workflow_id: str) -> None:
    running(bench, workflow_id)
    bench.write(Cancel(workflow_id=workflow_id))


def suspected(bench: Bench, workflow_id: str) -> None:
    """Let it run in its third epoch, after a crash in the first."""
    crashing = f"crashing-{workflow_id}"
    bench.register(crashing, worker(workflow_id))
    bench.write(Create(workflow=new(workflow_id, owner=None)))
    assert bench.claim(crashing) == [workflow_id]
    bench.write(TakeOver(worker_id=crashing, crash_limit=9))
    assert bench.claim(worker(workflow_id), isolate_from=1) == [workflow_id]
    assert bench.get(workflow_id).crashes == 1


def taken_over(bench: Bench, workflow_id: str) -> None:
    suspected(bench, workflow_id)


def missing(bench: Bench, workflow_id: str) -> None:
    bench.register(worker(workflow_id))


def ended(bench: Bench, workflow_id: str) -> None:
    running(bench, workflow_id)
    bench.finish(Fence(workflow_id=workflow_id, epoch=1))


def recorded(bench: Bench, workflow_id: str) -> None:
    running(bench, workflow_id)
    bench.write(Record(checkpoint=checkpoint(output='"before"')), fence=Fence(workflow_id=workflow_id, epoch=1))


def awaited(bench: Bench, workflow_id: str) -> None:
    running(bench, workflow_id)
    assert bench.sleep(bench.start(f"waiter-{workflow_id}"), for_outcome(workflow_id))


def limited(bench: Bench, workflow_id: str) -> None:
    bench.register(worker(workflow_id))
    bench.write(DeclareQueue(queue=Queue(workflow_id, concurrency=1)))
    bench.write(Create(workflow=new(workflow_id, owner=None, queue=workflow_id)))
    assert bench.claim(worker(workflow_id), queue_limit=1) == [workflow_id]


def buried(bench: Bench, workflow_id: str) -> None:
    bench.register(worker(workflow_id))
    bench.write(TakeOver(worker_id=worker(workflow_id), crash_limit=9))


def somebody_elses(bench: Bench, workflow_id: str) -> None:
    bench.register("w1")
    bench.start(workflow_id, owner="w1", request_id="another")


def what_it_does(bench: Bench, prepared: Prepared, unit: Callable[[str], Unit], *, alone: bool) -> str:
    """Commit the unit, and return in words what was said of it and what is there now."""
    workflow_id = "in-one-commit" if alone else "in-a-shared-one"
    prepared(bench, workflow_id)
    company = [] if alone else [Unit(writes=WRITES["checkpoint"], fence=bench.start("company"))]
    receipt = bench.commit(unit(workflow_id), *company)[0]
    found = (
        receipt,
        bench.last.news,
        bench.last.ready,
        bench.store.get_workflow(workflow_id),
        bench.store.get_workflow(f"waiter-{workflow_id}"),
        bench.store.journal(workflow_id),
        bench.store.outcomes([workflow_id]).get(workflow_id),
    )
    return re.sub(r"request-\d+", "request", repr(found).replace(workflow_id, "it"))


WRITES: dict[str, tuple[Write, ...]] = {
    "checkpoint": (Record(checkpoint=checkpoint()),),
    "outcome": (Finish(status=Status.SUCCEEDED, output="1"),),
    "both": (Record(checkpoint=checkpoint(error='"no"', output=None)), Finish(status=Status.FAILED, error='"no"')),
}
CREATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "queued": {"queue": "some", "priority": 2, "partition": "a"},
    "child": {"parent_id": "p", "deadline_at": START + 9, "timeout": 9.0, "traceparent": "00-1-2-01"},
}


@pytest.mark.parametrize(
    "prepared", [running, cancelled, suspected, taken_over, missing, ended, recorded, awaited, limited]
)
@pytest.mark.parametrize("name", WRITES)
def test_a_write_does_the_same_alone_and_in_company(bench: Bench, prepared: Prepared, name: str) -> None:
    epoch = 3 if prepared is suspected else 1

    def unit(workflow_id: str) -> Unit:
        return Unit(writes=WRITES[name], fence=Fence(workflow_id=workflow_id, epoch=epoch))

    assert what_it_does(bench, prepared, unit, alone=True) == what_it_does(bench, prepared, unit, alone=False)


@pytest.mark.parametrize("prepared", [missing, buried, running, somebody_elses, ended])
@pytest.mark.parametrize("name", CREATIONS)
def test_a_creation_does_the_same_alone_and_in_company(bench: Bench, prepared: Prepared, name: str) -> None:
    bench.write(DeclareQueue(queue=Queue("some", concurrency=9)))

    def unit(workflow_id: str) -> Unit:
        created = new(workflow_id, owner=worker(workflow_id), request_id=f"this-{workflow_id}", **CREATIONS[name])
        return Unit(writes=(Create(workflow=created),), fence=Fence(workflow_id=workflow_id, epoch=1))

    assert what_it_does(bench, prepared, unit, alone=True) == what_it_does(bench, prepared, unit, alone=False)
