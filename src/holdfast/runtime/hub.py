"""Who in this process waits for news about which workflow."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection

from holdfast.runtime.signals import Signal
from holdfast.store.schedule_writes import SCHEDULES


class Hub:
    """Passes news on to the signals that were registered for a workflow id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: defaultdict[str, list[Signal]] = defaultdict(list)
        self.work = Signal()
        """Set when some workflow may have become claimable."""
        self.schedules = Signal()
        """Set when a schedule may have changed."""

    def watch(self, workflow_id: str, signal: Signal) -> None:
        """Set `signal` whenever there is news about the workflow. Watch first, then look."""
        with self._lock:
            self._watchers[workflow_id].append(signal)

    def unwatch(self, workflow_id: str, signal: Signal) -> None:
        """Stop watching; unknown pairs are ignored."""
        with self._lock:
            watchers = self._watchers.get(workflow_id)
            if watchers and signal in watchers:
                watchers.remove(signal)
                if not watchers:
                    del self._watchers[workflow_id]

    def publish(self, news: Collection[str] | None, *, ready: bool = False) -> None:
        """Wake who watches these workflows; None wakes everybody."""
        if news is None or SCHEDULES in news:
            self.schedules.set()
        if news is not None and not ready and not (news and self._watchers):
            return
        with self._lock:
            if news is None:
                signals = [signal for watchers in self._watchers.values() for signal in watchers]
            else:
                signals = [signal for workflow_id in news for signal in self._watchers.get(workflow_id, ())]
        for signal in signals:
            signal.set()
        if ready or news is None:
            self.work.set()
