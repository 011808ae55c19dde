"""Being told of writes to a file instead of looking at it: Linux's inotify, which the standard library lacks."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

_IN_MODIFY, _IN_ATTRIB, _IN_MOVE_SELF, _IN_DELETE_SELF = 0x2, 0x4, 0x800, 0x400
_MASK = _IN_MODIFY | _IN_ATTRIB | _IN_MOVE_SELF | _IN_DELETE_SELF
_MANY_EVENTS = 65536


class FileWatch:
    """One file's events, as a descriptor that becomes readable."""

    def __init__(self) -> None:
        """Raise `OSError` where there is no inotify, or no more of it."""
        try:
            libc: Any = ctypes.CDLL(None, use_errno=True)
            self._add_watch = libc.inotify_add_watch
            self.descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except AttributeError as missing:
            raise OSError("this system has no inotify") from missing
        if self.descriptor < 0:
            raise _last_error()

    def follow(self, path: Path) -> None:
        """Forget what has happened, and tell of what happens to this file from now on. Raises `OSError`.

        To follow the same file again costs nothing; a path may name another file by now.
        """
        try:
            while len(os.read(self.descriptor, _MANY_EVENTS)) > _MANY_EVENTS // 2:
                pass
        except BlockingIOError:
            pass
        if self._add_watch(self.descriptor, os.fsencode(path), _MASK) < 0:
            raise _last_error()

    def close(self) -> None:
        """End it."""
        os.close(self.descriptor)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
