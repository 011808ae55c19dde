"""`@schedule`, and `app.schedules`: schedules as a program declares them, and as it makes and changes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar, Unpack

from holdfast.api.decorators import definition_of
from holdfast.api.launched import refuse_on_event_loop
from holdfast.api.registry import registry
from holdfast.api.schedule_fields import ScheduleFields, request, settings
from holdfast.core.cron import zone_of
from holdfast.core.options import seconds
from holdfast.core.schedule import ScheduleRecord, Timing, tick_id
from holdfast.errors import ConfigurationError, ScheduleConflict, ScheduleNotFound, UsageError
from holdfast.runtime.definitions import WorkflowDefinition
from holdfast.runtime.effects import Durable, Flow, drive, drive_async
from holdfast.runtime.engine import Engine
from holdfast.runtime.schedules import encode_arguments, schedule_row, tick_workflow
from holdfast.store.schedule_writes import PauseSchedule, Put, PutResult, PutSchedule, RemoveSchedule
from holdfast.store.writes import Create, Unit, Write

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

MOST_BACKFILLED = 10_000


def schedule(
    cron: str | None = None, /, *, name: str | None = None, **fields: Unpack[ScheduleFields]
) -> Callable[[F], F]:
    """Start a workflow at times: put `@schedule("0 9 * * *", timezone="Europe/Berlin")` above `@workflow`.

    `cron` has the fields minute, hour, day of the month, month and day of the week, with the second before them if it
    matters; or say `every=`. The other keywords are those of `ScheduleFields`. The schedule is written to the database
    at launch, under `name` (default: the workflow's). Each tick starts one workflow, over all workers, with the id
    `<schedule>@2026-03-01T08:00:00Z`. It is called with the tick, if its first parameter is annotated with `Tick` or
    `datetime`, then with `args` and `kwargs`.

    Raises `ConfigurationError`; `MissingExtra` if a cron expression can't be read without `holdfast[schedules]`.
    """

    def declare(function: F) -> F:
        definition = _definition(function)
        if definition.is_method:
            raise ConfigurationError(
                f"@schedule can't know on which object {definition.name} is to be called: "
                "use app.schedules.create(name, instance.method, …)"
            )
        registry.declare(request(name or definition.name, definition, cron, fields, declared=True))
        return function

    return declare


class Schedules:
    """The schedules of one database. In a workflow, call these in a step."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self,
        name: str,
        function: Callable[..., Any],
        /,
        cron: str | None = None,
        **fields: Unpack[ScheduleFields],
    ) -> ScheduleRecord:
        """Start a workflow at times, from now on; see `holdfast.schedule`. The same again gives the same schedule.

        Raises `ScheduleConflict` if the name belongs to another definition; `ConfigurationError`, `MissingExtra`.
        """
        return self._drive("create", self._create(name, function, cron, fields))

    async def acreate(
        self,
        name: str,
        function: Callable[..., Any],
        /,
        cron: str | None = None,
        **fields: Unpack[ScheduleFields],
    ) -> ScheduleRecord:
        """Start a workflow at times, in a coroutine; see `create`."""
        return await drive_async(self._create(name, function, cron, fields))

    def _create(
        self, name: str, function: Callable[..., Any], cron: str | None, fields: ScheduleFields
    ) -> Flow[ScheduleRecord]:
        definition = _definition(function)
        if (instance := getattr(function, "__self__", None)) is not None:
            fields = {**fields, "args": (instance, *fields.get("args", ()))}
        yield from self._check_queue(fields)
        row = schedule_row(self._engine, request(name, definition, cron, fields))
        if (yield from self._write(PutSchedule(schedule=row, mode=Put.CREATE))) is PutResult.CONFLICT:
            raise ScheduleConflict(name)
        return (yield from self._get(name))

    def change(self, name: str, /, cron: str | None = None, **fields: Unpack[ScheduleFields]) -> ScheduleRecord:
        """Change what is given of a schedule, and leave the rest. Another timing counts from now on.

        What the code declares is written again at the next launch. Raises `ScheduleNotFound`, `ConfigurationError`,
        `MissingExtra`.
        """
        return self._drive("change", self._change(name, cron, fields))

    async def achange(self, name: str, /, cron: str | None = None, **fields: Unpack[ScheduleFields]) -> ScheduleRecord:
        """Change what is given of a schedule, in a coroutine; see `change`."""
        return await drive_async(self._change(name, cron, fields))

    def _change(self, name: str, cron: str | None, fields: ScheduleFields) -> Flow[ScheduleRecord]:
        engine = self._engine
        yield from self._check_queue(fields)
        found = yield from self._get(name)
        timing = _changed_timing(found.timing, cron, fields)
        changed = replace(
            found,
            **settings(fields),
            timing=timing,
            revision=engine.ids.new(),
            next_at=timing.next_after(engine.clock.now()),
        )
        if "args" in fields or "kwargs" in fields:
            changed = replace(changed, **self._changed_arguments(found, fields))
        if (yield from self._write(PutSchedule(schedule=changed, mode=Put.CHANGE))) is PutResult.UNKNOWN:
            raise ScheduleNotFound(name)
        return (yield from self._get(name))

    def _check_queue(self, fields: ScheduleFields) -> Flow[None]:
        """Raise `ConfigurationError` for a queue that nobody declared: what is started there would wait for ever."""
        queue = fields.get("queue")
        if queue is not None:
            yield from self._engine.queues.check(queue)

    def _changed_arguments(self, found: ScheduleRecord, fields: ScheduleFields) -> dict[str, Any]:
        definition = self._engine.definitions.workflow(found.workflow)
        if definition is None:
            raise ConfigurationError(
                f"this program does not define {found.workflow}, whose arguments are to be changed"
            )
        args = tuple(fields.get("args", ()))
        if definition.is_method:
            known, _ = self._engine.decode_call(definition, found.arguments)
            args = (known[0], *args)
        text, digest = encode_arguments(
            self._engine, definition, args, dict(fields.get("kwargs", {})), schedule=found.name
        )
        return {"arguments": text, "digest": digest}

    def pause(self, name: str) -> None:
        """Let a schedule's ticks pass until it is resumed; its workflows go on. Raises `ScheduleNotFound`."""
        self._drive("pause", self._pause(name, paused=True))

    async def apause(self, name: str) -> None:
        """Let a schedule's ticks pass, in a coroutine; see `pause`."""
        await drive_async(self._pause(name, paused=True))

    def resume(self, name: str) -> None:
        """Let a paused schedule go on with its next tick from now; `backfill` starts those that passed.

        Raises `ScheduleNotFound`.
        """
        self._drive("resume", self._pause(name, paused=False))

    async def aresume(self, name: str) -> None:
        """Let a paused schedule go on, in a coroutine; see `resume`."""
        await drive_async(self._pause(name, paused=False))

    def _pause(self, name: str, *, paused: bool) -> Flow[None]:
        found = yield from self._get(name)
        next_at = None if paused else found.timing.next_after(self._engine.clock.now())
        if not (yield from self._write(PauseSchedule(name=name, paused=paused, next_at=next_at))):
            raise ScheduleNotFound(name)

    def remove(self, name: str) -> None:
        """Remove a schedule; its workflows stay. One that the code declares is back at the next launch.

        Raises `ScheduleNotFound`.
        """
        self._drive("remove", self._remove(name))

    async def aremove(self, name: str) -> None:
        """Remove a schedule, in a coroutine; see `remove`."""
        await drive_async(self._remove(name))

    def _remove(self, name: str) -> Flow[None]:
        if not (yield from self._write(RemoveSchedule(name=name))):
            raise ScheduleNotFound(name)

    def get(self, name: str) -> ScheduleRecord:
        """Read a schedule. Raises `ScheduleNotFound`."""
        return self._drive("get", self._get(name))

    async def aget(self, name: str) -> ScheduleRecord:
        """Read a schedule, in a coroutine; see `get`."""
        return await drive_async(self._get(name))

    def _get(self, name: str) -> Flow[ScheduleRecord]:
        found = yield from self._engine.read(lambda: self._engine.store.schedule(name))
        if found is None:
            raise ScheduleNotFound(name)
        return found

    def list(self) -> Sequence[ScheduleRecord]:
        """List all schedules by name."""
        return self._drive("list", self._engine.read(self._engine.store.schedules))

    async def alist(self) -> Sequence[ScheduleRecord]:
        """List all schedules by name, in a coroutine."""
        return await drive_async(self._engine.read(self._engine.store.schedules))

    def next_runs(self, name: str, count: int = 5) -> Sequence[datetime]:
        """Tell when a schedule ticks next, in its time zone; a paused one does not. Raises `ScheduleNotFound`."""
        return self._drive("next_runs", self._next_runs(name, count))

    async def anext_runs(self, name: str, count: int = 5) -> Sequence[datetime]:
        """Tell when a schedule ticks next, in a coroutine; see `next_runs`."""
        return await drive_async(self._next_runs(name, count))

    def _next_runs(self, name: str, count: int) -> Flow[Sequence[datetime]]:
        found = yield from self._get(name)
        if found.paused or found.next_at is None:
            return []
        return [found.timing.local(at) for at in islice(found.timing.ticks(found.next_at, float("inf")), count)]

    def backfill(self, name: str, start: datetime, end: datetime) -> Sequence[str]:
        """Start the workflows of all ticks from `start` on and before `end`, which is past, whatever the policy.

        A time without a time zone is in the schedule's. A workflow has the id that its tick gives it, so those that
        are there already are left as they are; returns the ids of those created. At most 10,000 at once.
        Raises `ScheduleNotFound`, `UsageError`, `ConfigurationError`.
        """
        return self._drive("backfill", self._backfill(name, start, end))

    async def abackfill(self, name: str, start: datetime, end: datetime) -> Sequence[str]:
        """Start the workflows of past ticks, in a coroutine; see `backfill`."""
        return await drive_async(self._backfill(name, start, end))

    def _backfill(self, name: str, start: datetime, end: datetime) -> Flow[Sequence[str]]:
        engine = self._engine
        found = yield from self._get(name)
        first, last = (_instant(found.timing, time) for time in (start, end))
        if last > engine.clock.now():
            raise UsageError(f"backfill is for what is past, and {end} is not yet; the schedule starts what comes")
        ticks = list(islice(found.timing.ticks(first, last), MOST_BACKFILLED + 1))
        if len(ticks) > MOST_BACKFILLED:
            raise UsageError(f"schedule {name!r} has more than {MOST_BACKFILLED} ticks there: backfill them in parts")
        workflows = [tick_workflow(engine, found, at, jitter=False) for at in ticks]
        tickets = [engine.committer.submit(Unit(writes=(Create(workflow=new),))) for new in workflows]
        made = []
        for at, ticket in zip(ticks, tickets, strict=True):
            receipt = yield Durable(ticket)
            if receipt.results[0].existing is None:
                made.append(tick_id(name, at))
        return made

    def _write(self, write: Write) -> Flow[Any]:
        receipt = yield Durable(self._engine.committer.submit(Unit(writes=(write,))))
        return receipt.results[0]

    def _drive(self, verb: str, flow: Flow[T]) -> T:
        refuse_on_event_loop(f"app.schedules.{verb}()", f"await app.schedules.a{verb}(…)")
        return drive(flow)


def _definition(function: Callable[..., Any]) -> WorkflowDefinition:
    try:
        return definition_of(function)
    except ConfigurationError:
        raise ConfigurationError(
            f"only workflows are scheduled, and {function!r} is none: put @schedule(…) above @workflow"
        ) from None


def _changed_timing(timing: Timing, cron: str | None, fields: ScheduleFields) -> Timing:
    every = fields.get("every")
    if cron is None and every is None:
        cron, every = timing.cron, timing.every
    return Timing.checked(
        cron=cron,
        every=None if every is None else seconds(every),
        offset=seconds(fields.get("offset", timing.offset if every is not None else 0)),
        timezone=fields.get("timezone", timing.timezone),
    )


def _instant(timing: Timing, time: datetime) -> float:
    return (time if time.tzinfo is not None else time.replace(tzinfo=zone_of(timing.timezone))).timestamp()
