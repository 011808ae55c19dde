"""A local server that speaks OpenAI's chat completions, for the real client to talk to: streams, tools, faults.

What it answers is a pure function of the request.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
_PIECE = 5


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What to answer."""

    text: str = ""
    tool_calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    status: int = 200
    cut_after: int | None = None
    """Close the connection of a stream after so many events, as a proxy that goes away does."""
    finish_reason: str | None = None
    break_arguments: bool = False
    """Leave out the end of each tool call's arguments."""


Script = Callable[[dict[str, Any]], Reply]


@dataclass
class OpenAIServer:
    """The server; use it as a context manager."""

    script: Script
    requests: list[dict[str, Any]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    """Each answer waits until this is set, as it is at first; a stream after each of its events."""

    def __enter__(self) -> Self:
        self.hold.set()
        self._server = _Listener(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"


class _Listener(ThreadingHTTPServer):
    def __init__(self, owner: OpenAIServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.owner.requests.append(body)
        reply = self.owner.script(body)
        if reply.status != 200:
            self._json(reply.status, {"error": {"message": "injected", "type": "server_error"}})
        elif body.get("stream"):
            self._stream(body, reply)
        else:
            self.owner.hold.wait(30)
            self._json(200, completion(body, reply, len(self.owner.requests)))

    def _json(self, status: int, value: dict[str, Any]) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _stream(self, body: dict[str, Any], reply: Reply) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for number, event in enumerate(events(body, reply, len(self.owner.requests))):
            if number == reply.cut_after:
                return
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            self.wfile.flush()
            self.owner.hold.wait(30)
        self.wfile.write(b"data: [DONE]\n\n")

    @property
    def owner(self) -> OpenAIServer:
        assert isinstance(self.server, _Listener)
        return self.server.owner


def _arguments(reply: Reply) -> Iterator[tuple[int, str, str]]:
    for index, (name, args) in enumerate(reply.tool_calls):
        text = json.dumps(args)
        yield index, name, text[:-1] if reply.break_arguments else text


def _finish_reason(reply: Reply) -> str:
    return reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")


def completion(body: dict[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    """Answer in one piece."""
    calls = [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, name, arguments in _arguments(reply)
    ]
    message = {"role": "assistant", "content": reply.text or None, **({"tool_calls": calls} if calls else {})}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": _finish_reason(reply)}],
        "usage": USAGE,
    }


def events(body: dict[str, Any], reply: Reply, number: int) -> Iterator[dict[str, Any]]:
    """Answer in pieces."""
    base = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 0, "model": body["model"]}

    def event(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    yield event({"role": "assistant", "content": ""})
    for start in range(0, len(reply.text), _PIECE):
        yield event({"content": reply.text[start : start + _PIECE]})
    for index, name, arguments in _arguments(reply):
        function = {"name": name, "arguments": ""}
        yield event({"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]})
        for start in range(0, len(arguments), _PIECE):
            piece = {"arguments": arguments[start : start + _PIECE]}
            yield event({"tool_calls": [{"index": index, "function": piece}]})
    yield event({}, _finish_reason(reply))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**base, "choices": [], "usage": USAGE}


def clerk(body: dict[str, Any]) -> Reply:
    """Ask for a refund of every number in the customer's last message, then say what came of it."""
    messages = body["messages"]
    last = max(index for index, message in enumerate(messages) if message["role"] == "user")
    results = [message["content"] for message in messages[last + 1 :] if message["role"] == "tool"]
    if results:
        return Reply(text="Done: " + ", ".join(results))
    numbers = [int(word) for word in str(messages[last]["content"]).split() if word.isdigit()]
    if numbers:
        return Reply(tool_calls=tuple(("refund", {"order_id": number}) for number in numbers))
    return Reply(text="How may I help you today?")
