"""A workflow named `changing`, whose code tests exchange as a new deployment of a program would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from holdfast import Checkpoint, Holdfast, Kind, Status, send, start, step, workflow
from holdfast.api.registry import registry
from tests.helpers import eventually

T = TypeVar("T")
bodies: list[str] = []
"""The steps whose bodies have run."""


@step
async def do_async(what: str) -> str:
    bodies.append(what)
    return what


def named(what: str, argument: object = None) -> str:
    """Do it as a step of that name."""

    def body(_argument: object) -> str:
        bodies.append(what)
        return what

    return step(name=what)(body)(argument)


def forget(name: str) -> None:
    """Take a workflow away, as in a program that does not have it."""
    registry._workflows.pop(name, None)
    registry._names = tuple(sorted(registry._workflows))
    registry._pinned.clear()


def deploy(code: Callable[..., T], **options: Any) -> Callable[..., T]:
    """Register code as the workflow `changing`, the only one of that name, as in a program that is started anew."""
    forget("changing")
    return workflow(name="changing", **options)(code)


def suspended(app: Holdfast, code: Callable[..., Any], *args: object) -> str:
    """Start a workflow and return its id once it waits."""
    handle = start(code, *args)
    eventually(lambda: handle.status() is Status.SUSPENDED)
    return handle.id


def go(app: Holdfast, workflow_id: str) -> list[str]:
    """Send what the workflow waits for, and return its result."""
    send(workflow_id, "now", topic="go")
    result: list[str] = app.retrieve(workflow_id).result(timeout=20)
    return result


def journal(app: Holdfast, workflow_id: str, kind: Kind) -> list[Checkpoint]:
    return [each for each in app.get_journal(workflow_id) if each.kind is kind]
