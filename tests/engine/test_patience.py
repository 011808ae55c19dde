"""How long a workflow waits in memory while others wait for threads."""

from __future__ import annotations

import threading
from pathlib import Path

from holdfast import Config, Holdfast, arecv, asend, step, workflow
from tests.helpers import eventually

go_on = threading.Event()


@step
def hold_the_thread() -> None:
    go_on.wait(30)


@workflow
def hold_the_only_thread() -> None:
    hold_the_thread()


@workflow
async def wait_beside_the_pool() -> str:
    return str(await arecv("word", type=str))


def test_a_coroutine_that_waits_stays_in_memory_although_others_wait_for_a_thread(tmp_path: Path) -> None:
    go_on.clear()
    with Holdfast(f"sqlite:///{tmp_path / 'a.db'}", config=Config(max_threads=1, suspend_after=60)) as app:
        holders = [app.start(hold_the_only_thread) for _ in range(2)]
        eventually(lambda: app.engine.pool.backlog == 1)
        handle = app.start(wait_beside_the_pool)
        eventually(lambda: any(run.workflow_id == handle.id and run.busy == 0 for run in app.engine.running))
        app.options().start(tell_it, handle.id)
        go_on.set()
        assert handle.result(20) == "hello"
        for holder in holders:
            holder.result(20)
        assert app.get_workflow(handle.id).epoch == 1


@workflow
async def tell_it(workflow_id: str) -> None:

    await asend(workflow_id, "hello", topic="word")
