"""A running answer's tokens on their way to a workflow's stream, and from there to a reader.

Tokens are there to be looked at, not to be relied on: what counts is the recorded message. They are written at least
once. When a call starts again, after a failure or a crash, it says so, and readers drop what they have of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Literal, TypedDict

BATCH_TOKENS = 20
BATCH_SECONDS = 0.05


class TokenItem(TypedDict):
    """One item of the stream."""

    kind: Literal["reset", "tokens", "end"]
    """`reset`: the call starts, or starts again, and what was shown of it is void. `end`: the answer is complete."""
    call: str
    """Names the model call, the same in each of its attempts."""
    attempt: int
    """From 1; counted anew after a crash."""
    text: str
    """What comes next; empty in a `reset`."""


class TokenBatch:
    """Collects the tokens of one attempt until it is worth writing them. Not thread-safe."""

    def __init__(self, call: str, attempt: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._call = call
        self._attempt = attempt
        self._clock = clock
        self._texts: list[str] = []
        self._written_at = clock()

    def begin(self) -> TokenItem:
        """Return the item that says that the attempt begins."""
        return self._item("reset")

    def add(self, text: str) -> TokenItem | None:
        """Take a token; return what is to be written now, if anything."""
        if text:
            self._texts.append(text)
        if not self._texts:
            return None
        if len(self._texts) < BATCH_TOKENS and self._clock() - self._written_at < BATCH_SECONDS:
            return None
        return self._item("tokens")

    def end(self) -> TokenItem:
        """Return the last item, with the tokens that are left."""
        return self._item("end")

    def _item(self, kind: Literal["reset", "tokens", "end"]) -> TokenItem:
        text = "".join(self._texts)
        self._texts.clear()
        self._written_at = self._clock()
        return TokenItem(kind=kind, call=self._call, attempt=self._attempt, text=text)


class LiveAnswers:
    """What a reader of a token stream shows: the text of each call so far, without that of dead attempts."""

    def __init__(self, items: Iterable[TokenItem] = ()) -> None:
        self._texts: dict[str, str] = {}
        self._ended: set[str] = set()
        for item in items:
            self.take(item)

    def take(self, item: TokenItem) -> None:
        """Take the stream's next item."""
        call = item["call"]
        if item["kind"] == "reset":
            # A call that starts again keeps its place among the others.
            self._texts[call] = ""
            self._ended.discard(call)
            return
        self._texts[call] = self._texts.get(call, "") + item["text"]
        if item["kind"] == "end":
            self._ended.add(call)

    @property
    def texts(self) -> dict[str, str]:
        """The text of each call, in the order the calls began."""
        return dict(self._texts)

    @property
    def ended(self) -> frozenset[str]:
        """The calls whose answers are complete."""
        return frozenset(self._ended)
