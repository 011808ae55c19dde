"""A worker's HTTP endpoint for probes and metrics: `/healthz`, `/readyz`, `/metrics`. It only ever reads."""

from __future__ import annotations

import importlib.util
import json
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from holdfast.errors import ConfigurationError
from holdfast.runtime.engine import Engine
from holdfast.runtime.measures import Measures

log = logging.getLogger("holdfast.worker")

STUCK_SECONDS = 60.0
"""A commit that takes longer, while the database is there, will not end."""
_TEXT, _JSON = "text/plain; charset=utf-8", "application/json"
_REQUEST_SECONDS = 10.0
Answer = tuple[HTTPStatus, str, bytes]


def address_of(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`, `[::1]:PORT` or `:PORT`, which is this machine only. Raises `ConfigurationError`."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the last port
        raise ConfigurationError(f"--http is HOST:PORT, such as 127.0.0.1:9000, not {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


class Health:
    """Tells how a worker's process is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._metrics: Callable[[], bytes] | None = None
        if importlib.util.find_spec("prometheus_client") is None:
            self._measures = Measures(engine.clock.monotonic)
            engine.committer.observer = self._measures
            return
        from prometheus_client import CollectorRegistry, generate_latest

        from holdfast.telemetry.prometheus import EngineMetrics

        registry, collector = CollectorRegistry(), EngineMetrics(engine)
        registry.register(collector)
        self._measures = collector.measures
        self._metrics = lambda: generate_latest(registry)

    def answer(self, path: str) -> Answer:
        """Answer a request for a path."""
        match path.partition("?")[0]:
            case "/healthz":
                return self._verdict(self.trouble())
            case "/readyz":
                return self._verdict(self.trouble() or self.not_ready())
            case "/metrics" if self._metrics is not None:
                return HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", self._metrics()
            case "/metrics":
                return HTTPStatus.NOT_IMPLEMENTED, _TEXT, b"metrics need: pip install 'holdfast[metrics]'\n"
            case _:
                return HTTPStatus.NOT_FOUND, _TEXT, b"there are /healthz, /readyz and /metrics\n"

    def trouble(self) -> str | None:
        """Say what only a restart can mend. A database that is away is none: the worker waits for it."""
        committer = self._engine.committer
        if not committer.is_alive:
            return "the committer has ended"
        if not committer.waits_for_database and self._measures.writing_for() > STUCK_SECONDS:
            return f"a commit has not ended for {STUCK_SECONDS:g} s"
        return None

    def not_ready(self) -> str | None:
        """Say why this worker can't take work just now."""
        engine = self._engine
        if engine.closing:
            return "the worker is closing"
        if engine.heard_at is None or engine.clock.monotonic() - engine.heard_at > engine.config.lease:
            return "the database has not taken a heartbeat for a whole lease"
        return None

    def _verdict(self, wrong: str | None) -> Answer:
        status = HTTPStatus.OK if wrong is None else HTTPStatus.SERVICE_UNAVAILABLE
        document = {"ok": wrong is None, "reason": wrong, "worker": self._engine.worker_id}
        return status, _JSON, json.dumps(document).encode() + b"\n"


class Endpoint:
    """Serves a worker's health from a thread."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        """Listen. Raises `ConfigurationError` if the address is taken or not this machine's."""
        handler = type("Handler", (_Handler,), {"health": health})
        try:
            self._server = (_Server6 if ":" in host else _Server)((host, port), handler)
        except OSError as error:
            raise ConfigurationError(f"--http: can't listen on {host}:{port}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="holdfast-http", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        name = str(host)
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say in one line that a client went away, or that answering failed."""
        log.warning("a request failed", exc_info=log.isEnabledFor(logging.DEBUG), extra={"action": "http_failed"})


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    health: ClassVar[Health]
    timeout = _REQUEST_SECONDS
    server_version, sys_version = "holdfast", ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        status, kind, body = self.health.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep probes out of the log."""
