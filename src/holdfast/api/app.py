"""The application: a database URL, what belongs to it, and its life from launch to close."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, Self, TypeVar, Unpack

from holdfast.api import launched
from holdfast.api.admin import Admin
from holdfast.api.checking import Selection, check
from holdfast.api.handle import Handle
from holdfast.api.options import Options
from holdfast.api.registry import registry
from holdfast.api.schedules import Schedules
from holdfast.core.codec import Codec, PayloadCodec
from holdfast.core.findings import CheckReport
from holdfast.core.model import Checkpoint, VersionCount, WorkflowFilter, WorkflowRecord
from holdfast.core.options import Config, Duration, Retention, StartFields, seconds
from holdfast.core.queues import Queue, QueueState
from holdfast.errors import UsageError, WorkflowNotFound
from holdfast.runtime.databases import Database
from holdfast.runtime.dry_run import DryEngine
from holdfast.runtime.effects import Durable, Flow, drive, drive_async
from holdfast.runtime.engine import Engine
from holdfast.runtime.other_databases import OtherDatabase
from holdfast.runtime.queues import declared_once
from holdfast.runtime.service import Service
from holdfast.runtime.tracing import Tracer
from holdfast.store.base import Store
from holdfast.store.open import open_store
from holdfast.store.writes import Resume, Unit
from holdfast.telemetry import default_tracer

P = ParamSpec("P")
R = TypeVar("R")


class Holdfast:
    """Durable execution on one database.

    `url` is `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`. As a context manager, `with` or
    `async with`, it is launched (schema migrated, interrupted workflows resumed) and closed (running steps end within
    `config.shutdown_timeout`, the rest goes back to the database). `databases` names other databases of the
    application's for `@transaction(database=…)`. `queues` are declared at launch, for all programs on the database.
    `payload_codec` may encrypt or compress what is recorded.
    `retention` deletes workflows that ended long ago.

    Raises at launch: `ConfigurationError` (bad URL, missing extra), `SchemaTooNew`, `StoreUnavailable`.
    """

    def __init__(
        self,
        url: str,
        *,
        config: Config | None = None,
        databases: Mapping[str, str] | None = None,
        payload_codec: PayloadCodec | None = None,
        tracer: Tracer | None = None,
        queues: Iterable[Queue] = (),
        retention: Retention | None = None,
    ) -> None:
        self._retention = retention
        self.config = config or Config()
        self.codec = Codec(
            max_bytes=self.config.max_payload, payload_codec=payload_codec, signatures=registry.signatures
        )
        self._instances: list[str] = []
        self.extensions: dict[type[Any], Any] = {}
        """What was built on this application and its workflows find there, by class."""
        self._url = url
        self._store = open_store(url)
        self._other_urls = dict(databases or {})
        self._tracer = tracer
        self._queues = declared_once(queues)
        self._lock = threading.Lock()
        self._service: Service | None = None
        self._engine: Engine | None = None
        """There for as long as workflows run here, which is from before `launch` returns until after `close` began."""

    # Life

    def launch(self) -> None:
        """Open the database, take over what a dead predecessor left, begin to work. Launching twice is an error."""
        self._launch(None)

    async def alaunch(self) -> None:
        """Launch in a coroutine: this event loop becomes the home of `async def` workflows that nobody awaits."""
        await asyncio.to_thread(self._launch, asyncio.get_running_loop())

    def _launch(self, loop: asyncio.AbstractEventLoop | None) -> None:
        with self._lock:
            if self._engine is not None:
                raise UsageError("this application is launched already")
            others: dict[str, Database] = {name: OtherDatabase(name, url) for name, url in self._other_urls.items()}
            engine = Engine(
                self._store,
                registry,
                config=self.config,
                codec=self.codec,
                tracer=self._tracer or default_tracer(),
                databases=others,
                extensions=self.extensions,
                queues=self._queues,
            )
            if loop is not None:
                engine.loops.adopt(loop)
            service = Service(engine, self._retention)
            # Workflows may resume before `start` returns, and their code uses the verbs.
            self._engine = engine
            launched.add(engine)
            try:
                service.start()
            except BaseException:
                self._forget(engine)
                raise
            self._service = service

    def close(self) -> None:
        """Let running steps end within the limit, give the rest back to the database, close. Idempotent."""
        launched.refuse_on_event_loop("Holdfast.close()", "await app.aclose()")
        self._close()

    async def aclose(self) -> None:
        """Close in a coroutine; see `close`."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._lock:
            service, self._service = self._service, None
        if service is not None:
            try:
                service.stop()
            finally:
                self._forget(service.engine)
                for name in self._instances:
                    registry.forget_instance(name)
                self._instances.clear()

    def _forget(self, engine: Engine) -> None:
        launched.remove(engine)
        if self._engine is engine:
            self._engine = None

    def __enter__(self) -> Self:
        launched.refuse_on_event_loop("with Holdfast(…)", "async with Holdfast(…)")
        self.launch()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await self.alaunch()
        return self

    async def __aexit__(self, *exception: object) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self.aclose()

    @property
    def engine(self) -> Engine:
        """The running engine, for integrations. Raises `UsageError` before launch."""
        if self._engine is None:
            raise UsageError("this application is not launched: use `with app:` or app.launch()")
        return self._engine

    @property
    def store(self) -> Store:
        """The store, for integrations."""
        return self._store

    @property
    def admin(self) -> Admin:
        """Management of the workflows in this application's database. Raises `UsageError` before launch."""
        return Admin(self.engine)

    @property
    def schedules(self) -> Schedules:
        """The schedules in this application's database. Raises `UsageError` before launch."""
        return Schedules(self.engine)

    def register(self, instance: object, *, name: str) -> None:
        """Name an object whose methods are workflows, so that they find it again after a restart.

        The name holds until the application is closed. Raises `AlreadyRegistered` if another object has it.
        """
        registry.register_instance(instance, name)
        self._instances.append(name)

    # Workflows

    def options(self, **fields: Unpack[StartFields]) -> Options:
        """Return start options bound to this application; see `holdfast.options`."""
        return Options(engine=self.engine, **fields)

    def start(self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """Start a workflow on this application; see `holdfast.start`."""
        return self.options().start(function, *args, **kwargs)

    def retrieve(self, workflow_id: str) -> Handle[Any]:
        """Return a handle on a workflow of this application."""
        return Handle(workflow_id, engine=self.engine)

    def list_workflows(self, where: WorkflowFilter | None = None) -> list[WorkflowRecord]:
        """List workflows, newest first, in pages (`WorkflowFilter.limit`, `before`)."""
        return self.store.list_workflows(where or WorkflowFilter())

    def waiting_for_version(self) -> list[VersionCount]:
        """Count the unfinished workflows that are pinned to versions of their code which this process does not have.

        Those that are `enqueued` wait now for a worker that has it; the `suspended` ones will. A process with that
        version is dispensable once nothing is counted here.
        """
        pinned = self.engine.pinned
        names = {name for name, _ in pinned}
        counts = self.store.unfinished_versions()
        return [each for each in counts if each.name in names and (each.name, each.version) not in pinned]

    def get_workflow(self, workflow_id: str) -> WorkflowRecord:
        """Read one workflow. Raises `WorkflowNotFound`."""
        record = self.store.get_workflow(workflow_id)
        if record is None:
            raise WorkflowNotFound(workflow_id)
        return record

    def get_journal(self, workflow_id: str) -> list[Checkpoint]:
        """Read a workflow's journal in the order of recording. Raises `WorkflowNotFound`."""
        self.get_workflow(workflow_id)
        return self.store.journal(workflow_id)

    def check(
        self,
        where: WorkflowFilter | None = None,
        *,
        finished: int = 0,
        strict: bool | None = None,
        timeout: Duration = 10.0,
    ) -> CheckReport:
        """Tell what deploying the code at hand would do to the workflows that are recorded in the database.

        Each unfinished workflow, or those of `where`, and the newest `finished` ones that have ended, are replayed
        against the functions that this program has, up to the end of their journals. No step's body is run and nothing
        is written; code between the steps does run. `strict` holds all code to what is recorded; by default another
        version of the code is allowed what it would be allowed in a deploy. A workflow whose code takes more than
        `timeout` seconds is left unchecked. The application need not be launched.

        Raises `ConfigurationError` if the database is not there or was not migrated, `SchemaTooNew`,
        `StoreUnavailable`.
        """
        launched.refuse_on_event_loop("Holdfast.check()", "await app.acheck(…)")
        return self._check(where, finished=finished, strict=strict, timeout=timeout)

    async def acheck(self, where: WorkflowFilter | None = None, **options: Any) -> CheckReport:
        """Check in a coroutine; see `check`."""
        return await asyncio.to_thread(self._check, where, **options)

    def _check(
        self,
        where: WorkflowFilter | None,
        *,
        finished: int = 0,
        strict: bool | None = None,
        timeout: Duration = 10.0,
    ) -> CheckReport:
        selection = Selection(
            where=where or WorkflowFilter(), finished=finished, strict=strict, timeout=seconds(timeout)
        )
        with self._store_to_read() as store:
            engine = DryEngine(registry, config=self.config, codec=self.codec, extensions=self.extensions)
            return check(store, engine, selection)

    @contextlib.contextmanager
    def _store_to_read(self) -> Iterator[Store]:
        """Lend the application's store, or one of its own to an application that is not launched."""
        if self._service is not None:
            yield self._store
            return
        with contextlib.closing(open_store(self._url)) as store:
            store.open(migrate=False)
            yield store

    def resume(self, workflow_id: str) -> None:
        """Let a blocked or dead workflow go on; nothing happens to others. Raises `WorkflowNotFound`."""
        launched.refuse_on_event_loop("Holdfast.resume()", "await app.aresume(…)")
        drive(self._resume(workflow_id))

    async def aresume(self, workflow_id: str) -> None:
        """Let a blocked or dead workflow go on, in a coroutine; see `resume`."""
        await drive_async(self._resume(workflow_id))

    def _resume(self, workflow_id: str) -> Flow[None]:
        receipt = yield Durable(self.engine.committer.submit(Unit(writes=(Resume(workflow_id=workflow_id),))))
        if receipt.results[0] is None:
            raise WorkflowNotFound(workflow_id)

    # Queues

    def queues(self) -> list[QueueState]:
        """Read all queues in the database as they stand, by name: limits, whether paused, how many wait and run."""
        return self.store.queues()

    def pause_queue(self, name: str) -> None:
        """Start no more workflows from a queue, on no worker; those that have begun go on.

        Raises `ConfigurationError` if there is no such queue.
        """
        launched.refuse_on_event_loop("Holdfast.pause_queue()", "await app.apause_queue(…)")
        drive(self.engine.queues.pause(name, paused=True))

    async def apause_queue(self, name: str) -> None:
        """Pause a queue in a coroutine; see `pause_queue`."""
        await drive_async(self.engine.queues.pause(name, paused=True))

    def resume_queue(self, name: str) -> None:
        """Start workflows from a paused queue again. Raises `ConfigurationError` if there is no such queue."""
        launched.refuse_on_event_loop("Holdfast.resume_queue()", "await app.aresume_queue(…)")
        drive(self.engine.queues.pause(name, paused=False))

    async def aresume_queue(self, name: str) -> None:
        """Resume a queue in a coroutine; see `resume_queue`."""
        await drive_async(self.engine.queues.pause(name, paused=False))

    def change_queue(self, queue: Queue) -> None:
        """Set the limits of the queue with this name, for all workers, at once.

        They hold until changed again, or until a program is launched that declares other limits than it did before.
        Raises `ConfigurationError` if there is no such queue.
        """
        launched.refuse_on_event_loop("Holdfast.change_queue()", "await app.achange_queue(…)")
        drive(self.engine.queues.change(queue))

    async def achange_queue(self, queue: Queue) -> None:
        """Set a queue's limits in a coroutine; see `change_queue`."""
        await drive_async(self.engine.queues.change(queue))
