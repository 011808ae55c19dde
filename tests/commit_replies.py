"""Telling a COMMIT's reply among the bytes between the store and PostgreSQL, for proxies that lose it."""

from __future__ import annotations

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
