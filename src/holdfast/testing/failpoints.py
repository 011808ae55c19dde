"""Make a process die, stop or fail at a failpoint, told by a text: from the environment, or from a test.

    HOLDFAST_TESTING=1 HOLDFAST_FAILPOINTS="commit.after=kill@3; step.after=stop@1:8s; claim.after=delay@*%5:50ms"

Each entry is `point=action@pass:argument`. The points are those of `holdfast.failpoints.POINTS`; a commit's may name a
kind of write, `commit.before:Finish`. Passes are counted from 1 over the whole process: `@3` the third (default: the
first), `@*` each, `@*%5` each fifth.

    kill            SIGKILL to this process
    exit            leave at once with a code (default 1), without cleaning up
    stop:8s         SIGSTOP, and SIGCONT after the time (default: 1 s; `ever` for no end)
    error           raise StoreUnavailable; `error:conflict` a Conflict, `error:value` a ValueError
    delay:0.5s      wait that long in this thread (default: 0.1 s)
    cut             raise what a connection that is lost at this instant raises

Production never imports this module: a program under test calls `from_environment` itself.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from holdfast import failpoints
from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.store.base import Conflict
from holdfast.testing.killing import labels

VARIABLE, ALLOWED = "HOLDFAST_FAILPOINTS", "HOLDFAST_TESTING"
_ENTRY = re.compile(
    r"(?P<point>[\w.]+)(?::(?P<kind>\w+))?\s*=\s*(?P<action>\w+)(?:@(?P<number>\d+)|@\*(?:%(?P<each>\d+))?)?"
    r"(?::(?P<argument>[\w.]+))?"
)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|)")
_ERRORS: Mapping[str, Callable[[str], Exception]] = MappingProxyType(
    {"unavailable": StoreUnavailable, "conflict": Conflict, "value": ValueError}
)


@dataclass(kw_only=True, slots=True)
class Rule:
    """What happens at which passes of a point. Counts the passes itself, in whatever thread they happen."""

    point: str
    act: Callable[[str], None]
    kind: str | None = None
    """Only commits with this kind of write among theirs."""
    number: int | None = None
    """The one pass at which it happens; None: at each, or at each `every`th."""
    every: int = 1
    passes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reached(self, point: str, about: Any) -> None:
        """Count a pass, and act if it is the one."""
        if point != self.point or (self.kind is not None and f"{point} {self.kind}" not in labels(point, about)):
            return
        with self._lock:
            self.passes += 1
            due = self.passes == self.number if self.number is not None else self.passes % self.every == 0
        if due:
            self.act(point)


def rules(text: str) -> list[Rule]:
    """Read the text; see the module's page. Raises `ConfigurationError`."""
    return [_rule(entry.strip()) for entry in text.split(";") if entry.strip()]


def from_environment() -> list[Rule]:
    """Install what the environment asks for; nothing if it asks for nothing. Raises `ConfigurationError`."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return []
    if os.environ.get(ALLOWED) != "1":
        raise ConfigurationError(f"{VARIABLE} is set: failpoints are for tests, and need {ALLOWED}=1 beside it")
    found = rules(text)
    failpoints.install(hook(found))
    return found


def hook(found: list[Rule]) -> failpoints.Hook:
    """Return a hook that follows the rules, for `holdfast.failpoints.installed`."""

    def reached(point: str, about: Any) -> None:
        for rule in found:
            rule.reached(point, about)

    return reached


def _rule(entry: str) -> Rule:
    parts = _ENTRY.fullmatch(entry)
    if parts is None:
        raise ConfigurationError(f"{VARIABLE}: {entry!r} is not point=action@pass:argument")
    if parts["point"] not in failpoints.POINTS:
        known = ", ".join(sorted(failpoints.POINTS))
        raise ConfigurationError(f"{VARIABLE}: there is no point {parts['point']!r}; there are: {known}")
    make = _ACTIONS.get(parts["action"])
    if make is None:
        raise ConfigurationError(
            f"{VARIABLE}: there is no action {parts['action']!r}; there are: {', '.join(sorted(_ACTIONS))}"
        )
    each = "@*" in entry
    number = None if each else int(parts["number"] or 1)
    every = int(parts["each"] or 1)
    if number == 0 or every == 0:
        raise ConfigurationError(f"{VARIABLE}: {entry!r}: passes are counted from 1")
    return Rule(point=parts["point"], kind=parts["kind"], act=make(parts["argument"]), number=number, every=every)


def _kill(argument: str | None) -> Callable[[str], None]:
    _no_argument("kill", argument)
    return lambda _point: os.kill(os.getpid(), signal.SIGKILL)


def _exit(argument: str | None) -> Callable[[str], None]:
    if argument is not None and not argument.isdigit():
        raise ConfigurationError(f"{VARIABLE}: exit:{argument}: the code is a number")
    return lambda _point: os._exit(int(argument or 1))


def _stop(argument: str | None) -> Callable[[str], None]:
    pause = None if argument == "ever" else _seconds(argument, 1.0)

    def stop(_point: str) -> None:
        if pause is not None:
            # Another process has to wake this one, and must not hold on to its files meanwhile.
            waker = f"import os, signal, time; time.sleep({pause!r}); os.kill({os.getpid()}, signal.SIGCONT)"
            os.posix_spawn(sys.executable, [sys.executable, "-c", waker], os.environ, setsid=True)
        os.kill(os.getpid(), signal.SIGSTOP)

    return stop


def _delay(argument: str | None) -> Callable[[str], None]:
    pause = _seconds(argument, 0.1)
    return lambda _point: time.sleep(pause)


def _error(argument: str | None) -> Callable[[str], None]:
    error = _ERRORS.get(argument or "unavailable")
    if error is None:
        raise ConfigurationError(f"{VARIABLE}: there is no error {argument!r}; there are: {', '.join(_ERRORS)}")

    def fail(point: str) -> None:
        raise error(f"asked for by a failpoint at {point}")

    return fail


def _cut(argument: str | None) -> Callable[[str], None]:
    _no_argument("cut", argument)

    def cut(point: str) -> None:
        raise StoreUnavailable(f"the connection to the database was lost (asked for by a failpoint at {point})")

    return cut


def _no_argument(action: str, argument: str | None) -> None:
    if argument is not None:
        raise ConfigurationError(f"{VARIABLE}: {action} takes no argument, not {argument!r}")


def _seconds(argument: str | None, default: float) -> float:
    if argument is None:
        return default
    parts = _SECONDS.fullmatch(argument)
    if parts is None:
        raise ConfigurationError(f"{VARIABLE}: {argument!r} is not a time such as 8s or 50ms")
    return float(parts[1]) / (1000 if parts[2] == "ms" else 1)


_ACTIONS: Mapping[str, Callable[[str | None], Callable[[str], None]]] = MappingProxyType(
    {"kill": _kill, "exit": _exit, "stop": _stop, "delay": _delay, "error": _error, "cut": _cut}
)
