"""A value that can't be written or read, and the path to it inside the whole."""

from __future__ import annotations

from holdfast.errors import PayloadError

_SHOWN_SEGMENTS = 12
_SHOWN_KEY = 40
_SHOWN_BITS = 128


class Refusal(Exception):
    """Travels from the refused value up to the codec; each container on the way adds where it was."""

    def __init__(self, reason: str, type_name: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.type_name = type_name
        self._segments: list[str] = []

    def inside(self, segment: str) -> Refusal:
        """Say where in its container the refused value was; returns itself."""
        self._segments.append(segment)
        return self

    def error(self) -> PayloadError:
        """Return what the caller sees."""
        segments = self._segments[::-1]
        if len(segments) > _SHOWN_SEGMENTS:
            segments = [*segments[:6], "…", *segments[-3:]]
        return PayloadError(self.reason, path="".join(segments).removeprefix("."), type_name=self.type_name)


def qualified_name(kind: type) -> str:
    """Name a class as `module:QualifiedName`, without trusting what it says of itself."""
    try:
        return f"{kind.__module__}:{kind.__qualname__}"
    except Exception:  # noqa: BLE001 - a metaclass may do anything
        return type.__repr__(kind)


def key_segment(key: object) -> str:
    """Name a dictionary's key in a path: `.price`, `['a b']`, `[42]`."""
    if type(key) is str:
        return f".{key}" if key.isidentifier() else f"[{key[:_SHOWN_KEY]!r}]"
    if type(key) in {int, bool, float, type(None)}:
        return f"[{key!r}]" if type(key) is not int or key.bit_length() < _SHOWN_BITS else "[int]"
    return f"[{type(key).__name__}]"
