"""What is known of a decorated function: name, signature, version, how to call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any, Protocol

from holdfast.core.codec import CallSignature
from holdfast.core.data import dataclass
from holdfast.core.options import StepOptions, TransactionOptions, WorkflowOptions
from holdfast.core.schedule import Overlap, Timing


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkflowDefinition:
    """A function decorated with `@workflow`."""

    name: str
    function: Callable[..., Any]
    is_async: bool
    is_method: bool
    """Its first argument is an instance or class that is found again by name."""
    signature: CallSignature
    version: str
    options: WorkflowOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDefinition:
    """A function decorated with `@step`, or handed to `run_step`."""

    name: str
    function: Callable[..., Any]
    is_async: bool
    is_method: bool
    signature: CallSignature
    options: StepOptions
    undo: UndoDefinition | None = None

    @property
    def can_be_undone(self) -> bool:
        """Whether its success matters when the workflow fails later."""
        return self.undo is not None or self.options.irreversible


@dataclass(frozen=True, kw_only=True, slots=True)
class TransactionDefinition:
    """A function decorated with `@transaction`."""

    name: str
    function: Callable[..., Any]
    is_async: bool
    is_method: bool
    signature: CallSignature
    options: TransactionOptions
    undo: UndoDefinition | None = None
    key: str | None = None
    """An identity of its own, instead of its place among those of its name."""

    @property
    def can_be_undone(self) -> bool:
        """Whether its success matters when the workflow fails later."""
        return self.undo is not None or self.options.irreversible


UndoDefinition = StepDefinition | TransactionDefinition
"""What runs to undo something: its key is given when it runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleRequest:
    """A schedule as somebody asks for it: by the decorator, or at run time."""

    name: str
    definition: WorkflowDefinition
    timing: Timing
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    overlap: Overlap = Overlap.SKIP
    catchup: float = 60.0
    jitter: float = 0.0
    queue: str | None = None
    priority: int = 0
    declared: bool = False


class Definitions(Protocol):
    """Finds what was registered, by the names that the database holds."""

    def workflow(self, name: str, version: str | None = None) -> WorkflowDefinition | None:
        """Return the workflow of that name, or None: in that version if it is here, else in the newest one."""

    def workflow_names(self) -> tuple[str, ...]:
        """Return all names, sorted."""

    def versions(self, *, pinned_unless_said: bool) -> tuple[tuple[str, str], ...]:
        """Return the names of workflows that are pinned to their version, each with each version that is here.

        `pinned_unless_said` is the rule for those whose decorator does not say it.
        """

    def schedules(self) -> tuple[ScheduleRequest, ...]:
        """Return the schedules that the code declares."""

    def instance_name(self, definition: WorkflowDefinition, instance: object) -> str:
        """Return the name under which an instance or class is found again. Raises `ConfigurationError`."""

    def instance(self, definition: WorkflowDefinition, name: str) -> object:
        """Return the instance or class of that name. Raises `ConfigurationError`."""
