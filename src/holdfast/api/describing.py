"""What a decorator reads off a function: its name, its signature, whether it is a method, and how it is undone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from holdfast.core.codec import CallSignature
from holdfast.core.identity import check_name
from holdfast.core.options import StepOptions, TransactionOptions
from holdfast.errors import ConfigurationError
from holdfast.runtime.definitions import StepDefinition, TransactionDefinition, UndoDefinition

MARK = "__holdfast__"
"""The attribute by which a decorated function carries its definition."""


def step_definition(function: Callable[..., Any], options: StepOptions) -> StepDefinition:
    """Describe a function as a step. Raises `ConfigurationError` if its undo function does not fit it."""
    is_method = is_a_method(function)
    definition = StepDefinition(
        name=check_name("a step", options.name or default_name(function)),
        function=function,
        is_async=inspect.iscoroutinefunction(function),
        is_method=is_method,
        signature=CallSignature.of(function, skip_first=is_method),
        options=options,
    )
    if options.undo is None:
        return definition
    otherwise = StepOptions(name=definition.name, policy=options.policy, timeout=options.timeout)
    return replace(definition, undo=_fitting(definition, undo_definition(options.undo, definition.name, otherwise)))


def transaction_definition(function: Callable[..., Any], options: TransactionOptions) -> TransactionDefinition:
    """Describe a function as a transaction. Raises `ConfigurationError` if its undo function does not fit it."""
    is_method = is_a_method(function)
    definition = TransactionDefinition(
        name=check_name("a transaction", options.name or default_name(function)),
        function=function,
        is_async=inspect.iscoroutinefunction(function),
        is_method=is_method,
        signature=CallSignature.of(function, skip_first=is_method),
        options=options,
    )
    if options.undo is None:
        return definition
    otherwise = replace(options, name=definition.name, undo=None, irreversible=False)
    return replace(definition, undo=_fitting(definition, undo_definition(options.undo, definition.name, otherwise)))


def undo_definition(undo: Callable[..., Any], name: str, otherwise: StepOptions | TransactionOptions) -> UndoDefinition:
    """Describe a function that undoes `name`: a step or transaction as it was declared, or else with these options."""
    marked = getattr(undo, MARK, None)
    if isinstance(marked, StepDefinition):
        options = replace(marked.options, key=None, undo=None, irreversible=False)
        return replace(marked, name=f"undo:{name}", options=options, undo=None)
    if isinstance(marked, TransactionDefinition):
        return replace(
            marked, name=f"undo:{name}", options=replace(marked.options, undo=None, irreversible=False), undo=None
        )
    if not inspect.isfunction(undo) and not inspect.ismethod(undo):
        raise ConfigurationError(f"what undoes {name!r} must be a function, not {undo!r}")
    if isinstance(otherwise, StepOptions):
        return replace(step_definition(undo, otherwise), name=f"undo:{name}")
    return replace(transaction_definition(undo, otherwise), name=f"undo:{name}")


def undo_verb_definition(function: Callable[..., Any]) -> UndoDefinition:
    """Describe what `on_undo` was given. Raises `ConfigurationError`."""
    marked = getattr(function, MARK, None)
    name = marked.name if isinstance(marked, StepDefinition | TransactionDefinition) else None
    if name is None and inspect.isroutine(function):
        name = default_name(function)
    name = check_name("what is to be undone", name or repr(function))
    return undo_definition(function, name, StepOptions(name=name))


def _fitting(done: StepDefinition | TransactionDefinition, undo: UndoDefinition) -> UndoDefinition:
    """Check that an undo function can be called for what it undoes. Raises `ConfigurationError`."""
    if isinstance(undo, StepDefinition) and undo.is_async and not done.is_async:
        raise ConfigurationError(f"{done.name!r} is a `def`, and so must be what undoes it: a `def` can't await it")
    if undo.is_method and not done.is_method:
        raise ConfigurationError(f"{done.name!r} is a function, and so must be what undoes it: there is no instance")
    parameters = done.signature.signature.parameters.values()
    positional = [each.name for each in parameters if each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD}]
    by_name = {each.name: each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    try:
        undo.signature.signature.bind("result", *positional, **by_name)
    except TypeError as error:
        wanted = ", ".join(["result", *positional, *by_name])
        raise ConfigurationError(
            f"what undoes {done.name!r} is called with its result and its arguments, as undo({wanted}), which "
            f"{getattr(undo.function, '__qualname__', undo.function)} does not take: {error}"
        ) from None
    return undo


def default_name(function: Callable[..., Any]) -> str:
    """Name a function that was given no other name."""
    return function.__qualname__.replace("<locals>.", "").replace("<lambda>", "lambda")


def is_a_method(function: Callable[..., Any]) -> bool:
    """Tell a method from a function by what it looks like: defined in a class, first parameter self or cls."""
    outer = function.__qualname__.rpartition(".")[0]
    if not outer or outer.endswith("<locals>"):
        return False
    first = next(iter(inspect.signature(function).parameters), "")
    return first in {"self", "cls"}
