"""A TCP proxy before PostgreSQL that cuts connections, leaves them half open, goes silent, or loses replies."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit, urlunsplit

from tests.commit_replies import CommitReplies


class ChaosProxy:
    """Forward bytes both ways, as long as nothing else is asked for. Use its `url` in the server's place."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._server = (parts.hostname, parts.port or 5432)
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._every = 0
        self._commits = 0
        self.lost = 0
        """How many replies to COMMIT were lost."""
        self.cut_off = 0
        """How many connections were cut."""
        self.stranded = 0
        """How many connections were left half open."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        credentials = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{port}"))
        self._sockets: set[socket.socket] = set()
        self._stranded: set[socket.socket] = set()
        self._run(self._accept)

    def lose_commit_replies(self, *, every: int) -> None:
        """Close the connection in place of the reply to every nth COMMIT, which did go through; 0: none."""
        with self._lock:
            self._every = every

    def cut(self) -> int:
        """Close all connections; return how many."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            _close(each)
        self.cut_off += len(sockets) // 2
        return len(sockets) // 2

    def fall_silent(self) -> None:
        """Keep all connections and forward nothing, as a network that drops every packet does."""
        self._open.clear()

    def strand(self) -> int:
        """Never forward anything again on the present connections, and keep them; return how many. New ones work."""
        with self._lock:
            added = self._sockets - self._stranded
            self._stranded |= added
        self.stranded += len(added) // 2
        return len(added) // 2

    def speak(self) -> None:
        """Forward again, what came meanwhile first."""
        self._open.set()

    def close(self) -> None:
        """Close all connections and take no new ones."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._open.set()
        self.cut()

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._server)
                except OSError:  # the server is down: so is the proxy, for this client
                    _close(client)
                    continue
                with self._lock:
                    self._sockets |= {client, server}
                replies = CommitReplies()
                self._run(self._pump, client, server, partial(self._pass_on, replies))
                self._run(self._pump, server, client, partial(self._may_reply, replies))

    def _pump(self, source: socket.socket, target: socket.socket, allowed: Callable[[bytes], bool]) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                if source in self._stranded:
                    continue
                if not allowed(data):
                    break
                target.sendall(data)
        with self._lock:
            self._sockets -= {source, target}
            self._stranded -= {source, target}
        _close(source)
        _close(target)

    @staticmethod
    def _pass_on(replies: CommitReplies, data: bytes) -> bool:
        replies.asked(data)
        return True

    def _may_reply(self, replies: CommitReplies, data: bytes) -> bool:
        if not replies.has_one(data):
            return True
        with self._lock:
            self._commits += 1
            if not self._every or self._commits % self._every:
                return True
            self.lost += 1
            return False


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
