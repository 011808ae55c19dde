"""The decorated functions and the named instances of this program: how a name in the database finds its code again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from holdfast.core.codec import CallSignature
from holdfast.core.identity import check_name
from holdfast.errors import AlreadyRegistered, ConfigurationError
from holdfast.runtime.definitions import ScheduleRequest, WorkflowDefinition


class Registry:
    """Names to workflows, and names to instances.

    One for the process: decorators run at import, before any application.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workflows: dict[str, dict[str, WorkflowDefinition]] = {}
        """By name, then by version in the order of definition: the last one is the newest."""
        self._names: tuple[str, ...] = ()
        self._pinned: dict[bool, tuple[tuple[str, str], ...]] = {}
        self._instances: dict[str, object] = {}
        self._schedules: dict[str, ScheduleRequest] = {}
        self._signatures: list[CallSignature] = []

    def add(self, definition: WorkflowDefinition) -> None:
        """Register a workflow, beside other versions of it. It replaces what was defined in the same place before.

        Raises `AlreadyRegistered` if another function has the name and the version, or has the name and neither of them
        states its version: that is hardly meant.
        """
        with self._lock:
            versions = dict(self._workflows.get(definition.name, {}))
            for former in list(versions.values()):
                stated = former.options.version, definition.options.version
                if former.version != definition.version and any(stated):
                    continue
                if not _same_place(former.function, definition.function):
                    raise AlreadyRegistered(
                        f"two workflows are named {definition.name!r}: {_place(former.function)} and "
                        f"{_place(definition.function)}. Name one of them: @workflow(name=…); if one is an older "
                        "version of the other, give it the version that it was recorded under: @workflow(version=…)"
                    )
                del versions[former.version]
            versions[definition.version] = definition
            self._workflows[definition.name] = versions
            self._names = tuple(sorted(self._workflows))
            self._pinned.clear()

    def remember(self, signature: CallSignature) -> None:
        """Note the signature of a decorated function: its hints name types that recorded values may have."""
        with self._lock:
            self._signatures.append(signature)

    def signatures(self) -> list[CallSignature]:
        """Return the signatures of all decorated functions."""
        with self._lock:
            return list(self._signatures)

    def workflow(self, name: str, version: str | None = None) -> WorkflowDefinition | None:
        """Return the workflow of that name, or None: in that version if it is here, else in the newest one."""
        versions = self._workflows.get(name)
        if versions is None:
            return None
        return versions.get(version or "") or next(reversed(versions.values()))

    def workflow_names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        return self._names

    def versions(self, *, pinned_unless_said: bool) -> tuple[tuple[str, str], ...]:
        """Return the names of workflows that are pinned, each with each version; the newest one says whether it is."""
        with self._lock:
            found = self._pinned.get(pinned_unless_said)
            if found is None:
                found = tuple(
                    (name, version)
                    for name, versions in sorted(self._workflows.items())
                    if _is_pinned(next(reversed(versions.values())), otherwise=pinned_unless_said)
                    for version in versions
                )
                self._pinned[pinned_unless_said] = found
            return found

    def declare(self, asked: ScheduleRequest) -> None:
        """Note a declared schedule. One declared again in the same place replaces the former one.

        Raises `AlreadyRegistered` if another workflow's schedule has the name.
        """
        with self._lock:
            former = self._schedules.get(asked.name)
            if former is not None and former.definition.name != asked.definition.name:
                raise AlreadyRegistered(
                    f"two schedules are named {asked.name!r}: of {former.definition.name} and of "
                    f"{asked.definition.name}. Name one of them: @schedule(…, name=…)"
                )
            self._schedules[asked.name] = asked

    def schedules(self) -> tuple[ScheduleRequest, ...]:
        """Return the declared schedules by name."""
        with self._lock:
            return tuple(self._schedules[name] for name in sorted(self._schedules))

    def register_instance(self, instance: object, name: str) -> None:
        """Give an object the name under which workflows that are its methods find it again.

        Raises `AlreadyRegistered` if another object has the name.
        """
        check_name("an instance", name)
        with self._lock:
            if self._instances.setdefault(name, instance) is not instance:
                raise AlreadyRegistered(f"two instances are registered as {name!r}")

    def forget_instance(self, name: str) -> None:
        """Take an instance's name back; unknown names are ignored."""
        with self._lock:
            self._instances.pop(name, None)

    def instance_name(self, definition: WorkflowDefinition, instance: object) -> str:
        """Return the name of an instance, or of a class. Raises `ConfigurationError`."""
        if isinstance(instance, type):
            return f"class:{instance.__module__}:{instance.__qualname__}"
        for name, registered in self._instances.items():
            if registered is instance:
                return name
        raise ConfigurationError(
            f"workflow {definition.name!r} is a method, and its {type(instance).__name__} instance has no name to be "
            "found by after a restart: register it with app.register(instance, name=…) before the first call"
        )

    def instance(self, definition: WorkflowDefinition, name: str) -> object:
        """Return the instance or class of that name. Raises `ConfigurationError`."""
        found = _loaded_class(name) if name.startswith("class:") else self._instances.get(name)
        if found is None:
            raise ConfigurationError(
                f"workflow {definition.name!r} is a method of {name!r}, which is not registered in this program: "
                f"call app.register(instance, name={name!r}) before launch()"
            )
        return found


def _is_pinned(definition: WorkflowDefinition, *, otherwise: bool) -> bool:
    said = definition.options.on_new_version
    return otherwise if said is None else said == "pin"


def _loaded_class(name: str) -> object | None:
    """Find a class in a module that the program has loaded already; nothing is imported."""
    _, module_name, qualified_name = name.split(":", 2)
    found: Any = sys.modules.get(module_name)
    for part in qualified_name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _same_place(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    if one.__module__ == other.__module__:
        return "<locals>" in one.__qualname__ or one.__code__.co_filename == other.__code__.co_filename
    return "<locals>" in one.__qualname__ and "<locals>" in other.__qualname__


def _place(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{function.__module__}.{function.__qualname__} ({code.co_filename}:{code.co_firstlineno})"


registry = Registry()
