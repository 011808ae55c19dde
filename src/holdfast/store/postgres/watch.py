"""The connection that is kept for two things only: this process's worker locks, and hearing of others' commits.

A thread of its own holds it, makes it anew when it breaks, takes the locks again and listens again; who listens is told
then that anything may have changed. States: connecting; connected (locks held, listening); polling, where a pooler
gives every transaction another session, so that locks and LISTEN mean nothing: then it says once a second that anything
may have changed.

Who holds a lock is the server's knowledge; `_held` is what this thread was told on the present connection.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import psycopg
from psycopg import sql

from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.store.postgres.connection import ENGINE_SETTINGS, Connector, behind_pooler
from holdfast.store.postgres.faults import driver_errors

log = logging.getLogger("holdfast.store.postgres")

OnNews = Callable[[frozenset[str] | None], None]

FIRST_PAUSE, LAST_PAUSE = 0.05, 2.0
POLL_SECONDS = 1.0
LOOK_SECONDS = 10.0
"""How often an idle connection is asked for a sign of life."""
PATIENCE = 10.0
_SEPARATOR = "\x1f"
_LONGEST_PAYLOAD = 7999


def payload(news: frozenset[str], *, ready: bool) -> str:
    """Write a notification; empty means that anything may have changed."""
    ids = "" if ready else _SEPARATOR.join(sorted(news))
    return ids if len(ids.encode("utf-8", "replace")) <= _LONGEST_PAYLOAD else ""


class Watch:
    """Keeps the reserved connection. The thread starts with the first lock or listener."""

    def __init__(
        self, connector: Connector, queries: Mapping[str, bytes], channel: str, is_own: Callable[[int], bool]
    ) -> None:
        """`is_own` tells whether a notification's sender (a server process) is this process's own connection."""
        self._connector, self._queries, self._channel, self._is_own = connector, queries, channel, is_own
        self._changed = threading.Condition()
        self._keys: set[int] = set()
        self._held: set[int] = set()
        self._refused: set[int] = set()
        """The locks that other sessions have."""
        self._listeners: list[OnNews] = []
        self._listening = False
        self._polling = False
        self._trouble: Exception | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._alarm: Alarm | None = None

    @property
    def is_polling(self) -> bool:
        """Whether a pooler stands between, so that session locks and LISTEN are of no use."""
        return self._polling

    def hold(self, key: int) -> None:
        """Take a lock and keep it. Raises `StoreUnavailable`, `ConfigurationError` if another process has it."""
        with self._changed:
            self._keys.add(key)
            self._start()
            if self._changed.wait_for(lambda: key in self._held or self._polling, PATIENCE):
                return
            self._keys.discard(key)
            if key in self._refused:
                raise ConfigurationError("another process holds this worker's lock: worker ids are unique")
            trouble = self._trouble
        raise StoreUnavailable("PostgreSQL is not available: the worker's lock can't be taken") from trouble

    def drop(self, key: int) -> None:
        """Give a lock up. Idempotent."""
        with self._changed:
            self._keys.discard(key)
            self._wake()

    def add(self, on_news: OnNews) -> None:
        """Call `on_news` from now on."""
        with self._changed:
            self._listeners.append(on_news)
            self._start()

    def remove(self, on_news: OnNews) -> None:
        """Call `on_news` no more. Idempotent."""
        with self._changed, suppress(ValueError):
            self._listeners.remove(on_news)

    def stop(self) -> None:
        """End the thread, which gives up all locks. Idempotent."""
        with self._changed:
            self._stopping = True
            self._wake()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            # It may be stuck in a connection that is half gone; the server gives the locks up soon enough then.
            thread.join(PATIENCE)

    def _start(self) -> None:
        if self._thread is None and not self._stopping:
            alarm = self._alarm = Alarm()
            self._thread = threading.Thread(target=self._run, args=(alarm,), name="holdfast-watch", daemon=True)
            self._thread.start()
        self._wake()

    def _wake(self) -> None:
        if self._alarm is not None:
            self._alarm.ring()

    def _run(self, alarm: Alarm) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            try:
                connection = self._connector.connect("watch", ENGINE_SETTINGS)
                pause = FIRST_PAUSE
                with driver_errors(connection), connection:
                    self._serve(connection, alarm)
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread has to go on
                self._lost(error)
                self._sleep(alarm, pause)
                pause = min(pause * 2, LAST_PAUSE)
        with self._changed:
            self._alarm = None
            alarm.close()

    def _lost(self, error: Exception) -> None:
        with self._changed:
            self._held.clear()
            self._refused.clear()
            self._listening = False
            self._trouble = error
            self._changed.notify_all()
        if not self._stopping:
            log.log(
                logging.DEBUG if isinstance(error, StoreUnavailable) else logging.ERROR,
                "the connection for locks and news was lost: %s",
                error,
                extra={"action": "watch_lost"},
            )

    def _serve(self, connection: psycopg.Connection, alarm: Alarm) -> None:
        if behind_pooler(connection):
            connection.close()
            self._poll(alarm)
            return
        heard: list[psycopg.Notify] = []
        connection.add_notify_handler(heard.append)
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(alarm.reader, selectors.EVENT_READ)
            while not self._stopping:
                waiting_for_lock = self._take_locks(connection)
                self._listen(connection)
                # Statements may have read notifications along with their replies: the socket shows no sign of those.
                heard += _notifications(connection)
                self._tell(heard)
                ready = selector.select(1.0 if waiting_for_lock else LOOK_SECONDS)
                alarm.quiet()
                if not ready:
                    connection.execute("SELECT 1")
                connection.pgconn.consume_input()

    def _take_locks(self, connection: psycopg.Connection) -> bool:
        """Bring the locks held into line with those wanted; tell whether one is still another session's."""
        with self._changed:
            wanted, held = set(self._keys), set(self._held)
        for key in held - wanted:
            connection.execute(self._queries["drop_lock"], {"key": key})
        taken = held & wanted
        for key in wanted - held:
            # After a reconnection the server may not have noticed yet that the old session is gone.
            ((got,),) = connection.execute(self._queries["hold_lock"], {"key": key})
            if got:
                taken.add(key)
        with self._changed:
            self._held, self._refused = taken, wanted - taken
            self._trouble = None
            self._changed.notify_all()
        return taken != wanted

    def _listen(self, connection: psycopg.Connection) -> None:
        if self._listeners and not self._listening:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
            self._listening = True
            # Whatever was committed before this instant was not heard.
            self._call(None)

    def _tell(self, heard: list[psycopg.Notify]) -> None:
        payloads = {notify.payload for notify in heard if not self._is_own(notify.pid)}
        heard.clear()
        if "" in payloads:
            self._call(None)
        elif payloads:
            self._call(frozenset(workflow_id for text in payloads for workflow_id in text.split(_SEPARATOR)))

    def _call(self, news: frozenset[str] | None) -> None:
        with self._changed:
            listeners = list(self._listeners)
        for on_news in listeners:
            try:
                on_news(news)
            except Exception:
                log.exception("the handler of news failed", extra={"action": "listen"})

    def _poll(self, alarm: Alarm) -> None:
        log.warning(
            "a pooler stands before PostgreSQL: news of other processes come by polling, once a second, and a killed "
            "process's work waits for its lease to end. Connect to the server itself to have both at once",
            extra={"action": "pooler"},
        )
        with self._changed:
            self._polling = True
            self._changed.notify_all()
        while not self._stopping:
            self._call(None)
            self._sleep(alarm, POLL_SECONDS)

    def _sleep(self, alarm: Alarm, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(alarm.reader, selectors.EVENT_READ)
            while not self._stopping and (left := deadline - time.monotonic()) > 0:
                if selector.select(left):
                    alarm.quiet()


def _notifications(connection: psycopg.Connection) -> Iterator[psycopg.Notify]:
    while notify := connection.pgconn.notifies():
        yield psycopg.Notify(notify.relname.decode(), notify.extra.decode(errors="replace"), notify.be_pid)


class Alarm:
    """Wakes a thread that waits for a socket."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)

    def ring(self) -> None:
        """Wake the thread, or have it wake at once when it waits next."""
        # A full buffer wakes it as well.
        with suppress(BlockingIOError):
            self._writer.send(b"\0")

    def quiet(self) -> None:
        """Forget the rings until now."""
        with suppress(BlockingIOError):
            while self.reader.recv(1024):
                pass

    def close(self) -> None:
        """Close both ends."""
        self.reader.close()
        self._writer.close()


class Subscription:
    """See `holdfast.store.base.Listener`."""

    def __init__(self, watch: Watch, on_news: OnNews) -> None:
        self._watch, self._on_news = watch, on_news
        watch.add(on_news)

    def stop(self) -> None:
        """Hear no more. Idempotent."""
        self._watch.remove(self._on_news)
