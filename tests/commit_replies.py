"""Telling a COMMIT's reply among the bytes between the store and PostgreSQL, for proxies that lose it."""

from __future__ import annotations

_COMMITTED = b"COMMIT\0"
"""The server's word that a COMMIT went through."""
_ALONE = b"holdfast_record_alone"
"""The statement that is a transaction by itself, as the store prepares it."""
_WROTE, _REFUSED = b"SELECT 1\0", b"SELECT 0\0"


class CommitReplies:
    """Follows one connection."""

    def __init__(self) -> None:
        self._alone = False

    def asked(self, data: bytes) -> None:
        """Take note of what the client sends."""
        self._alone = self._alone or _ALONE in data

    def has_one(self, data: bytes) -> bool:
        """Tell whether the server says here that something is committed."""
        alone = self._alone and (_WROTE in data or _REFUSED in data)
        if alone:
            self._alone = False
        return _COMMITTED in data or (alone and _WROTE in data)
