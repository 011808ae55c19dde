"""What the tests of the PostgreSQL store break things with: a proxy that loses replies, and a look at who waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.commit_replies import CommitReplies
from tests.helpers import eventually

_BACKEND_KEY = b"K\0\0\0\x0c"


class Proxy:
    """A TCP proxy before a server. It can lose the reply to the next COMMIT, or speak as a pooler does."""

    def __init__(self, url: str, *, as_pooler: bool = False) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._server = (parts.hostname, parts.port or 5432)
        self._as_pooler = as_pooler
        self._armed = threading.Event()
        self.lost = 0
        """How many replies were lost."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        credentials = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{port}"))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def lose_next_commit_reply(self) -> None:
        """Let the next COMMIT through, and close the connection in place of its reply."""
        self._armed.set()

    def close(self) -> None:
        """Close all connections and wait for the threads."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            _close(each)
        for thread in self._threads:
            thread.join(10)

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                replies = CommitReplies()
                self._run(self._pump, client, server, replies, False)
                self._run(self._pump, server, client, replies, True)

    def _pump(
        self,
        source: socket.socket,
        target: socket.socket,
        replies: CommitReplies,
        from_server: bool,  # noqa: FBT001
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not from_server:
                    replies.asked(data)
                elif replies.has_one(data) and self._armed.is_set():
                    self._armed.clear()
                    self.lost += 1
                    break
                target.sendall(self._disguise(data) if from_server else data)
        _close(source)
        _close(target)

    def _disguise(self, data: bytes) -> bytes:
        place = data.find(_BACKEND_KEY)
        if not self._as_pooler or place < 0:
            return data
        process = place + len(_BACKEND_KEY)
        return data[:process] + b"\0\0\0\x07" + data[process + 4 :]


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def superuser(url: str) -> Iterator[psycopg.Connection]:
    """Connect beside the store."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def terminate(url: str, purpose: str = "%") -> int:
    """End the store's sessions on the server's side; return how many."""
    with superuser(url) as admin:
        ended = admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE %s AND datname = current_database()",
            [f"holdfast {purpose}"],
        ).fetchall()
    return len(ended)


def wait_until_blocked(url: str, purpose: str) -> None:
    """Wait until a session of the store waits for a lock that another session holds."""
    with superuser(url) as admin:

        def blocked() -> bool:
            found = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
                " AND datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0",
                [f"holdfast {purpose}"],
            ).fetchone()
            return found is not None and found[0] > 0

        eventually(blocked, message=f"the {purpose} session waits for a lock")
