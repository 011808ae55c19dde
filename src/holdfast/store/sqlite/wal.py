"""The write-ahead log: how far it has grown, and who may copy it back into the database.

SQLite 3.7.0 to 3.51.2 (but for 3.44.6 and 3.50.7 and their successors) can corrupt a database when one connection
resets the log while another one, of any process, copies it back (a checkpoint): sqlite.org/wal.html#walresetbug. So no
connection checkpoints on its own; each process's committer does it, between its commits. With an affected SQLite a lock
file keeps all processes' checkpoints apart from all their write transactions as well, and the two never meet.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path

from holdfast.errors import StoreUnavailable
from holdfast.store.sqlite.forks import close_in_child

FIRST_BROKEN, FIRST_MENDED = (3, 7, 0), (3, 51, 3)
BACKPORTS = (((3, 44, 6), (3, 45, 0)), ((3, 50, 7), (3, 51, 0)))
_PAUSE = 0.002
_HEADER, _FRAME_HEADER = 32, 24
_ROOM = bytes(1 << 19)
"""What the log grows by: about fifty commits' worth."""


def has_reset_bug(version: tuple[int, ...]) -> bool:
    """Tell whether an SQLite of this version can corrupt a database in the way described above."""
    mended = any(since <= version < until for since, until in BACKPORTS)
    return FIRST_BROKEN <= version < FIRST_MENDED and not mended


def journal_safety(*, in_memory: bool, version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """Say in one sentence how the database is protected, for `holdfast doctor`."""
    number = ".".join(str(part) for part in version)
    if in_memory:
        return f"SQLite {number}, in memory: nothing survives the end of the process."
    if has_reset_bug(version):
        return (
            f"SQLite {number}, WAL with synchronous=FULL. This version has the WAL-reset bug (fixed in 3.51.3, 3.50.7 "
            "and 3.44.6); a lock file beside the database keeps it from happening as long as only Holdfast writes to "
            "it. Other programs that write to this file should set PRAGMA wal_autocheckpoint=0."
        )
    return f"SQLite {number}, WAL with synchronous=FULL. This version does not have the WAL-reset bug."


class LockFile:
    """A file that processes lock, never written to. The lock is gone with the process, however it ends."""

    def __init__(self, path: Path) -> None:
        # A process that this one starts must not inherit the lock; Python opens files so that it does not.
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        close_in_child(self)

    def share(self, deadline: float) -> None:
        """Take it together with others. Raises `StoreUnavailable` if one has it alone until `deadline` (monotonic)."""
        while not self._try(fcntl.LOCK_SH):
            if time.monotonic() >= deadline:
                raise StoreUnavailable("another process has been checkpointing the SQLite database for a long time")
            time.sleep(_PAUSE)

    def take(self) -> bool:
        """Take it alone if nobody has it; return whether that worked."""
        return self._try(fcntl.LOCK_EX)

    def release(self) -> None:
        """Give it up."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, and so give it up, unless a forked process has it too. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self, how: int) -> bool:
        if self._descriptor is None:
            raise StoreUnavailable("this Holdfast store is closed")
        try:
            fcntl.flock(self._descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class WalGauge:
    """Tells when the log has grown long enough to be copied back, and makes room for its next frames.

    The file itself does not shrink when the log starts anew: it is overwritten from the beginning. So the length is
    taken from the marks in it (sqlite.org/fileformat2.html#walformat): a frame of the log has the header's salts.
    """

    def __init__(self, path: Path, pages: int) -> None:
        self._path = path
        self._pages = pages
        self._limit = pages
        self._salts = b""
        self._end = -1
        """The file's size when it was last looked at."""
        self._descriptor: int | None = None

    def make_room(self) -> None:
        """Extend the file where the log has reached its end. Whoever calls has the right to write to the database.

        A commit that makes the file longer has to wait for the file system's own journal as well, which doubles it.
        Nothing depends on the room, and no error is raised: it is SQLite that says what is wrong with the file.
        """
        try:
            descriptor = self._open()
            if descriptor is None:
                return
            # Not by fstat: a file whose times were asked for gets new ones with its next write, which costs as much.
            end = os.lseek(descriptor, 0, os.SEEK_END)
            if end == self._end:
                return
            self._end = end
            if self._reaches(descriptor, end):
                self._end += os.pwrite(descriptor, _ROOM, end)
        except OSError:
            return

    def _reaches(self, descriptor: int, end: int) -> bool:
        """Tell whether the log goes up to `end`: behind it may be another process's room, or an older log."""
        header = os.pread(descriptor, _HEADER, 0)
        page_size = int.from_bytes(header[8:12], "big")
        if not page_size:
            return end < len(_ROOM)  # nothing is written yet
        size = _FRAME_HEADER + page_size
        frames = (end - _HEADER) // size
        if not frames:
            return True
        last_frame = _HEADER + (frames - 1) * size
        return os.pread(descriptor, 8, last_frame + 8) == header[16:24]

    def is_long(self) -> bool:
        """Tell whether the log has grown by so many pages since `copied`, or since it began."""
        descriptor = self._open()
        if descriptor is None:
            return False
        header = os.pread(descriptor, _HEADER, 0)
        if len(header) < _HEADER:
            return False
        if header[16:24] != self._salts:
            self._salts, self._limit = header[16:24], self._pages
        page_size = int.from_bytes(header[8:12], "big")
        salts_of_frame = _HEADER + self._limit * (_FRAME_HEADER + page_size) + 8
        return os.pread(descriptor, 8, salts_of_frame) == self._salts

    def copied(self, frames: int) -> None:
        """Take note of a checkpoint and the log's length then: it may go on from there if readers hold it."""
        self._limit = frames + self._pages

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int | None:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR)
            except FileNotFoundError:
                return None
        return self._descriptor
