"""Queues as the engine knows them: declared at launch, looked up at a start, paused and changed at run time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from holdfast.core.model import NewWorkflow
from holdfast.core.options import StartOptions
from holdfast.core.queues import Queue
from holdfast.errors import ConfigurationError
from holdfast.runtime.effects import Durable, Flow
from holdfast.store.queue_writes import ChangeQueue, CreateKeyed, DeclareQueue, PauseQueue
from holdfast.store.writes import Create, Unit

if TYPE_CHECKING:
    from holdfast.runtime.engine import Engine

DEBOUNCE_TIMES = 10
"""A debounced start waits at most so many times its `debounce`, unless it says otherwise."""


class Queues:
    """The queues of one application."""

    def __init__(self, engine: Engine, declared: Iterable[Queue]) -> None:
        self._engine = engine
        self._declared = tuple(declared)
        self._known = {queue.name for queue in self._declared}

    def declare(self) -> None:
        """Write the declarations to the database, where all workers find them. Raises `StoreUnavailable`."""
        if self._declared:
            writes = tuple(DeclareQueue(queue=queue) for queue in self._declared)
            self._engine.committer.submit(Unit(writes=writes)).wait()
        self._known.update(self._engine.store.queue_names())

    def require(self, name: str) -> None:
        """Raise `ConfigurationError` if a queue was declared neither here nor by another program before."""
        if name not in self._known:
            raise self._unknown(name)

    def check(self, name: str) -> Flow[None]:
        """Raise `ConfigurationError` if no program has declared such a queue."""
        if name not in self._known:
            self._known.update((yield from self._engine.read(self._engine.store.queue_names)))
        if name not in self._known:
            raise self._unknown(name)

    def pause(self, name: str, *, paused: bool) -> Flow[None]:
        """Stop starting workflows from a queue, or go on. Raises `ConfigurationError`."""
        receipt = yield Durable(self._engine.committer.submit(Unit(writes=(PauseQueue(name=name, paused=paused),))))
        if not receipt.results[0]:
            raise self._unknown(name)

    def change(self, queue: Queue) -> Flow[None]:
        """Set a queue's limits. Raises `ConfigurationError`."""
        receipt = yield Durable(self._engine.committer.submit(Unit(writes=(ChangeQueue(queue=queue),))))
        if not receipt.results[0]:
            raise self._unknown(queue.name)

    def _unknown(self, name: str) -> ConfigurationError:
        known = ", ".join(sorted(map(repr, self._known))) or "none"
        return ConfigurationError(
            f"there is no queue {name!r}; declared are: {known}. Declare it: Holdfast(url, queues=[Queue({name!r})])"
        )


def declared_once(queues: Iterable[Queue]) -> tuple[Queue, ...]:
    """Return the queues, in one order everywhere. Raises `ConfigurationError` if two have one name."""
    by_name: dict[str, Queue] = {}
    for queue in queues:
        if queue.name in by_name:
            raise ConfigurationError(f"two queues are named {queue.name!r}: declare each once")
        by_name[queue.name] = queue
    return tuple(by_name[name] for name in sorted(by_name))


def creation(new: NewWorkflow, options: StartOptions) -> Create | CreateKeyed:
    """Write a creation as the options ask for it: plain, or unless another one has the key."""
    if options.dedup is None:
        return Create(workflow=new)
    if options.debounce is None:
        return CreateKeyed(workflow=new, key=options.dedup)
    longest = options.debounce * DEBOUNCE_TIMES if options.debounce_max is None else options.debounce_max
    return CreateKeyed(workflow=new, key=options.dedup, until=new.created_at + longest)
