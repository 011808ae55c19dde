"""Giving up a connection on which the server has fallen silent.

The server ends each of the engine's statements after 30 seconds, so one that has no answer well after that never will:
the reply, or the statement, went to a proxy, a pooler or a host that keeps the connection up and forwards nothing.
TCP's own limits don't see that, as somebody still acknowledges its packets. What was under way then has an unknown
fate, like that of any connection which breaks.
"""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import Any, NoReturn

import psycopg
from psycopg.pq.abc import PGconn

SILENCE = 40.0
"""Seconds without a byte from a server that owes an answer. Longer than the engine's statement_timeout."""


def give_up(pgconn: PGconn) -> NoReturn:
    """Close a connection without a word to the server, which would not hear it, and raise `OperationalError`."""
    pgconn.finish()
    raise psycopg.OperationalError(f"the server has not answered for {SILENCE:g} s: the connection is given up")


class EngineConnection(psycopg.Connection):
    """A connection of the engine's own, for which no answer takes longer than `SILENCE`."""

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Do what the driver's does, and give up when nothing comes. Raises `OperationalError`."""
        return super().wait(self._impatiently(gen), *args, **kwargs)

    def _impatiently(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        since: float | None = None
        ready: Any = None
        while True:
            try:
                wanted = gen.send(ready)
            except StopIteration as stop:
                return stop.value
            # Nothing in it is ready when only the driver's interval, a fraction of a second, has passed.
            ready = yield wanted
            if ready:
                since = None
            elif since is None:
                since = monotonic()
            elif monotonic() - since >= SILENCE:
                give_up(self.pgconn)
