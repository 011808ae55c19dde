"""The only reader of time: an estimate of the database's clock that is never ahead of it."""

from __future__ import annotations

import time
from collections.abc import Callable


class DatabaseClock:
    """Follows the database's clock between looks at it with this machine's monotonic one.

    `now` takes a reading as of the moment the answer arrived, so that it lags by at most the way there and back, and
    never leads: a time that it has reached has come. `latest` takes it as of the question: what is to last for a while
    is measured from there, or it would end too early by that lag. `synchronise` follows jumps of the database's clock.
    """

    def __init__(self, read: Callable[[], float], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._monotonic = monotonic
        self._offset = 0.0
        self._skipped = 0.0
        self._lag = 0.0

    def synchronise(self) -> None:
        """Read the database's clock. Raises `StoreUnavailable`."""
        asked_at = self.monotonic()
        self.adopt(self._read(), asked_at=asked_at)

    def adopt(self, reading: float, *, asked_at: float) -> None:
        """Go by a reading of the database's clock that has just come in, and was asked for then (monotonic)."""
        self._offset = reading - self._monotonic()
        self._lag = max(0.0, self.monotonic() - asked_at)

    def skip(self, seconds: float) -> None:
        """Let time jump ahead, as a test does."""
        self._skipped += seconds
        self._offset += seconds

    def now(self) -> float:
        """Return seconds since the epoch, at most what the database's clock shows."""
        return self._monotonic() + self._offset

    def latest(self) -> float:
        """Return seconds since the epoch, at least what the database's clock shows, unless it has jumped ahead."""
        return self.now() + self._lag

    def monotonic(self) -> float:
        """Return seconds for measuring durations inside this process."""
        return self._monotonic() + self._skipped
