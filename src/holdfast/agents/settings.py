"""How recorded calls are retried and limited: `@step`'s own options, as keyword arguments."""

from __future__ import annotations

from typing import TypedDict

from holdfast.api.decorators import retry_policy
from holdfast.core.identity import check_name
from holdfast.core.options import Duration, StepOptions, seconds


class StepSettings(TypedDict, total=False):
    """The options of `@step` that a recorded call takes; see there."""

    retries: int
    backoff: Duration
    backoff_factor: float
    max_delay: Duration
    jitter: float
    retry_on: type[Exception] | tuple[type[Exception], ...]
    dont_retry_on: type[Exception] | tuple[type[Exception], ...]
    timeout: Duration | None


def step_options(name: str, settings: StepSettings) -> StepOptions:
    """Return the options of a step with this name. Raises `ConfigurationError`."""
    policy = {key: value for key, value in settings.items() if key != "timeout"}
    timeout = settings.get("timeout")
    return StepOptions(
        name=check_name("a step", name),
        policy=retry_policy(**policy),
        timeout=None if timeout is None else seconds(timeout),
    )
