"""Starting and following workflows from outside any worker: a database URL is all it needs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self, Unpack

from holdfast.api.admin import Admin
from holdfast.api.handle import Handle
from holdfast.api.launched import refuse_on_event_loop
from holdfast.core.codec import Codec, PayloadCodec
from holdfast.core.options import Config, Duration, StartFields, StartOptions, seconds
from holdfast.errors import UsageError
from holdfast.runtime import messages, remote, streams
from holdfast.runtime.context import current
from holdfast.runtime.effects import drive, drive_async
from holdfast.runtime.engine import Engine
from holdfast.runtime.remote import NoDefinitions, RemoteCall, RemoteService
from holdfast.store.open import open_store


class Client:
    """Access to the workflows of a database from a program that does not run them, and need not have their code.

    It holds no lease, claims nothing and takes nothing over. A context manager, `with` or `async with`. Results,
    messages and events are decoded without type hints: dataclasses and models come as what JSON has for them. The
    schema must be there, or is made. `payload_codec` must be that of the workers.

    Raises on opening: `ConfigurationError`, `SchemaTooNew`, `StoreUnavailable`.
    """

    def __init__(self, url: str, *, config: Config | None = None, payload_codec: PayloadCodec | None = None) -> None:
        self.config = config or Config()
        self.codec = Codec(max_bytes=self.config.max_payload, payload_codec=payload_codec)
        self._store = open_store(url)
        self._lock = threading.Lock()
        self._service: RemoteService | None = None

    # Life

    def open(self) -> None:
        """Connect. Opening twice is an error."""
        refuse_on_event_loop("Client.open()", "await client.aopen()")
        self._open()

    async def aopen(self) -> None:
        """Connect in a coroutine; see `open`."""
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        with self._lock:
            if self._service is not None:
                raise UsageError("this client is open already")
            engine = Engine(self._store, NoDefinitions(), config=self.config, codec=self.codec)
            service = RemoteService(engine)
            service.start()
            self._service = service

    def close(self) -> None:
        """Write what was handed in, and disconnect. Idempotent."""
        refuse_on_event_loop("Client.close()", "await client.aclose()")
        self._close()

    async def aclose(self) -> None:
        """Disconnect in a coroutine; see `close`."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._lock:
            service, self._service = self._service, None
        if service is not None:
            service.stop()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await self.aopen()
        return self

    async def __aexit__(self, *exception: object) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self.aclose()

    def _engine(self, verb: str) -> Engine:
        frame = current.get()
        if frame is not None and frame.step is None:
            raise UsageError(
                f"{verb} is not recorded, so it would be done again at each replay of workflow "
                f"{frame.execution.workflow_id!r}: use it in a step, or holdfast's own verbs"
            )
        return self.engine

    @property
    def engine(self) -> Engine:
        """What reads and writes for it, for integrations: it runs nothing. Raises `UsageError` while not open."""
        if self._service is None:
            raise UsageError("this client is not open: use `with Client(url) as client:` or client.open()")
        return self._service.engine

    @property
    def admin(self) -> Admin:
        """Management of the workflows in this database."""
        return Admin(self.engine)

    # Workflows

    def options(self, *, version: str = "", **fields: Unpack[StartFields]) -> ClientOptions:
        """Say how a workflow is to be started: what `holdfast.options` takes, and `version`.

        `version` is that of the workflow's code, which a pinned workflow needs; without it, that of the worker which
        takes it first.
        """
        return ClientOptions(self._engine("Client.start()"), StartOptions.of(fields), version)

    def start(self, name: str, /, *args: object, **kwargs: object) -> Handle[Any]:
        """Start a workflow by its name (`module.function`): it is enqueued, and a worker that knows it takes it.

        Arguments by position or by name, as for the function, which is not at hand here: arguments that it does not
        take set the workflow aside as blocked. With an id: `client.options(id=…).start(name, …)`.
        Raises `PayloadError`, `WorkflowIdConflict`.
        """
        return self.options().start(name, *args, **kwargs)

    async def astart(self, name: str, /, *args: object, **kwargs: object) -> Handle[Any]:
        """Start a workflow in a coroutine; see `start`."""
        return await self.options().astart(name, *args, **kwargs)

    def retrieve(self, workflow_id: str) -> Handle[Any]:
        """Return a handle on a workflow; whether there is one shows when the handle is used."""
        return Handle(workflow_id, engine=self.engine)

    def send(self, workflow_id: str, message: object, *, topic: str = "", key: str | None = None) -> None:
        """Send a message to a workflow, durable before this returns; with the same `key`, it is delivered once.

        Raises `WorkflowNotFound`.
        """
        refuse_on_event_loop("Client.send()", "await client.asend(…)")
        drive(messages.send(self._engine("Client.send()"), workflow_id, message, topic, key))

    async def asend(self, workflow_id: str, message: object, *, topic: str = "", key: str | None = None) -> None:
        """Send a message in a coroutine; see `send`."""
        await drive_async(messages.send(self._engine("Client.send()"), workflow_id, message, topic, key))

    def get_event(self, workflow_id: str, name: str, *, timeout: Duration | None = None, type: Any = Any) -> Any:
        """Read an event of a workflow, waiting until it is set; None after `timeout` seconds."""
        refuse_on_event_loop("Client.get_event()", "await client.aget_event(…)")
        return drive(messages.get_event(self._engine("Client.get_event()"), workflow_id, name, _limit(timeout), type))

    async def aget_event(self, workflow_id: str, name: str, *, timeout: Duration | None = None, type: Any = Any) -> Any:
        """Read an event in a coroutine; see `get_event`."""
        return await drive_async(
            messages.get_event(self._engine("Client.get_event()"), workflow_id, name, _limit(timeout), type)
        )

    def read_stream(
        self, workflow_id: str, stream: str, *, offset: int = 0, type: Any = Any
    ) -> Iterator[tuple[int, Any]]:
        """Yield (offset, value) from `offset` on, until the stream is closed or the workflow has ended."""
        refuse_on_event_loop("Client.read_stream()", "client.aread_stream(…)")
        return streams.read(self.engine, workflow_id, stream, offset, type)

    def aread_stream(
        self, workflow_id: str, stream: str, *, offset: int = 0, type: Any = Any
    ) -> AsyncIterator[tuple[int, Any]]:
        """Yield what `read_stream` yields, in a coroutine."""
        return streams.read_async(self.engine, workflow_id, stream, offset, type)


class ClientOptions:
    """Start options of a client, with the two ways to use them: `start`, `astart`."""

    def __init__(self, engine: Engine, options: StartOptions, version: str) -> None:
        self.start_options = options
        self._engine = engine
        self._version = version

    def start(self, name: str, /, *args: object, **kwargs: object) -> Handle[Any]:
        """Start a workflow by its name; see `Client.start`. The same id again gives the same workflow."""
        refuse_on_event_loop("Client.start()", "await client.astart(…)")
        call = RemoteCall(name, args, kwargs, version=self._version)
        return Handle(drive(remote.start(self._engine, call, self.start_options)), engine=self._engine)

    async def astart(self, name: str, /, *args: object, **kwargs: object) -> Handle[Any]:
        """Start a workflow in a coroutine; see `Client.start`."""
        call = RemoteCall(name, args, kwargs, version=self._version)
        return Handle(await drive_async(remote.start(self._engine, call, self.start_options)), engine=self._engine)


def _limit(timeout: Duration | None) -> float | None:
    return None if timeout is None else seconds(timeout)
