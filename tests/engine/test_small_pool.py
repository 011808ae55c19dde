"""A thousand blocking steps on four threads, below parents that wait for children that wait for children."""

from __future__ import annotations

import threading
import time
from collections import Counter

from holdfast import Config, Holdfast, gather, options, start, step, workflow
from tests.helpers import eventually

WIDTH, DEPTH, STEPS = 5, 3, 8
LEAVES = WIDTH**DEPTH
ran: Counter[str] = Counter()
lock = threading.Lock()
at_once: list[int] = [0, 0]


@step
def pool_block(name: str) -> int:
    with lock:
        ran[name] += 1
        at_once[0] += 1
        at_once[1] = max(at_once)
    time.sleep(0.001)  # blocks its thread, as a step that calls something slow does
    with lock:
        at_once[0] -= 1
    return 1


@workflow
def pool_tree(name: str, depth: int) -> int:
    if depth == 0:
        return sum(pool_block(f"{name}-{number}") for number in range(STEPS))
    children = [start(pool_tree, f"{name}.{number}", depth - 1) for number in range(WIDTH - 1)]
    called = pool_tree(f"{name}.c", depth - 1)
    return called + sum(child.result() for child in children)


@workflow
def pool_chain(depth: int) -> int:
    """Wait for a child in a branch beside a step, more deeply than there are threads."""
    if depth == 0:
        return pool_block("end")
    below, _ = gather(lambda: start(pool_chain, depth - 1).result(), lambda: pool_block(f"beside-{depth}"))
    return 1 + int(below)


def test_a_thousand_blocking_steps_on_four_threads_below_nested_waits_come_to_their_end(store_url: str) -> None:
    ran.clear()
    at_once[:] = 0, 0
    with Holdfast(store_url, config=Config(max_threads=4, suspend_after=0.05)) as app:
        assert options(id="tree").start(pool_tree, "t", DEPTH).result(120) == LEAVES * STEPS
        assert 1 < at_once[1] <= 4
        assert options(id="chain").start(pool_chain, 12).result(60) == 13
        eventually(lambda: not app.engine.running)
        assert app.engine.pool.backlog == 0
    # All of them, each once: LEAVES * STEPS in the tree, and those of the chain.
    assert len(ran) == LEAVES * STEPS + 13
    assert set(ran.values()) == {1}
