"""Text that others wrote, made safe to judge: nothing invisible, nothing that turns lines around, nothing endless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SHOWN_CHARACTERS = 600
SHOWN_LINES = 12

# Controls but tab and newline, soft hyphen, zero-width and bidi marks, fillers that look like nothing, line and
# paragraph separators, variation selectors (but the one emoji use), surrogates, tags, private use.
_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_LINE_BREAKING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Split a text into what is shown as it is, and names of characters that would not show (True)."""
    text = text.replace("\r\n", "\n")
    position = 0
    for odd in _ODD.finditer(text):
        if odd.start() > position:
            yield text[position : odd.start()], False
        yield f"\u27e8U+{ord(odd[0]):04X}\u27e9", True
        position = odd.end()
    if position < len(text):
        yield text[position:], False


def spelled_out(text: str) -> str:
    """Return the text with invisible characters named, for where there is no markup."""
    return "".join(piece for piece, _ in pieces(text))


def breaks_lines(text: str) -> bool:
    """Tell whether a text holds what has no place in one line: controls, separators, lone surrogates."""
    return _LINE_BREAKING.search(text) is not None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning of a text, and how much more there is."""

    beginning: str
    whole: str

    @property
    def left_out(self) -> int:
        """How many characters the beginning leaves out; 0: it is all there is."""
        return len(self.whole) - len(self.beginning)


def excerpt(text: str) -> Excerpt:
    """Cut a text where it gets too long to be taken in at a glance."""
    lines = text[:SHOWN_CHARACTERS].splitlines(keepends=True)
    return Excerpt("".join(lines[:SHOWN_LINES]), text)
