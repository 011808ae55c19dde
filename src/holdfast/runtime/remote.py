"""An engine that runs nothing: for programs outside of workers, which start workflows by name and follow them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from holdfast.core.codec.digest import text_digest
from holdfast.core.data import dataclass
from holdfast.core.identity import check_text
from holdfast.core.model import NewWorkflow
from holdfast.core.options import StartOptions
from holdfast.errors import ConfigurationError, PayloadError, StoreUnavailable
from holdfast.runtime import queues
from holdfast.runtime.context import current
from holdfast.runtime.definitions import ScheduleRequest, WorkflowDefinition
from holdfast.runtime.effects import Durable, Flow
from holdfast.runtime.notifier import Notifier
from holdfast.runtime.time_limits import earliest
from holdfast.store.base import Listener
from holdfast.store.writes import Created, Receipt, Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine

log = logging.getLogger("holdfast.engine")


class NoDefinitions:
    """The definitions of a program that has no workflows."""

    def workflow(self, name: str, version: str | None = None) -> WorkflowDefinition | None:
        """Return None."""
        return None

    def workflow_names(self) -> tuple[str, ...]:
        """Return no names."""
        return ()

    def versions(self, *, pinned_unless_said: bool) -> tuple[tuple[str, str], ...]:
        """Return no versions."""
        return ()

    def schedules(self) -> tuple[ScheduleRequest, ...]:
        """Return no schedules."""
        return ()

    def instance_name(self, definition: WorkflowDefinition, instance: object) -> str:
        """Raise `ConfigurationError`."""
        raise ConfigurationError(f"a program without workflows has no instances, not of {definition.name!r} either")

    def instance(self, definition: WorkflowDefinition, name: str) -> object:
        """Raise `ConfigurationError`."""
        raise ConfigurationError(f"a program without workflows has no instances, not of {definition.name!r} either")


class RemoteService:
    """The threads of an engine that runs nothing: committer, listener, notifier."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._notifier: Notifier | None = None
        self._listener: Listener | None = None

    def start(self) -> None:
        """Open the store and begin to write and to listen.

        Raises `ConfigurationError`, `SchemaTooNew`, `StoreUnavailable`.
        """
        engine = self.engine
        engine.store.open()
        try:
            engine.clock.synchronise()
            engine.committer.start()
            if engine.store.dialect == "postgresql":
                self._notifier = Notifier(engine.store)
                self._notifier.start()
                engine.on_news = self._notifier.push
            self._listener = engine.store.listen(engine.heard)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Write what was handed in, unless the database is away, and close."""
        engine = self.engine
        engine.closing = True
        engine.committer.give_up()
        if self._listener is not None:
            self._listener.stop()
        engine.committer.stop()
        if self._notifier is not None:
            self._notifier.stop()
        try:
            engine.store.close()
        except StoreUnavailable as error:
            log.warning("closing the database failed: %s", error, extra={"action": "store_unavailable"})


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """A workflow's name with arguments, whose function is not at hand."""

    name: str
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    version: str = ""


def start(engine: Engine, call: RemoteCall, options: StartOptions) -> Flow[str]:
    """Enqueue a workflow by name; return its id.

    Raises `PayloadError`, `WorkflowIdConflict`, `ConfigurationError` for a queue that nobody declared.
    """
    frame = current.get()
    workflow_id = options.id
    if workflow_id is None:
        in_step = frame is not None and frame.step is not None
        workflow_id = engine.step_scoped_id(frame, call.name) if frame is not None and in_step else engine.ids.new()
    if options.queue is not None:
        yield from engine.queues.check(options.queue)
    new = _new(engine, call, options, check_text("a workflow id", workflow_id))
    receipt: Receipt = yield Durable(engine.committer.submit(Unit(writes=(queues.creation(new, options),))))
    created: Created = receipt.results[0]
    existing = created.existing
    if existing is not None and existing.workflow_id != workflow_id:
        return existing.workflow_id
    if existing is not None:
        engine.check_same(new, existing)
    return workflow_id


def _new(engine: Engine, call: RemoteCall, options: StartOptions, workflow_id: str) -> NewWorkflow:
    check_text("a workflow's name", call.name)
    try:
        text = engine.codec.encode_arguments(call.args, call.kwargs)
    except PayloadError as error:
        raise PayloadError(
            f"workflow {workflow_id!r} ({call.name}) was not started: an argument can't be recorded so that it comes "
            f"back equal: {error.reason}",
            path=error.path,
            type_name=error.type_name,
        ) from error
    wait = options.delay if options.debounce is None else options.debounce
    return NewWorkflow(
        workflow_id=workflow_id,
        name=call.name,
        version=call.version,
        input=text,
        input_digest=text_digest(text),
        request_id=engine.ids.new(),
        created_at=engine.clock.now(),
        # One whose deadline comes before its beginning is taken up then, to be cancelled.
        wake_at=None if wait is None else earliest(engine.clock.latest() + wait, options.deadline_at),
        deadline_at=options.deadline_at,
        timeout=options.timeout,
        traceparent=engine.tracer.traceparent(),
        queue=options.queue,
        priority=options.priority,
        partition=options.partition or "",
    )
