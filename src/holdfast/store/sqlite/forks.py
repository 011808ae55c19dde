"""What a forked child must do with what its parent had open: nothing at all with connections, let go of locks.

Closing an inherited connection would make the child tidy up shared memory that the parent is writing to; so the child
keeps such connections open for good. A lock file, on the other hand, stays locked as long as any process has it open:
the child closes its copy, or the parent's death would go unnoticed.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Protocol


class Closable(Protocol):
    """Something to close."""

    def close(self) -> None:
        """Close it."""


_kept: weakref.WeakSet[object] = weakref.WeakSet()
_closed: weakref.WeakSet[Closable] = weakref.WeakSet()


def never_close_in_child(resource: object) -> None:
    """Keep a forked child from finalising `resource`, also when the child's interpreter ends."""
    _kept.add(resource)


def close_in_child(resource: Closable) -> None:
    """Close `resource` in every child that this process forks."""
    _closed.add(resource)


def _after_fork_in_child() -> None:
    for resource in list(_kept):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(resource))
    for resource in list(_closed):
        resource.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
