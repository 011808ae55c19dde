"""Type hints of functions and classes, resolved as far as they can be."""

from __future__ import annotations

import functools
import inspect
import typing
from typing import Any, Final


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""Stands for a hint that is not there."""


def hints_of(owner: Any) -> dict[str, Any]:
    """Return the resolved hints of a function or class; those that can't be resolved are left out."""
    names = _closure(owner)
    try:
        return typing.get_type_hints(owner, localns=names or None, include_extras=True)
    except Exception:  # noqa: BLE001 - evaluating somebody's annotations may raise anything
        return _one_by_one(owner, names)


def unwrapped(function: Any) -> Any:
    """Return the function whose annotations describe a callable: of a partial or a callable object, too."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__ if callable(function) else function


def _closure(owner: Any) -> dict[str, Any]:
    """Return what a nested function sees of its surroundings, as far as its body uses it."""
    function = inspect.unwrap(owner) if callable(owner) and not inspect.isclass(owner) else None
    cells = getattr(function, "__closure__", None) or ()
    code = getattr(function, "__code__", None)
    found = {}
    for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return found


def _one_by_one(owner: Any, names: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in reversed(owner.__mro__) if inspect.isclass(owner) else (owner,):
        for name, annotation in _annotations(part).items():
            found.pop(name, None)
            found.update(_resolved(part, name, annotation, names))
    return found


def _annotations(part: Any) -> dict[str, Any]:
    try:
        return inspect.get_annotations(part)
    except Exception:  # noqa: BLE001 - as above
        return {}


def _resolved(part: Any, name: str, annotation: Any, names: dict[str, Any]) -> dict[str, Any]:
    # A class of its own for each annotation: `get_type_hints` resolves all of an object's hints or none.
    holder = type("Holder", (), {"__annotations__": {name: annotation}, "__module__": part.__module__})
    globalns = getattr(inspect.unwrap(part), "__globals__", None) if not inspect.isclass(part) else None
    try:
        return typing.get_type_hints(holder, globalns, names or None, include_extras=True)
    except Exception:  # noqa: BLE001 - as above
        return {}
