"""Killing a workflow at every point that it passes, as a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.api.app import Holdfast
from holdfast.api.decorators import definition_of
from holdfast.api.registry import registry
from holdfast.core.codec import Codec
from holdfast.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Crash:
    """One kill, and what was wrong after the recovery."""

    point: str
    """Where: a failpoint, and which time it was passed."""
    happened: bool
    """False: this time the workflow ended without passing there, for two runs are not quite the same."""
    faults: Sequence[str]
    recorded: Sequence[str] = ()
    """Ids of the steps that the workflow's journal held when it was killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CrashReport:
    """What `crash_everywhere` did. Prints as a table."""

    workflow: str
    crashes: Sequence[Crash]
    steps: Mapping[str, int]
    """How often each step's body ran undisturbed, by idempotency key."""

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(crash.happened for crash in self.crashes)

    def __str__(self) -> str:
        width = max((len(crash.point) for crash in self.crashes), default=0)
        lines = [f"{self.workflow}: {self.kills} kills"]
        for crash in self.crashes:
            outcome = "; ".join(crash.faults) or ("recovered" if crash.happened else "not passed this time")
            lines.append(f"  {crash.point:{width}}  {outcome}")
        return "\n".join(lines)


class CrashFailure(AssertionError):
    """A workflow did not survive a kill as it should have."""

    def __init__(self, report: CrashReport) -> None:
        self.report = report
        super().__init__("\n".join(_explained(report)))


def crash_everywhere(
    workflow: Callable[..., Any],
    /,
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    app: Callable[[str], Holdfast] | None = None,
    during: Callable[[Holdfast, str], object] | None = None,
    most: int = 8,
    patience: float = 60.0,
) -> CrashReport:
    """Kill a workflow at every write and around every effect, and assert that its recovery is as if nothing happened.

    The workflow is run once undisturbed, then once for each point that it passed, in a process that is killed there
    with SIGKILL; a second process recovers. Each run has an SQLite database of its own, and skips the times in which
    only a time is waited for. Asserted is, for each kill: the same outcome; children that end as they did; every effect
    that `record_effect` noted there as often as without a kill; no step run again whose outcome was recorded; nothing
    that was recorded changed. Steps that were killed between their effect and their record run again, which is a fault
    unless the effect carries an idempotency key; one that runs at most once may end in `StepOutcomeUnknown` instead,
    and the workflow with whatever it makes of that.

    `workflow`, `app` and `during` are imported by another process: functions of a module, not of another function.
    `app` makes the application from a database URL (default: `Holdfast(url)` with quick looks at the database);
    `during` is called with it and the workflow's id once the workflow was started, to send messages, decide approvals
    and the like: after a kill it is called again, so it gives its messages keys. Of the same kind of point at most
    `most` are tried, the first ones and the last. A run that takes longer than `patience` seconds is stuck.

    Raises `CrashFailure`, an `AssertionError`; `UsageError` for what another process can't import; `PayloadError`.
    """
    definition = definition_of(workflow)
    codec = Codec(signatures=registry.signatures)
    order = {
        "path": [path for path in sys.path if path],
        "workflow": _importable(workflow),
        "call": codec.encode_call(definition.signature, args, dict(kwargs or {})),
        "app": None if app is None else _importable(app),
        "during": None if during is None else _importable(during),
        "most": most,
        "patience": patience,
    }
    report = _report(definition.name, _run(order))
    if any(crash.faults for crash in report.crashes):
        raise CrashFailure(report)
    return report


def _importable(function: Callable[..., Any]) -> str:
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", "")
    if module in {None, "__main__"} or not name or "<" in name:
        raise UsageError(
            f"crash_everywhere() runs {name or function!r} in another process, which can't import it from "
            f"{module or 'nowhere'}: define it at the top of a module"
        )
    return f"{module}:{name}"


def _run(order: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "holdfast.testing.zygote"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a process was made without pipes")
        process.stdin.write(f"{json.dumps(order)}\n")
        process.stdin.close()
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise AssertionError("the process that kills the workflow failed; its error is above")


def _report(name: str, lines: Iterator[dict[str, Any]]) -> CrashReport:
    first: dict[str, Any] = next(lines, {"error": ""})
    if "error" in first:
        raise AssertionError(f"{name} does not come to its end {first['error']}".rstrip())
    crashes = [
        Crash(
            point=f"{line['at'][0]} no. {line['at'][1]}",
            happened=line["happened"],
            faults=line["faults"],
            recorded=line.get("recorded", ()),
        )
        for line in lines
    ]
    return CrashReport(workflow=name, crashes=crashes, steps=first["steps"])


def _explained(report: CrashReport) -> Iterator[str]:
    failed = [crash for crash in report.crashes if crash.faults]
    yield f"{report.workflow} does not survive {len(failed)} of {report.kills} kills:"
    for crash in failed:
        yield f"  killed at {crash.point}:"
        yield from (f"    {fault}" for fault in crash.faults)
        yield f"    recorded by then: {', '.join(crash.recorded) or 'nothing'}"
    kinds = {fault.partition(":")[0] for crash in failed for fault in crash.faults}
    yield from (_ADVICE[kind] for kind in _ADVICE if kind in kinds)


_ADVICE = {
    "duplicated": "A step that is killed between its effect and its record runs again, and so does code outside of "
    "steps. Put the effect into a step, and hand its step_info().idempotency_key to the provider (and to "
    "record_effect(…, key=…)); write to your own database in a @transaction; or declare the step at_most_once=True.",
    "lost": "An effect that is not part of a step or a transaction is lost when the process dies before it.",
    "outcome": "The outcome depends on something that a recovery does not see again: time, chance, the environment, or "
    "state in memory. Put what reads it into a step.",
    "stuck": "The recovered workflow does not end: does `during` do again what it did before the kill?",
}
