"""The only reader of time: an estimate of the database's clock that is never ahead of it."""

from __future__ import annotations

import time
from collections.abc import Callable


class DatabaseClock:
    """Follows the database's clock between looks at it with this machine's monotonic one.

    The reading is taken as of the moment the answer arrived, so that the estimate lags by at most the way back: a
    timer never fires early. `synchronise` follows jumps of the database's clock. Tests hand in `now` alone.
    """

    def __init__(self, read: Callable[[], float], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._monotonic = monotonic
        self._offset = 0.0
        self._skipped = 0.0

    def synchronise(self) -> None:
        """Read the database's clock. Raises `StoreUnavailable`."""
        self.adopt(self._read())

    def adopt(self, reading: float) -> None:
        """Go by a reading of the database's clock that has just come in."""
        self._offset = reading - self._monotonic()

    def skip(self, seconds: float) -> None:
        """Let time jump ahead, as a test does."""
        self._skipped += seconds
        self._offset += seconds

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._monotonic() + self._offset

    def monotonic(self) -> float:
        """Return seconds for measuring durations inside this process."""
        return self._monotonic() + self._skipped
