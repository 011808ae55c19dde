"""What happens in a conversation, for a reader who may come and go: its items, and the answer that is being written.

Items have offsets, from which a reader goes on. The running answer is given whole each time, so that one who comes
back, or an attempt that begins again after a crash, shows the right thing.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from typing import Any

from holdfast import aread_stream
from holdfast.agents.langchain import LiveAnswers

GLANCE = 0.5
"""Seconds between looks at whether the server is to end."""
KEEP_ALIVE = 10.0
"""Seconds of silence after which a comment is sent, so that nobody in between closes the connection."""


class Follower:
    """Reads one conversation, and of its turns the one that runs, into a queue."""

    def __init__(self, conversation_id: str, after: int) -> None:
        self._conversation_id = conversation_id
        self._after = after
        self._turn: asyncio.Task[None] | None = None
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def run(self) -> None:
        """Read until cancelled."""
        try:
            async for offset, item in aread_stream(self._conversation_id, "chat"):
                self._stop_turn()
                if offset > self._after:
                    await self.queue.put({"offset": offset, **item})
                if item["kind"] == "said":
                    self._turn = asyncio.create_task(self._follow(item["turn"], item["id"]))
        finally:
            self._stop_turn()

    def _stop_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    async def _follow(self, turn_id: str, message_id: str) -> None:
        answers = LiveAnswers()
        async for _, item in aread_stream(turn_id, "tokens"):
            answers.take(item)
            text = next((text for text in reversed(answers.texts.values()) if text), "")
            await self.queue.put({"kind": "partial", "id": message_id, "text": text})


closing = threading.Event()
"""Set when the server is to end: readers are let go, so that it need not wait for them."""


async def lines(conversation_id: str, after: int) -> AsyncGenerator[str, None]:
    """Yield the conversation as server-sent events, from the item after offset `after` on."""
    follower = Follower(conversation_id, after)
    reading = asyncio.create_task(follower.run())
    silence = 0.0
    try:
        yield "retry: 500\n\n"
        while not (reading.done() or closing.is_set()):
            try:
                item = await asyncio.wait_for(follower.queue.get(), GLANCE)
            except TimeoutError:
                silence += GLANCE
                if silence >= KEEP_ALIVE:
                    silence = 0.0
                    yield ": still here\n\n"
                continue
            offset = f"id: {item['offset']}\n" if "offset" in item else ""
            yield f"{offset}data: {json.dumps(item)}\n\n"
    finally:
        reading.cancel()
