"""The notifier ends when it is told to, whatever it is doing."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, cast

from holdfast.runtime.notifier import Notifier
from holdfast.store.base import Store
from holdfast.store.writes import Committed


class Deaf:
    """Takes notifications and keeps count."""

    def __init__(self) -> None:
        self.heard: set[str] = set()

    def notify(self, news: Iterable[str], *, ready: bool) -> None:
        self.heard |= set(news)


class StopsInBetween(threading.Event):
    """Makes `stop` happen at the worst instant: right after the notifier has looked whether it is to end."""

    def __init__(self, stop: Any) -> None:
        super().__init__()
        self._stop = stop

    def wait(self, timeout: float | None = None) -> bool:
        found = self.is_set()
        if not found:
            self._stop()
        return found


def test_it_ends_although_it_is_told_so_while_it_gathers() -> None:
    store = Deaf()
    notifier = Notifier(cast(Store, store))

    def stop() -> None:
        notifier._stopping.set()
        notifier._wanted.set()

    notifier._stopping = StopsInBetween(stop)
    notifier.start()
    notifier.push(Committed(receipts=[], news=frozenset({"w"})))
    notifier._thread.join(10)
    assert not notifier._thread.is_alive()
    assert store.heard == {"w"}
