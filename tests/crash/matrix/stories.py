"""What drives the corpus from outside: every call has an id or a key of its own, so that it can be made again.

A story gives all that can be seen from outside. It is told again from its beginning after a crash, as a client would.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from holdfast import Client, Handle, Holdfast, Queue, Rate, get_event, options, read_stream, send
from holdfast.approvals import Approvals
from holdfast.errors import HoldfastError
from tests.crash.matrix import corpus
from tests.crash.matrix.corpus import Refused
from tests.helpers import eventually

LIMITED = Queue("matrix-limited", concurrency=1)
RATED = Queue("matrix-rated", rate=Rate(2, 0.2), worker_concurrency=2)
QUEUES = (LIMITED, RATED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """One line of the matrix."""

    name: str
    tell: Callable[[Holdfast], Any]
    """Gives all that is to be seen from outside, as JSON."""
    first_launch: bool = False
    """Begins without a schema."""
    prepare: Callable[[Holdfast], None] | None = None
    """Is called before each launch."""


def run(workflow: Callable[..., Any], *args: Any) -> Callable[[Holdfast], Any]:
    """Start a workflow under an id and wait for it."""
    return lambda _app: options(id="main").start(workflow, *args).result(timeout=60)


def outcome(handle: Handle[Any]) -> object:
    """Wait for a workflow that may fail."""
    try:
        return handle.result(timeout=60)
    except (Refused, HoldfastError) as error:
        return f"{type(error).__name__}: {str(error)[:60]}"


def fails(workflow: Callable[..., Any]) -> Callable[[Holdfast], Any]:
    return lambda _app: outcome(options(id="main").start(workflow))


def listens(_app: Holdfast) -> object:
    handle = options(id="main").start(corpus.mx_listens, 4)
    for number in range(4):
        send("main", f"word {number}", topic="words", key=f"word {number}")
    return handle.result(timeout=60)


def is_told_while_it_sleeps(app: Holdfast) -> object:
    """Send once the workflow has left memory."""
    handle = options(id="main").start(corpus.mx_listens, 2)
    for number in range(2):
        eventually(lambda: app.get_workflow("main").status.value != "running", timeout=30)
        send("main", f"word {number}", topic="words", key=f"word {number}")
        eventually(lambda number=number: len(recorded(app, "book")) > number, timeout=30)  # type: ignore[misc]  # mypy does not infer a lambda with a default
    return handle.result(timeout=60)


def recorded(app: Holdfast, name: str) -> list[str]:
    return [entry.step_id for entry in app.get_journal("main") if entry.name.endswith(name)]


def streams(_app: Holdfast) -> object:
    handle = options(id="main").start(corpus.mx_streams)
    items: list[object] = []
    for _, item in read_stream("main", "numbers"):
        items.append(item)
        if len(items) == 3:
            break
    return [items, handle.result(timeout=60)]


def ends_its_stream(_app: Holdfast) -> object:
    handle = options(id="main").start(corpus.mx_ends_its_stream)
    return [list(read_stream("main", "numbers")), handle.result(timeout=60)]


def is_cancelled(app: Holdfast) -> object:
    handle = options(id="main").start(corpus.mx_waits_for_ever)
    handle.cancel()
    return outcome(handle)


def is_cancelled_asleep(app: Holdfast) -> object:
    handle = options(id="main").start(corpus.mx_waits_for_ever)
    eventually(lambda: app.get_workflow("main").status.value != "running", timeout=30)
    handle.cancel()
    return outcome(handle)


def is_interrupted(_app: Holdfast) -> object:
    handle = options(id="main").start(corpus.mx_awaits_for_ever)
    get_event("main", "is awaiting")
    handle.cancel()
    return outcome(handle)


def runs_out_of_time(_app: Holdfast) -> object:
    return outcome(options(id="main", timeout=0.3).start(corpus.mx_waits_for_ever))


def is_queued(_app: Holdfast) -> object:
    handles = [options(id=f"q{each}", queue=LIMITED.name).start(corpus.mx_queued, f"q{each}") for each in range(4)]
    return [handle.result(timeout=60) for handle in handles]


def is_rated(_app: Holdfast) -> object:
    handles = [options(id=f"r{each}", queue=RATED.name).start(corpus.mx_queued, f"r{each}") for each in range(4)]
    return [handle.result(timeout=60) for handle in handles]


def is_delayed(_app: Holdfast) -> object:
    return options(id="main", delay=0.2).start(corpus.mx_steps).result(timeout=60)


def ticks(app: Holdfast) -> object:
    with suppress(HoldfastError):
        app.schedules.create("matrix", corpus.mx_ticks, "*/10 * * * *", timezone="UTC")
        app.schedules.pause("matrix")
    app.schedules.backfill("matrix", corpus.at(0), corpus.at(25))
    ids = [f"matrix@2026-01-05T12:{minute:02}:00Z" for minute in (0, 10, 20)]
    return [app.retrieve(each).result(timeout=60) for each in ids]


def is_forked(app: Holdfast) -> object:
    first = options(id="main").start(corpus.mx_steps).result(timeout=60)
    second = app.retrieve(app.admin.fork("main", 2, id="fork", outcomes={"act#1": "did another one"}))
    return [first, second.result(timeout=60)]


def is_retried(app: Holdfast) -> object:
    first = outcome(options(id="main").start(corpus.mx_fails))
    app.admin.retry("main")
    return [first, outcome(app.retrieve("main~retry"))]


def is_asked(workflow: Callable[..., Any]) -> Callable[[Holdfast], Any]:
    def tell(app: Holdfast) -> object:
        handle = options(id="main").start(workflow)
        approvals: Approvals = app.extensions[Approvals]
        [approval] = eventually(lambda: approvals.list(workflow_id="main"), timeout=30)
        decision = approvals.decide(approval.approval_id, True, by="ada")
        events = [
            line.event for line in approvals.audit(approval.approval_id) if line.event in {"requested", "approved"}
        ]
        return [decision.status, decision.decided_by, handle.result(timeout=60), events]

    return tell


def is_started_from_outside(app: Holdfast) -> object:
    handle = options(id="main").start(corpus.mx_listens, 1)
    with Client(app._url) as client:
        client.send("main", "from outside", topic="words", key="outside")
    return handle.result(timeout=60)


STORIES = (
    Story(name="the schema, and steps", tell=run(corpus.mx_steps), first_launch=True),
    Story(name="steps", tell=run(corpus.mx_steps)),
    Story(name="steps, async", tell=run(corpus.mx_asteps)),
    Story(name="retries", tell=run(corpus.mx_retries)),
    Story(name="retries, async", tell=run(corpus.mx_aretries)),
    Story(name="a failure", tell=fails(corpus.mx_fails)),
    Story(name="at most once, with a check", tell=run(corpus.mx_at_most_once)),
    Story(name="transactions", tell=run(corpus.mx_books)),
    Story(name="transactions, async", tell=run(corpus.mx_abooks)),
    Story(name="transactions on another database", tell=run(corpus.mx_books_elsewhere)),
    Story(name="children", tell=run(corpus.mx_children)),
    Story(name="children, async", tell=run(corpus.mx_achildren)),
    Story(name="parallel branches", tell=run(corpus.mx_branches)),
    Story(name="parallel branches, async", tell=run(corpus.mx_abranches)),
    Story(name="messages both ways", tell=run(corpus.mx_talks)),
    Story(name="messages both ways, async", tell=run(corpus.mx_atalks)),
    Story(name="messages from outside", tell=listens),
    Story(name="messages to one that sleeps", tell=is_told_while_it_sleeps),
    Story(name="messages from a client", tell=is_started_from_outside),
    Story(name="a wait that times out", tell=run(corpus.mx_waits_in_vain)),
    Story(name="events", tell=run(corpus.mx_events)),
    Story(name="a stream, async", tell=streams),
    Story(name="a stream that ends", tell=ends_its_stream),
    Story(name="a sleep", tell=run(corpus.mx_sleeps)),
    Story(name="a sleep, async", tell=run(corpus.mx_asleeps)),
    Story(name="a cancellation", tell=is_cancelled),
    Story(name="a cancellation of one that sleeps", tell=is_cancelled_asleep),
    Story(name="a cancellation of one that awaits something else", tell=is_interrupted),
    Story(name="a time limit", tell=runs_out_of_time),
    Story(name="undo", tell=fails(corpus.mx_undoes)),
    Story(name="a queue, one at a time", tell=is_queued),
    Story(name="a queue with a rate", tell=is_rated),
    Story(name="a delayed start", tell=is_delayed),
    Story(name="a schedule's ticks", tell=ticks),
    Story(name="a fork", tell=is_forked),
    Story(name="a retry", tell=is_retried),
    Story(name="a patch", tell=run(corpus.mx_patched)),
    Story(name="attributes", tell=run(corpus.mx_marks)),
    Story(name="an approval", tell=is_asked(corpus.mx_asks)),
    Story(name="an approval, async", tell=is_asked(corpus.mx_aasks)),
)
