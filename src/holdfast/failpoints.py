"""Named points around every write and every effect, at which a test can make a process die, stop or fail.

`reached(point)` does nothing, at the cost of one look at a global, until a hook is installed: by a test in its own
process with `installed`, or in another process by the environment, for which see `holdfast.testing`. The idea is
FreeBSD's fail(9), by way of the fail points of TiKV.

The names of all points are in `POINTS`, so that a matrix over them cannot forget one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

Hook = Callable[[str], None]
"""Called with the name of each point that is passed, in the thread that passes it. What it raises comes out there."""

POINTS: Mapping[str, str] = MappingProxyType({})
"""Every point's name, and the instant it stands for."""

_hook: Hook | None = None


def reached(point: str) -> None:
    """Tell the hook, if there is one, that this thread has come to `point`, a name in `POINTS`."""
    if _hook is not None:
        _hook(point)


@contextmanager
def installed(hook: Hook) -> Iterator[None]:
    """Have `hook` called at every point, for as long as the block runs; the one installed before comes back then."""
    global _hook  # noqa: PLW0603 - one process has one set of points
    before, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = before


def install(hook: Hook) -> None:
    """Have `hook` called at every point from now on, for the rest of the process."""
    global _hook  # noqa: PLW0603 - one process has one set of points
    _hook = hook
