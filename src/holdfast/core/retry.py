"""When to try a failed step again. Pure: chance is handed in."""

from __future__ import annotations

from holdfast.core.data import strict_dataclass
from holdfast.errors import ConfigurationError


@strict_dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """Exponential backoff with jitter and limits. Durations in seconds."""

    retries: int = 0
    """Further attempts after the first."""
    backoff: float = 1.0
    """Delay before the second attempt."""
    backoff_factor: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.5
    """Share of the delay that chance takes away: 0 none, 1 anything between nothing and the whole delay."""
    retry_on: tuple[type[Exception], ...] = (Exception,)
    dont_retry_on: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        if self.retries < 0 or self.backoff < 0 or self.max_delay < 0 or self.backoff_factor < 1:
            raise ConfigurationError(
                f"retries, backoff and max_delay must not be negative and backoff_factor not below 1: {self}"
            )
        if not 0 <= self.jitter <= 1:
            raise ConfigurationError(f"jitter must be between 0 and 1, not {self.jitter}")

    def delay(self, attempt: int, error: Exception, chance: float) -> float | None:
        """Return the seconds to wait after a failed `attempt` (from 1), or None: give up. `chance` is in [0, 1)."""
        if attempt > self.retries or isinstance(error, self.dont_retry_on) or not isinstance(error, self.retry_on):
            return None
        try:
            full = self.backoff * self.backoff_factor ** (attempt - 1)
        except OverflowError:
            full = self.max_delay
        return min(full, self.max_delay) * (1 - self.jitter * chance)
