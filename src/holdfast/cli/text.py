"""Text from the database, made safe for a terminal: nothing that moves the cursor, hides, or turns a line around."""

from __future__ import annotations

from holdfast.approvals.text import spelled_out as _spelled_out

__all__ = ["one_line", "spelled_out"]


def spelled_out(text: str) -> str:
    """Return a text of several lines in which every character shows: controls and bidi marks by their names."""
    return _spelled_out(text).expandtabs(4)


def one_line(text: str, *, length: int = 200) -> str:
    """Return a text as one line of at most `length` characters in which every character shows."""
    cut = text if len(text) <= length else text[: max(length - 1, 0)] + "…"
    return _spelled_out(cut).replace("\n", "⏎").replace("\t", " ")
