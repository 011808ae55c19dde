"""Many tasks on one thread, and time that passes only when all of them wait.

A task is a greenlet that believes it is a thread. It runs until it waits for something, or comes to a point at which
the simulator may let another one go first; which one, a seeded generator decides. When none can run, the clock jumps to
the next timer. The same seed gives the same run, to the last switch.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Callable
from typing import Any

import greenlet

TICK = 0.00002
"""Seconds that one turn of a task takes, so that nothing is done in no time."""

MOST_SWITCHES = 100_000
"""Turns of tasks in one run: some twenty times what a run takes."""


class Process:
    """A group of tasks that live, pause and die together, like the threads of an operating system's process."""

    def __init__(self, name: str, monotonic_offset: float = 0.0) -> None:
        self.name = name
        self.monotonic_offset = monotonic_offset
        self.dead = False
        self.paused = False
        self.parked: list[Task] = []
        """Those that could run, were the process not paused."""


class Task:
    """One simulated thread."""

    __slots__ = (
        "blocked",
        "dying",
        "finished",
        "greenlet",
        "ident",
        "loop",
        "name",
        "process",
        "token",
        "waiters",
        "woken",
    )

    def __init__(self, process: Process, name: str, ident: int) -> None:
        self.process = process
        self.name = name
        self.ident = ident
        self.greenlet: greenlet.greenlet
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop that runs in this thread: asyncio knows one for each real thread only."""
        self.blocked = False
        self.woken = False
        self.dying = False
        self.finished = False
        self.token = 0
        self.waiters: list[Task] = []


class Stuck(Exception):
    """Nothing can run, and nothing ever will."""


class Simulator:
    """See the module's page."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 1.0
        """Seconds since the beginning; every clock in the simulation is derived from it."""
        self.current: Task | None = None
        self.switches = 0
        self.halted = False
        self.on_error: Callable[[Task, Exception], None] = lambda _task, _error: None
        self.outside = Process("outside")
        self.order = self.random.choice(["random", "random", "random", "first", "last"])
        self.preempt_every = self.random.choice([0, 0, 60, 15, 4])
        """One in about so many passed points lets another task go first; 0: none does."""
        self._countdown = self._draw()
        self._ready: list[Task] = []
        self._timers: list[tuple[float, int, Task, int]] = []
        self._count = 0
        self._tasks: list[Task] = []
        self._hub = greenlet.getcurrent()

    # Called by tasks

    def spawn(self, process: Process, function: Callable[[], object], name: str) -> Task:
        """Start a task."""
        self._count += 1
        task = Task(process, name, self._count)

        def body() -> None:
            try:
                function()
            except Exception as error:  # noqa: BLE001 - a thread that ends by an error is a finding, or clutter of the end
                if not task.dying:
                    self.on_error(task, error)
            finally:
                task.finished = True
                for waiter in task.waiters:
                    self.wake(waiter)

        task.greenlet = greenlet.greenlet(body, self._hub)
        self._tasks.append(task)
        self._ready.append(task)
        return task

    def block(self, timeout: float | None = None) -> bool:
        """Wait until `wake` is called for this task; False after `timeout` seconds."""
        task = self.current
        if task is None:
            raise Stuck("something outside of the simulation waits for something inside")
        if task.dying:
            raise greenlet.GreenletExit
        task.blocked, task.woken = True, False
        task.token += 1
        if timeout is not None:
            self._count += 1
            heapq.heappush(self._timers, (self.now + max(timeout, 0.0), self._count, task, task.token))
        self._hub.switch()
        return task.woken

    def wake(self, task: Task) -> None:
        """Let a waiting task go on."""
        if task.blocked:
            task.blocked, task.woken = False, True
            self._make_ready(task)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.block(seconds)

    def point(self) -> None:
        """Perhaps let another task go first."""
        if self.preempt_every and (task := self.current) is not None and not task.dying:
            self._countdown -= 1
            if self._countdown <= 0:
                self._countdown = self._draw()
                self._ready.append(task)
                self._hub.switch()

    def let_others_go(self) -> None:
        """Let any other task go first."""
        task = self.current
        if task is not None and not task.dying:
            self._ready.append(task)
            self._hub.switch()

    # Called from anywhere

    def pause(self, process: Process) -> None:
        """Stop a process, as SIGSTOP does: its tasks go no further, and time goes on without it."""
        process.paused = True

    def resume(self, process: Process) -> None:
        """Let a paused process go on."""
        process.paused = False
        self._ready.extend(process.parked)
        process.parked = []

    def run(self, is_over: Callable[[], bool], until: float) -> None:
        """Run tasks until `is_over`, or until the clock shows `until`."""
        ready, timers = self._ready, self._timers
        draw, is_random, last = self.random.random, self.order == "random", -1 if self.order == "last" else 0
        while self.now < until and not self.halted:
            while timers and timers[0][0] <= self.now:
                self._fire(heapq.heappop(timers))
            if not ready:
                if is_over():
                    return
                if not timers:
                    raise Stuck("every task waits, and nothing will wake any of them")
                self.now = max(self.now, timers[0][0])
                continue
            task = ready.pop(int(draw() * len(ready)) if is_random else last)
            process = task.process
            if task.finished or process.dead:
                continue
            if process.paused:
                process.parked.append(task)
                continue
            self.now += TICK
            self.switches += 1
            if self.switches > MOST_SWITCHES:
                raise Stuck(f"it does not come to rest within {MOST_SWITCHES} turns")
            self._switch(task, task.greenlet.switch)

    def tear_down(self) -> None:
        """End all tasks. Whatever they do on their way out finds nothing to wait for."""
        for task in self._tasks:
            if not task.finished:
                task.dying = True
                task.process.dead = True
        for task in self._tasks:
            if not task.finished:
                self._switch(task, lambda task=task: task.greenlet.throw(greenlet.GreenletExit))  # type: ignore[misc]  # mypy does not infer a lambda with a default
        self._tasks.clear()

    def _switch(self, task: Task, switch: Callable[[], Any]) -> None:
        self.current = task
        if task.loop is not None:
            _set_running_loop(task.loop)
        try:
            switch()
        finally:
            self.current = None
            task.loop = _get_running_loop()
            if task.loop is not None:
                _set_running_loop(None)

    def _fire(self, timer: tuple[float, int, Task, int]) -> None:
        _, _, task, token = timer
        if task.blocked and task.token == token:
            task.blocked = False
            self._make_ready(task)

    def _make_ready(self, task: Task) -> None:
        (task.process.parked if task.process.paused else self._ready).append(task)

    def _draw(self) -> int:
        return 1 + int(self.random.random() * 2 * self.preempt_every)


class _Nowhere:
    simulator: Simulator | None = None


def simulator() -> Simulator:
    """Return the simulator that runs."""
    found = _Nowhere.simulator
    if found is None:
        raise RuntimeError("no simulation runs")
    return found


def set_simulator(new: Simulator | None) -> None:
    """Make a simulator the one that all stand-ins mean."""
    _Nowhere.simulator = new


def monotonic() -> float:
    """Read the monotonic clock of the running task's process."""
    here = simulator()
    return here.now + (here.current.process.monotonic_offset if here.current is not None else 0.0)
