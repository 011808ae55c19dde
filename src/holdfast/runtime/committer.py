"""The committer: all that this process writes, for all of its workflows at once.

Whoever has something to write hands in a unit and gets a ticket. Whoever has the turn drains all that has come in since
the last commit into one transaction, then resolves the tickets. That is the committer's thread; or the very thread that
waits for its ticket, which is then spared two changes of thread for each commit: always on a database in this process,
on another one while nobody else has anything to write.

When the database is away, the same batch is sent again: every write is idempotent, so that a commit whose reply was
lost is not done twice. For the same reason a batch whose writer was interrupted (Ctrl-C) is simply written by the next.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from holdfast import failpoints
from holdfast.errors import StoreUnavailable
from holdfast.runtime.losses import Losses
from holdfast.runtime.signals import resolve_soon
from holdfast.store.base import Store
from holdfast.store.writes import Committed, Receipt, Unit

if TYPE_CHECKING:
    _Waiting = threading.Lock | tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]
    """A thread's lock, to be released, or a coroutine's future, to be resolved on its loop."""

log = logging.getLogger("holdfast.committer")

MAX_BATCH = 1000
GATHER, WORTH_GATHERING = 0.0005, range(4, 50)
"""Seconds, and the units of a commit after which they are worth it."""
FIRST_PAUSE, LAST_PAUSE = 0.02, 1.0
WARN_EVERY = 20


class Ticket:
    """The promise that a unit will be written. Any number of threads and coroutines may wait for it."""

    __slots__ = ("_committer", "_error", "_heirs", "_receipt", "_waiting", "done", "unit")

    def __init__(self, unit: Unit, committer: Committer) -> None:
        self.unit = unit
        self._committer = committer
        self.done = False
        self._receipt: Receipt | None = None
        self._error: BaseException | None = None
        # Most have one who waits or none, so each waits with what it makes itself. The committer sets `done` before it
        # reads this: whoever comes too late for it sees that the ticket is done.
        self._waiting: list[_Waiting] = []
        self._heirs: list[Callable[[], object]] | None = None

    def wait(self) -> Receipt:
        """Wait in a thread until the unit is durable or refused. Raises what the store raised for good."""
        if not self.done:
            self._committer.help(self)
            if not self.done:
                lock = threading.Lock()
                lock.acquire()
                self._waiting.append(lock)
                if not self.done:
                    lock.acquire()
        return self._result()

    def __await__(self) -> Generator[Any, None, Receipt]:
        """Wait in a coroutine until the unit is durable or refused. Raises what the store raised for good."""
        if not self.done:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[None] = loop.create_future()
            self._waiting.append((loop, future))
            if not self.done:
                yield from future
        return self._result()

    def hand_over(self, go_on: Callable[[], object]) -> bool:
        """Have `go_on` called in some thread when the ticket is done. False: it is already, so the caller goes on."""
        heirs = self._heirs = [go_on]
        # The committer sets `done` before it takes the heir: one of the two sees the other, and one of them takes it.
        return not self.done or self._take_heir(heirs) is None

    def heir(self) -> Callable[[], object] | None:
        """Return what was handed over, once; for the committer."""
        return None if self._heirs is None else self._take_heir(self._heirs)

    @staticmethod
    def _take_heir(heirs: list[Callable[[], object]]) -> Callable[[], object] | None:
        try:
            return heirs.pop()
        except IndexError:
            return None

    def _result(self) -> Receipt:
        if self._error is not None:
            raise self._error
        if self._receipt is None:
            raise RuntimeError("a ticket was resolved without a receipt")
        return self._receipt

    def resolve(self, receipt: Receipt | None, error: BaseException | None) -> Sequence[_Waiting]:
        """Set the outcome, once, and return who is to be woken."""
        if self.done:
            return ()
        self._receipt, self._error = receipt, error
        self.done = True
        return self._waiting


class CommitObserver(Protocol):
    """Measures commits. Called by whoever writes, one batch at a time."""

    def begins(self) -> None:
        """Take note that a batch is about to be written."""

    def committed(self, units: Sequence[Unit]) -> None:
        """Take note that it is durable."""


class Committer:
    """Writes units in batches, in the order in which they came."""

    def __init__(self, store: Store, on_commit: Callable[[Committed], None]) -> None:
        self._store = store
        self._on_commit = on_commit
        self._queue: deque[Ticket] = deque()
        self._batch: list[Ticket] = []
        """What is being written. Belongs to whoever has the turn."""
        self._turn = threading.Lock()
        self._is_interruptible = False
        """The main thread has the turn, and may not come to look at the queue once more."""
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._ending = self._ended = False
        self._thread = threading.Thread(target=self._run, name="holdfast-committer", daemon=True)
        self._last_size = 0
        """How many units the last commit carried."""
        self.losses = Losses(store)
        self.commits = 0
        """How many transactions have been committed."""
        self.go_on: Callable[[Sequence[Callable[[], object]]], None] = _one_after_another
        """Calls what was handed over to tickets that are done; the pool's."""
        self.on_written: Callable[[], None] = _nothing
        """Called after each commit, when those who waited for it have been told."""
        self.observer: CommitObserver | None = None
        """Told of every batch, if there is one; there is one where metrics are asked for."""
        self.waits_for_database = False
        """The database does not take writes just now, and the batch is sent again and again."""

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    @property
    def backlog(self) -> int:
        """How many units are not written yet."""
        return len(self._queue) + len(self._batch)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def give_up(self) -> None:
        """Stop waiting for a database that is away: whoever waits for a write gets `StoreUnavailable`."""
        self._stopping.set()

    def stop(self) -> None:
        """Write what was handed in, then end."""
        self._ending = True
        self._bell.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def submit(self, unit: Unit, *, awaited: bool = False) -> Ticket:
        """Hand in a unit; never blocks. `awaited`: this very thread calls the ticket's `wait` next, which writes it."""
        ticket = Ticket(unit, self)
        self._queue.append(ticket)
        if not awaited:
            self._bell.put(None)
        if self._ended:
            self._refuse_the_rest()
        return ticket

    def help(self, ticket: Ticket) -> None:
        """Write, in the calling thread, until a ticket is done or somebody else writes."""
        if threading.current_thread() is threading.main_thread():
            self._help_interruptibly(ticket)
            return
        # Whoever has the turn looks at the queue once more after giving it back, so that nothing is left behind.
        while not ticket.done and not self._ending:
            others_write = len(self._queue) > 1 or self._last_size > 1
            if others_write and not self._store.commits_in_process:
                self._bell.put(None)
                return
            if not self._turn.acquire(blocking=False):
                if self._is_interruptible:
                    self._bell.put(None)
                return
            try:
                self._is_interruptible = False
                self._write_next()
            finally:
                self._turn.release()
                if self._queue or self._batch:
                    self._bell.put(None)

    def _help_interruptibly(self, ticket: Ticket) -> None:
        """Do the same in the main thread, which an interrupt may stop anywhere: with nobody's fate in its hands."""
        while not ticket.done and not self._ending and not self._turn.locked():
            if len(self._queue) > 1:
                self._bell.put(None)
                return
            try:
                # Not `acquire`, after which an interrupt could come before anybody has noted who has the turn.
                with self._turn:
                    self._is_interruptible = True
                    if not ticket.done:
                        self._write_next(most=1)
            finally:
                if self._queue or self._batch:
                    self._bell.put(None)

    def _run(self) -> None:
        while not (self._ending and not self._queue and not self._batch):
            self._bell.get()
            while self._queue or self._batch:
                self._gather()
                with self._turn:
                    self._is_interruptible = False
                    self._write_next()
        self._ended = True
        self._refuse_the_rest()

    def _gather(self) -> None:
        """Wait a moment for those who have just been told of a commit and are about to hand in what follows it.

        Each would else find the next commit under way without it, and commits would carry half as much. The idea is
        PostgreSQL's commit_delay.
        """
        if self._last_size in WORTH_GATHERING and len(self._queue) < self._last_size and not self._ending:
            self._stopping.wait(GATHER)

    def _write_next(self, most: int = MAX_BATCH) -> None:
        """Write one batch: what an interrupted writer left, then what has come in since, `most` units of it."""
        while self._queue and len(self._batch) < most:
            # Taken off the queue last: an interrupt in between leaves a ticket in both, and it is resolved once.
            self._batch.append(self._queue[0])
            self._queue.popleft()
        batch = [ticket for ticket in self._batch if not ticket.done]
        self._last_size = len(batch)
        if batch:
            self._write(batch)
        self._batch.clear()
        self.on_written()

    def _write(self, batch: Sequence[Ticket]) -> None:
        units = [ticket.unit for ticket in batch]
        if self.observer is not None:
            self.observer.begins()
        try:
            committed = self._commit_when_possible(units)
        except StoreUnavailable as error:
            self._refuse(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the one who handed the unit in
            self._write_singly(batch, error)
        else:
            self.commits += 1
            self.losses.acknowledged(units, committed)
            if self.observer is not None:
                self.observer.committed(units)
            self._on_commit(committed)
            self._resolve(batch, committed.receipts, None)

    def _write_singly(self, batch: Sequence[Ticket], error: Exception) -> None:
        """Find the unit that the database refuses, so that the others of its batch are not lost."""
        if len(batch) == 1:
            log.error("the database refused a write: %s", error, extra={"action": "write_refused"})
            self._refuse(batch, error)
            return
        for ticket in batch:
            self._write([ticket])

    def _commit_when_possible(self, units: Sequence[Unit]) -> Committed:
        pause, tries = FIRST_PAUSE, 0
        while True:
            try:
                failpoints.reached("commit.before", units)
                committed = self._store.commit(units)
                failpoints.reached("commit.after", units)
            except StoreUnavailable as error:
                if self._stopping.is_set():
                    raise
                self.waits_for_database = True
                self.losses.failed()
                if tries % WARN_EVERY == 0:
                    log.warning(
                        "the database does not take writes; %d wait for it: %s",
                        len(units),
                        error,
                        extra={"action": "store_unavailable"},
                    )
                tries += 1
                self._stopping.wait(pause)
                self.losses.look()
                pause = min(pause * 2, LAST_PAUSE)
            else:
                self.waits_for_database = False
                return committed

    def _resolve(self, batch: Sequence[Ticket], receipts: Iterable[Receipt | None], error: Exception | None) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        heirs = []
        for ticket, receipt in zip(batch, receipts, strict=False):
            for each in ticket.resolve(receipt, error):
                if isinstance(each, tuple):
                    by_loop.setdefault(each[0], []).append(each[1])
                else:
                    each.release()
            heir = ticket.heir()
            if heir is not None:
                heirs.append(heir)
        for loop, futures in by_loop.items():
            resolve_soon(loop, futures)
        if heirs:
            self.go_on(heirs)

    def _refuse(self, batch: Sequence[Ticket], error: Exception) -> None:
        self._resolve(batch, itertools.repeat(None), error)

    def _refuse_the_rest(self) -> None:
        with suppress(IndexError):
            while True:
                ticket = self._queue.popleft()
                self._refuse([ticket], StoreUnavailable("this Holdfast application is closed"))


def _nothing() -> None:
    return


def _one_after_another(functions: Sequence[Callable[[], object]]) -> None:
    for function in functions:
        function()
