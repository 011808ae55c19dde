"""The engine of one application in one process: what all workflows share, and which of them are in memory."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from holdfast import failpoints
from holdfast.core.codec import Codec
from holdfast.core.model import Claimed, NewWorkflow, Status, WorkflowRecord
from holdfast.core.options import Config
from holdfast.core.queues import Queue
from holdfast.core.replay import Journal, writers
from holdfast.errors import ConfigurationError, PayloadError, StoreUnavailable, WorkflowIdConflict
from holdfast.runtime.clock import DatabaseClock
from holdfast.runtime.committer import Committer
from holdfast.runtime.context import Frame, current
from holdfast.runtime.control import Released
from holdfast.runtime.databases import Database, StoreDatabase
from holdfast.runtime.definitions import Definitions, WorkflowDefinition
from holdfast.runtime.effects import Await, Durable, Flow, Offload, PooledFlow, Spawn
from holdfast.runtime.execution import Execution
from holdfast.runtime.hub import Hub
from holdfast.runtime.ids import Ids
from holdfast.runtime.local_outcomes import LocalOutcomes
from holdfast.runtime.pace import Pace
from holdfast.runtime.queues import Queues
from holdfast.runtime.run import run
from holdfast.runtime.signals import Signal
from holdfast.runtime.solitude import Solitude
from holdfast.runtime.threads import Loops, ThreadPool, process_ends
from holdfast.runtime.time_limits import earliest
from holdfast.runtime.tracing import NoTracer, Tracer
from holdfast.runtime.versions import note_version
from holdfast.store.base import Store
from holdfast.store.management_writes import AdoptVersion
from holdfast.store.writes import Cancel, Committed, SetAside, Unit

log = logging.getLogger("holdfast.engine")
T = TypeVar("T")


def _instance_call(text: str) -> dict[str, str] | None:
    """Take apart the recorded call of a method; None for one of a function."""
    if not text.startswith('{"$instance": '):
        return None
    document: dict[str, str] = json.loads(text)
    return document


def _ignore(_due: float) -> None:
    return


class Engine:
    """See the module's page. Built by the application, started by `runtime.worker`."""

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        *,
        config: Config,
        codec: Codec,
        ids: Ids | None = None,
        tracer: Tracer | None = None,
        databases: Mapping[str, Database] | None = None,
        extensions: dict[type[Any], Any] | None = None,
        queues: Iterable[Queue] = (),
    ) -> None:
        self.store = store
        self.extensions = {} if extensions is None else extensions
        """What is built on the engine and its workflows must find, by class: the application's approvals."""
        self._databases: dict[str | None, Database] = {None: StoreDatabase(store)}
        self._databases.update(databases or {})
        self.definitions = definitions
        self.config = config
        self.codec = codec
        self.ids = ids or Ids()
        self.tracer: Tracer = tracer or NoTracer()
        self.clock = DatabaseClock(store.now, monotonic=time.monotonic)
        self.hub = Hub()
        self.local_outcomes = LocalOutcomes()
        self.committer = Committer(store, self._on_commit)
        self.pace = Pace(lambda: self.committer.backlog)
        self.committer.on_written = self.pace.go_on
        self.committer.losses.running = lambda: self.running
        self.pool = ThreadPool(config.max_threads)
        self.committer.go_on = self.pool.submit_all
        self.loops = Loops()
        self.worker_id = self.ids.new()
        self.queues = Queues(self, queues)
        self.on_news: Callable[[Committed], None] | None = None
        """Told of every commit that others should hear of; set by the notifier."""
        self.on_timer: Callable[[float], None] = _ignore
        """Told of every time at which a suspended workflow is due; set by the worker."""
        self.lease_losses = 0
        """How often this process was taken for dead, and lost what it ran."""
        self.heard_at: float | None = None
        """When (monotonic) the database took this worker's last heartbeat."""
        self.closing = False
        self.wants_room = False
        """The worker has had no room for what it could claim: whoever leaves memory tells it."""
        self.solitude = Solitude(self.clock.monotonic, seconds=config.lease, accused_from=config.crash_limit)
        self._lock = threading.Lock()
        self._running: dict[str, Execution] = {}
        self._coming: dict[str, Execution] = {}
        """Those that are to run here in the background, and have no thread yet, or no turn on the event loop."""
        self._emptied = Signal()

    def database(self, name: str | None) -> Database:
        """Return where a transaction runs. Raises `ConfigurationError`."""
        found = self._databases.get(name)
        if found is None:
            known = ", ".join(sorted(repr(other) for other in self._databases if other is not None)) or "none"
            raise ConfigurationError(
                f"a transaction asks for the database {name!r}; Holdfast(databases=…) was given: {known}"
            )
        return found

    def open_databases(self) -> None:
        """Open the application's other databases. Raises `ConfigurationError`, `StoreUnavailable`."""
        for database in self._databases.values():
            database.open()

    def close_databases(self) -> None:
        """Close the application's other databases."""
        for database in self._databases.values():
            database.close()

    # Running workflows

    @property
    def pinned(self) -> tuple[tuple[str, str], ...]:
        """The workflows, by name and version, that this process runs in exactly that version."""
        return self.definitions.versions(pinned_unless_said=self.config.on_new_version == "pin")

    def pinned_claims(self) -> tuple[tuple[str, str], ...]:
        """Return what may be claimed of pinned workflows: also those that were started without saying a version."""
        pinned = self.pinned
        return (*pinned, *((name, "") for name in dict.fromkeys(name for name, _ in pinned))) if pinned else pinned

    def takes_more(self) -> bool:
        """Tell whether one more workflow may run in this process now."""
        return not self.closing and not self.solitude.is_on and self.in_memory < self.config.max_running

    @property
    def running(self) -> list[Execution]:
        """The workflows in memory."""
        with self._lock:
            return list(self._running.values())

    @property
    def in_memory(self) -> int:
        """How many workflows are in memory, also those that are about to begin."""
        return len(self._running) + len(self._coming)

    def patience(self, *, holds_thread: bool) -> float:
        """Seconds that a workflow waits in memory; none while others wait for the pool's thread that it holds."""
        return 0.0 if holds_thread and self.pool.backlog else self.config.suspend_after

    def run_in_background(self, execution: Execution, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run a workflow that nobody waits for in this call: in a thread, or as a task."""
        self._coming[execution.workflow_id] = execution
        if execution.definition.is_async:
            self.loops.spawn(run(execution, args, kwargs))
        else:
            execution.frees_thread = True
            self.pool.submit(PooledFlow(run(execution, args, kwargs), self.pool.submit).begin)

    def inline(self, execution: Execution, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Spawn:
        """Return the effect that runs a workflow for a caller who waits; it gives how the workflow `Ended`."""
        return Spawn(run(execution, args, kwargs), self.loops.spawn)

    def enter(self, execution: Execution) -> None:
        """Note that a workflow is in memory."""
        with self._lock:
            self._running[execution.workflow_id] = execution
            if self._coming.get(execution.workflow_id) is execution:
                del self._coming[execution.workflow_id]
        self.hub.watch(execution.workflow_id, execution.signal)
        if self.closing:
            execution.leave(Released())

    def exit(self, execution: Execution) -> None:
        """Note that a workflow has left memory."""
        self.hub.unwatch(execution.workflow_id, execution.signal)
        self.solitude.left(execution)
        with self._lock:
            full = self.in_memory >= self.config.max_running
            # After a lost lease, the same workflow may be here in a new stay by now.
            if self._running.get(execution.workflow_id) is execution:
                del self._running[execution.workflow_id]
            empty = not self._running
        if self.local_outcomes.left(execution.workflow_id):
            self.hub.publish((execution.workflow_id,))
        if empty:
            self._emptied.set()
        if full or self.wants_room or execution.crashes >= self.config.isolate_from:
            self.hub.work.set()

    def write_what_rides(self) -> None:
        """Write outcomes that wait for a next operation which is long in coming, so that a crash repeats less."""
        for execution in self.running:
            execution.submit()

    def cancel_overdue(self) -> None:
        """Cancel those in memory whose deadline has passed, also where they await something for long."""
        for execution in self.running:
            if execution.is_overdue:
                execution.request_cancel()

    def release_all(self, timeout: float) -> bool:
        """Let every workflow leave memory at its next durable operation.

        Tell whether all did within `timeout` seconds.
        """
        self.closing = True
        ends = self.clock.monotonic() + timeout
        while True:
            self._emptied.clear()
            running = self.running
            if not running:
                return True
            for execution in running:
                execution.leave(Released())
            left = ends - self.clock.monotonic()
            if left <= 0:
                return False
            self._emptied.wait(left)

    def check_process(self, execution: Execution) -> None:
        """Raise `Released` if the process ends: the error that code just met is no outcome, and begins nothing anew."""
        if process_ends():
            self.closing = True
            raise execution.leave(Released())

    # Loading

    def load(self, claimed: Claimed) -> tuple[Execution, tuple[Any, ...], dict[str, Any]] | None:
        """Rebuild a workflow from the store; None if that is impossible: it is set aside with the reason."""
        record = claimed.record
        definition = self.definitions.workflow(record.name, record.version)
        if definition is None:
            raise LookupError(record.name)
        version = record.version or definition.version
        execution = Execution(
            self,
            definition,
            workflow_id=record.workflow_id,
            epoch=record.epoch,
            input_text=record.input,
            journal=Journal(claimed.journal, strict=writers(version, claimed.journal) <= {definition.version}),
            deadline_at=record.deadline_at,
            cancel_requested=record.cancel_at is not None,
            crashes=record.crashes,
            traceparent=record.traceparent,
        )
        if claimed.damage is not None:
            self._set_aside(execution, "a row of its journal can't be read", claimed.damage)
            return None
        try:
            args, kwargs = self.decode_call(definition, record.input)
        except Exception as error:  # noqa: BLE001 - one unreadable row must not keep the others of its claim from running
            self._set_aside(execution, "its input can't be read", f"{type(error).__name__}: {error}")
            return None
        if not record.version:
            if record.timeout is None and definition.options.timeout is not None:
                # Whoever started it by its name did not know.
                execution.deadline_at = earliest(record.deadline_at, self.clock.now() + definition.options.timeout)
            execution.ride(AdoptVersion(version=version, deadline_at=execution.deadline_at))
        note_version(execution, version)
        return execution, args, kwargs

    def _set_aside(self, execution: Execution, reason: str, error: str) -> None:
        report = {
            "reason": reason,
            "error": error,
            "way out": "mend the code or the registration that the error names, then resume the workflow",
        }
        execution.submit(SetAside(status=Status.BLOCKED, report=json.dumps(report)))
        log.error(
            "workflow %s (%s) is blocked: %s: %s",
            execution.workflow_id,
            execution.definition.name,
            reason,
            error,
            extra={"action": "workflow_blocked"},
        )

    def encode_call(self, definition: WorkflowDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Encode a workflow's arguments; a method's instance goes by its registered name."""
        if not definition.is_method:
            return self.codec.encode_call(definition.signature, args, kwargs)
        name = self.definitions.instance_name(definition, args[0])
        text = self.codec.encode_call(definition.signature, args[1:], kwargs)
        return json.dumps({"$instance": name, "arguments": text})

    def _same_call(self, one: str, other: str) -> bool:
        first, second = _instance_call(one), _instance_call(other)
        if first is None or second is None:
            return first is second and self.codec.same_call(one, other)
        return first["$instance"] == second["$instance"] and self.codec.same_call(
            first["arguments"], second["arguments"]
        )

    def is_same(self, new: NewWorkflow, existing: WorkflowRecord) -> bool:
        """Tell whether the workflow that has an id already is what was asked for under it."""
        return existing.name == new.name and (
            existing.input_digest == new.input_digest or self._same_call(existing.input, new.input)
        )

    def check_same(self, new: NewWorkflow, existing: WorkflowRecord) -> None:
        """Raise `WorkflowIdConflict` unless the workflow that has an id already is what was asked for under it."""
        if not self.is_same(new, existing):
            raise WorkflowIdConflict(
                new.workflow_id, existing=f"{existing.name}({existing.input})", asked=f"{new.name}({new.input})"
            )

    def edit_call(self, text: str, changes: Mapping[str, object]) -> str:
        """Give a recorded call other values for some arguments. Raises `PayloadError`."""
        instance = _instance_call(text)
        if instance is None:
            return self.codec.edit_call(text, changes)
        return json.dumps({**instance, "arguments": self.codec.edit_call(instance["arguments"], changes)})

    def decode_call(self, definition: WorkflowDefinition, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Decode a workflow's arguments. Raises `PayloadError`, `ConfigurationError`."""
        if not definition.is_method:
            return self.codec.decode_call(definition.signature, text)
        document = json.loads(text)
        instance = self.definitions.instance(definition, document["$instance"])
        args, kwargs = self.codec.decode_call(definition.signature, document["arguments"])
        return (instance, *args), kwargs

    def encode_parcel(self, value: object) -> str:
        """Encode what is handed to somebody else: a message, an event, a stream's item.

        A registered type travels with its name; another dataclass or model as plain JSON, for a reader who says what it
        is to be decoded as. Raises `PayloadError`.
        """
        try:
            return self.codec.encode(value)
        except PayloadError:
            return self.codec.encode(value, type(value))

    # Reading and waiting

    def read(self, function: Callable[[], T]) -> Flow[T]:
        """Read from the store, off the event loop, waiting for it while it is away."""
        try:
            return (yield from self._read(function))
        except asyncio.CancelledError:
            # A workflow's cancellation is raised by its operations, which record where it was heard.
            frame = current.get()
            if frame is None or frame.step is not None or not frame.execution.interruption.puts_off(frame.execution):
                raise
        try:
            return (yield from self.read(function))
        finally:
            frame.execution.interruption.interrupt(frame.execution)

    def _read(self, function: Callable[[], T]) -> Flow[T]:
        pause = 0.05
        while True:
            try:
                value: T = yield Offload(function)
            except StoreUnavailable as error:
                if self.closing:
                    raise
                log.warning("waiting for the database: %s", error, extra={"action": "store_unavailable"})
                yield Await(Signal(), pause)
                pause = min(pause * 2, 1.0)
            else:
                return value

    def watch_until(self, workflow_id: str, look: Callable[[], T | None], timeout: float | None) -> Flow[T | None]:
        """Wait, outside workflow code, until `look` finds something about a workflow; None after `timeout` seconds."""
        signal = Signal()
        ends = None if timeout is None else self.clock.monotonic() + timeout
        self.hub.watch(workflow_id, signal)
        try:
            while True:
                signal.clear()
                found = yield from self.read(look)
                if found is not None:
                    return found
                left = self.config.poll if ends is None else min(self.config.poll, ends - self.clock.monotonic())
                if left <= 0:
                    return None
                yield Await(signal, left)
        finally:
            self.hub.unwatch(workflow_id, signal)

    def step_scoped_id(self, frame: Frame, what: str) -> str:
        """Make an id that is the same when the step's body runs again, from its key and a count."""
        if frame.step is None:
            raise RuntimeError("not in a step")
        return f"{frame.step.idempotency_key}/{what}#{frame.next_in_step(what)}"

    # News

    def cancel(self, workflow_id: str) -> Flow[list[str] | None]:
        """Ask for a cancellation; return the ids touched, or None if there is no such workflow."""
        ticket = self.committer.submit(Unit(writes=(Cancel(workflow_id=workflow_id),)))
        receipt = yield Durable(ticket)
        failpoints.reached("cancel.written", workflow_id)
        touched: list[str] | None = receipt.results[0]
        self.cancel_here(touched or ())
        return touched

    def cancel_here(self, workflow_ids: Any) -> None:
        """Pass cancellations on to those of the workflows that run in this process."""
        for workflow_id in workflow_ids:
            # In this order: it is in the one before it leaves the other.
            execution = self._coming.get(workflow_id) or self._running.get(workflow_id)
            if execution is not None:
                execution.request_cancel()

    def heard(self, news: frozenset[str] | None) -> None:
        """Take in what other processes committed."""
        self.hub.publish(news, ready=news is None)

    def _on_commit(self, committed: Committed) -> None:
        self.hub.publish(committed.news, ready=committed.ready)
        if self.on_news is not None and (committed.news or committed.ready):
            self.on_news(committed)
