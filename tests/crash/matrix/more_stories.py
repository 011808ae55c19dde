"""Further stories: ticking, deadlines, halted undoing, management, both databases at once, a turn of an agent."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from holdfast import (
    Client,
    Holdfast,
    Queue,
    Status,
    Tick,
    WorkflowFilter,
    options,
    recv,
    send,
    start,
    step,
    workflow,
)
from holdfast.errors import HoldfastError, StepOutcomeUnknown, WorkflowNotFound
from tests.crash.matrix.corpus import Refused, act, book, book_elsewhere, mx_acleans_up, mx_cleans_up
from tests.crash.matrix.stories import LIMITED, STORIES, Story, outcome, run
from tests.helpers import eventually


@workflow
def mx_both() -> list[str]:
    return [book("here"), book_elsewhere("there"), act("after"), book("here again")]


@step(at_most_once=True)
def mx_pay() -> str:
    return "paid"


@workflow
def mx_pays_once() -> str:
    with suppress(StepOutcomeUnknown):
        mx_pay()
    return "paid, or it is known that nobody knows"


@workflow
def mx_ticked(tick: Tick) -> None:
    act("ticked")


@workflow
def mx_waits(seconds: float) -> str:
    start(mx_child_that_waits)
    return str(recv("never", timeout=seconds))


@workflow
def mx_child_that_waits() -> None:
    recv("never")


@workflow
def mx_hears_a_word() -> str:
    act("begun")
    return str(recv("word"))


def can_not(_done: str, name: str) -> None:
    raise Refused(f"to undo {name}")


@step(undo=can_not)
def mx_stubborn(name: str) -> str:
    return name


@workflow
def mx_halts() -> None:
    mx_stubborn("one")
    raise Refused("as it should")


@workflow
def mx_by_name(name: str) -> str:
    return act(name)


def really_ticks(app: Holdfast) -> object:
    where = WorkflowFilter(id_prefix="often@", limit=1000)
    if not app.list_workflows(where):
        app.schedules.create("often", mx_ticked, every=1, overlap="allow", catchup=600)
        eventually(lambda: app.list_workflows(where), timeout=30)
    with suppress(HoldfastError):
        app.schedules.pause("often")
        app.schedules.remove("often")
    # How many ticks there were is a matter of time; that each of them ran is looked at by all.
    for each in app.list_workflows(where)[1:]:
        app.retrieve(each.workflow_id).result(timeout=60)
    return len(app.list_workflows(where)) > 0


def has_a_deadline(app: Holdfast) -> object:
    try:
        deadline = app.get_workflow("main").deadline_at
    except WorkflowNotFound:
        deadline = time.time() + 2.0  # after a kill, there is time for the child to be started before it
    return outcome(options(id="main", deadline=deadline).start(mx_waits, 50.0))


def is_only_one_of_its_kind(_app: Holdfast) -> object:
    return options(id="main", queue=LIMITED.name, dedup="key").start(mx_by_name, "first").result(timeout=60)


def halts(app: Holdfast) -> object:
    """An undoing halts, is resumed, halts again, and is skipped by hand."""
    handle = options(id="main").start(mx_halts)
    eventually(lambda: handle.status() in {Status.BLOCKED, Status.FAILED}, timeout=30)
    while handle.status() is not Status.FAILED:
        tries = sum(entry.error is not None for entry in app.get_journal("main") if entry.name.startswith("undo:"))
        with suppress(HoldfastError):
            if tries < 2:
                app.resume("main")
            else:
                handle.skip_undo()
        eventually(lambda: handle.status() in {Status.BLOCKED, Status.FAILED}, timeout=30)
    return outcome(handle)


def is_managed(app: Holdfast) -> object:
    """A queue is changed and paused; a workflow is exported, deleted and imported."""
    kept = Path(urlsplit(app._other_urls["other"]).path).with_name("export")
    app.change_queue(Queue(LIMITED.name, concurrency=1))
    app.pause_queue(LIMITED.name)
    if not kept.exists():
        handle = options(id="main", queue=LIMITED.name).start(mx_by_name, "queued")
        app.resume_queue(LIMITED.name)
        handle.result(timeout=60)
        part = kept.with_suffix(".part")
        part.write_text(app.admin.export("main"))
        part.rename(kept)
    app.resume_queue(LIMITED.name)
    with suppress(WorkflowNotFound):  # deleted in an earlier life
        app.admin.delete("main")
    app.admin.import_(kept.read_text())
    return app.retrieve("main").result(timeout=60)


def is_started_by_name(app: Holdfast) -> object:
    with Client(app._url) as client:
        return client.options(id="main").start("mx_by_name", "x").result(timeout=60)


def cleans_up(function: Callable[[], Any]) -> Callable[[Holdfast], object]:
    """Be told once the workflow has left memory, through its `finally`."""

    def tell(app: Holdfast) -> object:
        handle = options(id="main").start(function)
        eventually(lambda: app.get_workflow("main").status.value != "running", timeout=30)
        send("main", "now", topic="word", key="word")
        return handle.result(timeout=60)

    return tell


def is_closed_and_launched(app: Holdfast) -> object:
    options(id="main").start(mx_hears_a_word)
    eventually(lambda: app.get_journal("main"), timeout=30)
    app.close()
    app.launch()
    send("main", "now", topic="word", key="word")
    return app.retrieve("main").result(timeout=60)


MORE: tuple[Story, ...] = (
    Story(name="both databases", tell=run(mx_both)),
    Story(name="at most once, without a check", tell=run(mx_pays_once)),
    Story(name="a schedule that ticks", tell=really_ticks),
    Story(name="a deadline, with a child", tell=has_a_deadline),
    Story(name="a queue, without doubles", tell=is_only_one_of_its_kind),
    Story(name="an undoing that halts", tell=halts),
    Story(name="management", tell=is_managed),
    Story(name="a start by name", tell=is_started_by_name),
    Story(name="a finally", tell=cleans_up(mx_cleans_up)),
    Story(name="a finally, async", tell=cleans_up(mx_acleans_up)),
    Story(name="a close and a launch", tell=is_closed_and_launched),
)
ALL: tuple[Story, ...] = (*STORIES, *MORE)


def stories(*names: str) -> list[Any]:
    """Return the stories with these names. Raises KeyError."""
    known = {story.name: story for story in ALL}
    return [known[name] for name in names]
