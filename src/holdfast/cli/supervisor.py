"""The parent of several worker processes: starts them, restarts those that crash, passes signals on. Does nothing else.

    starting    a process runs, or waits out its pause after a crash
    stopping    told by a signal: every child gets SIGTERM, nothing is restarted; a second signal kills
    ended       no child runs any more

Who is alive is known from `wait` alone. Children hold one end of a pipe: should the parent be killed, they
stop by themselves.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.cli.exits import Exit
from holdfast.cli.inbox import Inbox

log = logging.getLogger("holdfast.supervisor")

FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
HEALTHY_SECONDS = 60.0
"""A process that ran for so long crashed for another reason than the one before."""
_HOPELESS = frozenset({Exit.USAGE, Exit.CONFIGURATION})
"""Codes of what a restart can't mend."""

Ended = tuple[int, int]
"""A slot, and the pid of the process that ended in it."""


@dataclass(slots=True)
class _Slot:
    """A place for one process."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = FIRST_PAUSE
    due_at: float | None = 0.0
    """When it is to be started; None: it runs, or is done."""


@dataclass(slots=True)
class _State:
    stopping: bool = False
    code: Exit = Exit.DONE
    restarting: set[int] = field(default_factory=set)
    """Pids that were told to end so that others take their place."""


class Supervisor:
    """Runs `count` child processes. Its `run` belongs to the main thread, because signals do."""

    def __init__(self, command: Callable[[int, int], list[str]], count: int, *, keeps_finished: bool) -> None:
        """`command` makes a child's command line of its slot and the descriptor that tells whether the parent lives.

        `keeps_finished`: a child that ends with code 0 by itself is started again; else it is done.
        """
        self._command, self._keeps_finished = command, keeps_finished
        self._slots = [_Slot(number) for number in range(count)]
        self._events: Inbox[Ended | str] = Inbox(on_stop="stop")
        self._state = _State()
        self._patient = False
        self._alive_read, self._alive_write = os.pipe()

    def restart_all(self) -> None:
        """Let all processes end, and start them anew. May be called from any thread."""
        self._events.put("restart")

    def run(self, *, patient: bool = False) -> Exit:
        """Keep the processes running until a signal, or until all are done; return the exit code.

        `patient`: one that can't start, for a mistake in its program, is started again only by `restart_all`.
        """
        self._patient = patient
        with self._events:
            while self._start_what_is_due() or any(slot.process is not None for slot in self._slots):
                event = self._events.get(self._next_pause())
                if event is not None:
                    self._take(event)
        os.close(self._alive_read)
        os.close(self._alive_write)
        return self._state.code

    def _start_what_is_due(self) -> bool:
        """Start what is due; tell whether something still waits for its time."""
        if self._state.stopping:
            return False
        now = time.monotonic()
        for slot in self._slots:
            if slot.due_at is not None and slot.due_at <= now:
                self._start(slot)
        return self._patient or any(slot.due_at is not None for slot in self._slots)

    def _next_pause(self) -> float | None:
        if self._state.stopping:
            return None
        waiting = [slot.due_at for slot in self._slots if slot.due_at is not None]
        return max(min(waiting) - time.monotonic(), 0.0) if waiting else None

    def _start(self, slot: _Slot) -> None:
        slot.due_at, slot.started_at = None, time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - this very program, with options that were checked
            self._command(slot.number, self._alive_read),
            pass_fds=[self._alive_read],
            # Ctrl-C in a terminal is for the parent, which passes it on once.
            process_group=0,
        )
        slot.process = process
        log.info("process %d of %d has pid %d", slot.number + 1, len(self._slots), process.pid)
        threading.Thread(target=self._wait, args=(slot.number, process), daemon=True).start()

    def _wait(self, number: int, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._events.put((number, process.pid))

    def _take(self, event: Ended | str) -> None:
        if event == "restart":
            self._restart()
        elif isinstance(event, str):
            self._stop()
        else:
            self._ended(self._slots[event[0]])

    def _stop(self) -> None:
        again, self._state.stopping = self._state.stopping, True
        if not again:
            log.info("stopping %d processes", sum(slot.process is not None for slot in self._slots))
        self._signal(signal.SIGKILL if again else signal.SIGTERM)

    def _restart(self) -> None:
        if self._state.stopping:
            return
        log.info("the program has changed; starting anew")
        self._state.restarting = {slot.process.pid for slot in self._slots if slot.process is not None}
        for slot in self._slots:
            slot.pause = FIRST_PAUSE
            if slot.process is None:
                slot.due_at = 0.0
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.process is not None and slot.process.poll() is None:
                slot.process.send_signal(number)

    def _ended(self, slot: _Slot) -> None:
        if slot.process is None:
            return
        pid, code = slot.process.pid, slot.process.returncode
        slot.process = None
        if self._state.stopping:
            # One that had not begun to work yet is simply ended by the signal.
            if code not in {0, -signal.SIGTERM} and self._state.code is Exit.DONE:
                self._state.code = Exit.FAILED
        elif pid in self._state.restarting:
            self._state.restarting.discard(pid)
            slot.due_at = 0.0
        elif code == 0 and not self._keeps_finished:
            log.info("process %d is done", slot.number + 1)
        elif code in _HOPELESS:
            self._give_up(slot, code)
        else:
            self._crashed(slot, pid, code)

    def _give_up(self, slot: _Slot, code: int) -> None:
        if self._patient:
            log.error("process %d can't start; waiting for the program to change", slot.number + 1)
            return
        log.error("process %d can't start (exit code %d), and no restart would change that", slot.number + 1, code)
        self._state.code = Exit(code)
        self._stop()

    def _crashed(self, slot: _Slot, pid: int, code: int) -> None:
        now = time.monotonic()
        if now - slot.started_at >= HEALTHY_SECONDS:
            slot.pause = FIRST_PAUSE
        what = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        log.warning("process %d (pid %d) %s; the next one starts in %g s", slot.number + 1, pid, what, slot.pause)
        slot.due_at = now + slot.pause
        slot.pause = min(slot.pause * 2, LAST_PAUSE)
