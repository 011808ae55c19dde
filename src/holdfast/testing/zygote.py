"""`python -m holdfast.testing.zygote`: runs one workflow again and again, and kills it at each point that it passes.

A process of its own, that imports the program once and forks for each run, so that a kill costs little more than the
recovery. It has no threads itself. What is to be done comes as one line of JSON on standard input; what became of each
kill goes to standard output, a line of JSON each.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast import failpoints
from holdfast.api.app import Holdfast
from holdfast.api.decorators import definition_of
from holdfast.api.options import Options
from holdfast.api.registry import registry
from holdfast.core.codec import Codec
from holdfast.core.model import Status, WorkflowFilter
from holdfast.core.options import Config
from holdfast.errors import HoldfastError, StepOutcomeUnknown
from holdfast.store.base import Store
from holdfast.store.open import open_store
from holdfast.testing.effects import VARIABLE, read_effects
from holdfast.testing.killing import Pass, Reaper, choose_passes, in_child, read_log
from holdfast.testing.recovery import changed_history, needless_runs, uncounted
from holdfast.testing.time_machine import TimeMachine

WORKFLOW_ID = "crash-everywhere"
DATABASE = "holdfast.db"
QUICK = Config(suspend_after=0.05, heartbeat=0.2, lease=2.0, poll=0.5, shutdown_timeout=5.0)
_STANDING = frozenset({Status.BLOCKED, Status.DEAD})


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is to be run."""

    workflow: str
    """`module:qualified.name`, as of the functions below."""
    call: str
    """Its arguments, encoded."""
    app: str | None
    during: str | None
    most: int
    """How many kills there are at most for one label."""
    patience: float
    """Seconds after which a run is stuck."""


def find(name: str) -> Any:
    """Import what `module:qualified.name` stands for."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


class Run:
    """One run of the workflow on a database in `folder`, perhaps killed and run again."""

    def __init__(self, order: Order, folder: Path) -> None:
        self._order, self._folder = order, folder
        self._url = f"sqlite:///{folder / DATABASE}"
        self._log, self._effects = folder / "passes", folder / "effects"

    def passes(self) -> list[tuple[str, str]]:
        """Return what it has passed so far, in all its lives."""
        return read_log(self._log) if self._log.exists() else []

    def live(self, name: str, kill_at: Pass | None = None) -> bool:
        """Run it in a process of its own; tell whether that was not killed. Raises `AssertionError`."""
        may_die = kill_at is not None
        return in_child(lambda: self._live(name, kill_at), may_die=may_die, patience=self._order.patience)

    def facts(self, name: str) -> dict[str, Any]:
        """Return what a life that came to its end has found."""
        found: dict[str, Any] = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        return found

    def _live(self, name: str, kill_at: Pass | None) -> None:
        logging.getLogger("holdfast").setLevel(logging.CRITICAL)
        os.environ[VARIABLE] = str(self._effects)
        before = self._left()
        failpoints.install(Reaper(self._log, kill_at))
        order = self._order
        app: Holdfast = Holdfast(self._url, config=QUICK) if order.app is None else find(order.app)(self._url)
        function, clock = find(order.workflow), TimeMachine(app)
        with app:
            args, kwargs = app.codec.decode_call(definition_of(function).signature, order.call)
            Options(engine=app.engine, id=WORKFLOW_ID).start(function, *args, **kwargs)
            if order.during is not None:
                find(order.during)(app, WORKFLOW_ID)
            statuses = _when_all_ended(app.store, clock)
            record = app.get_workflow(WORKFLOW_ID)
            facts = {
                "outcome": [record.status.value, record.output, _error(record.error), record.report],
                "statuses": statuses,
                "before": before,
                "journals": _journals(app.store),
                "effects": read_effects(self._effects),
            }
        (self._folder / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")

    def _left(self) -> dict[str, list[list[Any]]]:
        """Read what a dead process left in the database."""
        with closing(open_store(self._url)) as store:
            try:
                store.open(migrate=False)
            except HoldfastError:
                return {}
            return _journals(store)


def _journals(store: Store) -> dict[str, list[list[Any]]]:
    return {
        record.workflow_id: [
            [entry.step_id, entry.kind.value, entry.digest, entry.output, _error(entry.error)]
            for entry in store.journal(record.workflow_id)
        ]
        for record in store.list_workflows(WorkflowFilter(limit=1000))
    }


def _error(text: str | None) -> list[str] | None:
    """Keep of an exception what does not depend on where it was raised."""
    if text is None:
        return None
    document = json.loads(text)
    return [str(document.get("type")), str(document.get("message"))]


def _when_all_ended(store: Store, clock: TimeMachine) -> list[str]:
    """Skip time until no workflow goes on by itself. Whoever waits for this process to end sets the limit."""
    while True:
        records = store.list_workflows(WorkflowFilter(limit=1000))
        if all(record.status.is_terminal or record.status in _STANDING for record in records):
            return sorted(f"{record.name}: {record.status}" for record in records)
        if clock.only_time_is_waited_for():
            clock.advance_to_next()
        time.sleep(0.01)


def kill_everywhere(order: Order, folder: Path, tell: Callable[[dict[str, Any]], None]) -> None:
    """Run the workflow undisturbed, then once for each kill, and tell what became of each."""
    undisturbed = Run(order, _fresh(folder))
    try:
        undisturbed.live("undisturbed")
    except AssertionError as error:
        tell({"error": f"without any kill: {error}"})
        return
    expected = undisturbed.facts("undisturbed")
    log = undisturbed.passes()
    tell({"outcome": expected["outcome"], "steps": Counter(key for label, key in log if label == "step.before")})
    for at in choose_passes(Counter(label for label, _ in log), most=order.most):
        run = Run(order, _fresh(folder))
        tell({"at": at, **_one_kill(run, at, expected)})


def _one_kill(run: Run, at: Pass, expected: dict[str, Any]) -> dict[str, Any]:
    try:
        if run.live("killed", at):
            return {"happened": False, "faults": list(_differences(expected, run.facts("killed")))}
        first = len(run.passes())
        run.live("recovered")
    except AssertionError as error:
        return {"happened": True, "faults": [f"stuck: {error}"]}
    found = run.facts("recovered")
    faults = [
        *_differences(expected, found),
        *changed_history(found["before"], found["journals"]),
        *needless_runs(found["before"], run.passes()[first:]),
    ]
    recorded = [entry[0] for entry in found["before"].get(WORKFLOW_ID, ())]
    return {"happened": True, "faults": faults, "recorded": recorded}


def _differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    miscounted = list(uncounted(expected["effects"], found["effects"]))
    if _ends_unknown(found):
        # That is what an at-most-once step promises. What its workflow makes of it is the workflow's business.
        return [each for each in miscounted if each.startswith("duplicated")]
    wrong = [
        f"{what}: {found[what]!r} instead of {expected[what]!r}"
        for what in ("outcome", "statuses")
        if found[what] != expected[what]
    ]
    return [*wrong, *miscounted]


def _ends_unknown(found: dict[str, Any]) -> bool:
    """Tell whether a step that is to run at most once was killed, so that nobody knows whether it did."""
    errors = (entry[4] for journal in found["journals"].values() for entry in journal)
    return any(error is not None and error[0].endswith(StepOutcomeUnknown.__name__) for error in errors)


def _fresh(folder: Path) -> Path:
    """Make a folder with a database in which nothing has happened yet; what the last run left goes."""
    place, template = folder / "run", folder / "template"
    if place.exists():
        shutil.rmtree(place)
    if not template.exists():
        template.mkdir()
        in_child(lambda: _make_tables(template), may_die=False, patience=60)
    shutil.copytree(template, place)
    return place


def _make_tables(folder: Path) -> None:
    with closing(open_store(f"sqlite:///{folder / DATABASE}")) as store:
        store.open()


def main() -> None:
    """Do what standard input says."""
    document = json.loads(sys.stdin.readline())
    sys.path[:] = document.pop("path")
    order = Order(**document)
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # What the program prints is not a report.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for name in (order.workflow, order.app, order.during):
        if name is not None:
            find(name)
    Codec(signatures=registry.signatures).decode_call(definition_of(find(order.workflow)).signature, order.call)
    with tempfile.TemporaryDirectory(prefix="holdfast-crash-") as folder:
        kill_everywhere(order, Path(folder), lambda report: print(json.dumps(report), file=reports, flush=True))


if __name__ == "__main__":
    main()
