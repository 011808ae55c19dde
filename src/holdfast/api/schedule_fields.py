"""What can be said of a schedule, by the decorator and by `app.schedules`: the keywords, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from holdfast.core.options import Duration, seconds
from holdfast.core.schedule import Overlap, Timing, check_schedule_name
from holdfast.errors import ConfigurationError
from holdfast.runtime.definitions import ScheduleRequest, WorkflowDefinition

LEAST_CATCHUP = 1.0


class ScheduleFields(TypedDict, total=False):
    """The keywords of `@schedule`, `app.schedules.create` and `app.schedules.change`."""

    every: Duration
    """Tick every so many whole seconds, instead of by a cron expression; at multiples of it since 1970 in UTC."""
    offset: Duration
    """Whole seconds by which the ticks of `every` come later than those multiples."""
    timezone: str
    """Whose clock the cron expression means, as 'Europe/Berlin'. Default: 'UTC'."""
    args: Sequence[Any]
    """Arguments of the workflow, after the tick if it takes that."""
    kwargs: Mapping[str, Any]
    """Arguments of the workflow by name."""
    overlap: Overlap | str
    """What becomes of a tick while the former one's workflow goes on. Default: `Overlap.SKIP`."""
    catchup: Duration
    """How late a tick may be started; older ones are missed, and counted. Default: 60 seconds."""
    jitter: Duration
    """Spread the starts: each workflow waits up to so many seconds, the same for a tick on every worker. Default: 0."""
    queue: str | None
    """The queue that the workflows go through."""
    priority: int
    """The workflows' priority in it. Default: 0."""


def request(
    name: str, definition: WorkflowDefinition, cron: str | None, fields: ScheduleFields, **more: Any
) -> ScheduleRequest:
    """Read what a user wrote. Raises `ConfigurationError`, `MissingExtra`."""
    every = fields.get("every")
    return ScheduleRequest(
        name=check_schedule_name(name),
        definition=definition,
        timing=Timing.checked(
            cron=cron,
            every=None if every is None else seconds(every),
            offset=seconds(fields.get("offset", 0)),
            timezone=fields.get("timezone", "UTC"),
        ),
        args=tuple(fields.get("args", ())),
        kwargs=dict(fields.get("kwargs", {})),
        **settings(fields),
        **more,
    )


def settings(fields: ScheduleFields) -> dict[str, Any]:
    """Read the keywords that are stored as they are; those that are not given are left out."""
    read: dict[str, Any] = {each: fields[each] for each in ("queue", "priority") if each in fields}
    if "overlap" in fields:
        read["overlap"] = _overlap(fields["overlap"])
    if "jitter" in fields:
        read["jitter"] = seconds(fields["jitter"])
    if "catchup" in fields:
        read["catchup"] = seconds(fields["catchup"])
        if read["catchup"] < LEAST_CATCHUP:
            raise ConfigurationError(
                f"catchup= must be at least {LEAST_CATCHUP:g} s, not {fields['catchup']!r}: to start a workflow takes "
                "a moment, and every tick would be missed"
            )
    return read


def _overlap(given: Overlap | str) -> Overlap:
    try:
        return Overlap(given)
    except ValueError:
        known = ", ".join(repr(each.value) for each in Overlap)
        raise ConfigurationError(f"overlap= must be one of {known}, not {given!r}") from None
