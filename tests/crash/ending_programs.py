"""A program that ends without closing its application, while a workflow needs what an ending interpreter refuses.

`python -m tests.crash.ending_programs HOW URL` starts the workflow that HOW names, under the id `ends`, and exits once
its step runs: the step asks for a thread only after that. An exit handler waits until it was refused one, and raises.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from holdfast import Config, Holdfast, options, step, transaction, workflow
from holdfast.runtime.threads import process_ends

CONFIG = Config(heartbeat=0.2, lease=2.0, shutdown_timeout=2.0)
running, over = threading.Event(), threading.Event()
ends = threading.Event()
"""Says in another process, which stays, that nothing is to be waited for."""


def need_a_thread() -> str:
    """Wait until this process ends, and do what it does not allow then."""
    running.set()
    if ends.is_set():
        return "done"
    while not process_ends():
        threading.Event().wait(0.001)
    try:
        with ThreadPoolExecutor() as pool:
            return pool.submit(lambda: "done").result()
    finally:
        over.set()


@step(retries=3, backoff=0.001)
def ending_step() -> str:
    return need_a_thread()


@step
async def ending_coroutine() -> str:
    return await asyncio.to_thread(need_a_thread) if ends.is_set() else need_a_thread()


@transaction
def ending_transaction() -> str:
    return need_a_thread()


@workflow
def ends_in_step() -> str:
    return ending_step()


@workflow
async def ends_in_coroutine() -> str:
    return await ending_coroutine()


@workflow
def ends_in_transaction() -> str:
    return ending_transaction()


@workflow
def ends_in_workflow() -> str:
    return need_a_thread()


def fail_at_exit() -> None:
    """Let the step meet the end of the process first, and what it says then be written."""
    over.wait(10)
    threading.Event().wait(0.3)
    raise RuntimeError("an exit handler of the application's")


def main() -> None:
    """Launch, start, and leave in the middle of it."""
    how, url = sys.argv[1:3]
    Holdfast(url, config=CONFIG).launch()
    options(id="ends").start(globals()[how])
    running.wait(30)
    atexit.register(fail_at_exit)
    sys.exit("the main thread has ended")


if __name__ == "__main__":
    main()
