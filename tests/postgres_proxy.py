"""A TCP proxy before PostgreSQL: it cuts connections, goes silent, loses replies to commits, or speaks as a pooler."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit, urlunsplit

_BACKEND_KEY = b"K\0\0\0\x0c"
_COMMITTED = b"COMMIT\0"
"""The server's word that a COMMIT went through."""
_ALONE = b"holdfast_record_alone", b"holdfast_create_alone"
"""The statements that are a transaction by themselves, as the store prepares them."""
_WROTE, _REFUSED = (b"SELECT 1\0", b"INSERT 0 1\0"), (b"SELECT 0\0", b"INSERT 0 0\0")


class CommitReplies:
    """Follows one connection."""

    def __init__(self) -> None:
        self._alone = False

    def asked(self, data: bytes) -> None:
        """Take note of what the client sends."""
        self._alone = self._alone or _has(data, _ALONE)

    def has_one(self, data: bytes) -> bool:
        """Tell whether the server says here that something is committed."""
        wrote = self._alone and _has(data, _WROTE)
        if wrote or (self._alone and _has(data, _REFUSED)):
            self._alone = False
        return _COMMITTED in data or wrote


def _has(data: bytes, any_of: tuple[bytes, ...]) -> bool:
    return any(each in data for each in any_of)


class PostgresProxy:
    """Forward bytes both ways, as long as nothing else is asked for. Use its `url` in the server's place."""

    def __init__(self, url: str, *, as_pooler: bool = False) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._server = (parts.hostname, parts.port or 5432)
        self._lock = threading.Lock()
        self._as_pooler = as_pooler
        self._open = threading.Event()
        self._open.set()
        self._every = 0
        self._loses_next = False
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

    def lose_next_commit_reply(self) -> None:
        """Close the connection in place of the reply to the next COMMIT, which does go through."""
        with self._lock:
            self._loses_next = True

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
                self._run(self._pump, client, server, partial(self._asked, replies))
                self._run(self._pump, server, client, partial(self._replied, replies))

    def _pump(self, source: socket.socket, target: socket.socket, passed: Callable[[bytes], bytes]) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                if source in self._stranded:
                    continue
                if not (data := passed(data)):
                    break
                target.sendall(data)
        with self._lock:
            self._sockets -= {source, target}
            self._stranded -= {source, target}
        _close(source)
        _close(target)

    @staticmethod
    def _asked(replies: CommitReplies, data: bytes) -> bytes:
        replies.asked(data)
        return data

    def _replied(self, replies: CommitReplies, data: bytes) -> bytes:
        """Return what the client is to get; nothing: the end of the connection."""
        if replies.has_one(data):
            with self._lock:
                self._commits += 1
                if self._loses_next or (self._every and not self._commits % self._every):
                    self._loses_next = False
                    self.lost += 1
                    return b""
        place = data.find(_BACKEND_KEY) + len(_BACKEND_KEY)
        if self._as_pooler and place >= len(_BACKEND_KEY):
            return data[:place] + b"\0\0\0\x07" + data[place + 4 :]
        return data


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
