"""The arguments of a function: bound by name, with the hints that describe them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from holdfast.core.codec.refusal import Refusal
from holdfast.core.codec.typehints import MISSING, hints_of, unwrapped

POSITIONAL = "$positional"
"""Holds the arguments that were given by position where the function's parameters were not known."""

_ANYTHING = inspect.Signature(
    [
        inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
)


class CallSignature:
    """What a function takes and returns. Costs nothing before its first use; hints may name what is defined later."""

    def __init__(self, function: Callable[..., Any], *, skip_first: bool = False) -> None:
        self.function = function
        self.skip_first = skip_first

    @classmethod
    def of(cls, function: Callable[..., Any], *, skip_first: bool = False) -> CallSignature:
        """Describe a function; `skip_first` leaves out the first parameter (`self`, `cls`)."""
        return cls(function, skip_first=skip_first)

    def __repr__(self) -> str:
        return f"CallSignature({self.name}{self.signature})"

    @property
    def name(self) -> str:
        """The function's qualified name."""
        return str(getattr(self.function, "__qualname__", type(self.function).__qualname__))

    @cached_property
    def signature(self) -> inspect.Signature:
        """The signature; of a callable that has none, one that takes anything."""
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):
            return _ANYTHING
        kept = list(signature.parameters.values())
        return signature.replace(parameters=kept[1:] if self.skip_first else kept)

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """Each parameter's hint, `MISSING` where there is none; of `*args` and `**kwargs`, the hint of each member."""
        return {name: self._hints.get(name, MISSING) for name in self.signature.parameters}

    @cached_property
    def return_hint(self) -> Any:
        """The hint of the result, or `MISSING`."""
        return self._hints.get("return", MISSING)

    @cached_property
    def argument_hints(self) -> Mapping[str, Any]:
        """The hint of what each parameter is bound to: a tuple for `*args`, a dict for `**kwargs`."""
        hints = dict(self.parameters)
        for name, parameter in self.signature.parameters.items():
            member = Any if hints[name] is MISSING else hints[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                hints[name] = tuple[member, ...]  # type: ignore[valid-type]  # a type made at run time
            elif parameter.kind is parameter.VAR_KEYWORD:
                hints[name] = dict[str, member]  # type: ignore[valid-type]  # a type made at run time
        return hints

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by parameter, defaults left out. Raises `TypeError` as the call itself would."""
        names, required = self._simple
        if not kwargs and required <= len(args) <= len(names):
            return dict(zip(names, args, strict=False))
        try:
            return dict(self.signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise TypeError(f"{self.name}(): {error}") from None

    def place(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return arguments by parameter, where some were recorded by position: by a program without the function.

        Raises `Refusal` if there are more than the function takes, or one is given twice.
        """
        if POSITIONAL not in arguments:
            return arguments
        values = arguments[POSITIONAL]
        named = {name: value for name, value in arguments.items() if name != POSITIONAL}
        placed: dict[str, Any] = {}
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                placed[name], values = values, []
            elif values and parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}:
                placed[name], values = values[0], values[1:]
        if values or placed.keys() & named.keys():
            raise Refusal(f"{self.name} does not take the recorded arguments: it takes {self.signature}")
        return {**placed, **named}

    def unbind(self, arguments: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments for a call.

        Raises `Refusal` if the function now takes other arguments than were recorded.
        """
        names, required = self._simple
        if required <= len(arguments) and tuple(arguments) == names[: len(arguments)]:
            return tuple(arguments.values()), {}
        parameters = self.signature.parameters
        if unknown := arguments.keys() - parameters.keys():
            raise Refusal(f"{self.name} takes no argument {min(unknown)!r} (any more), but the recorded call has it")
        ordered = {name: arguments[name] for name in parameters if name in arguments}
        bound = inspect.BoundArguments(self.signature, ordered)
        try:
            args, kwargs = bound.args, bound.kwargs
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise Refusal(f"{self.name} can't be called with the recorded arguments: {error}") from None
        return args, kwargs

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return hints_of(unwrapped(self.function))

    @cached_property
    def _simple(self) -> tuple[tuple[str, ...], int]:
        """The names that positional arguments bind to, and how many must be given; no names if it is not so simple."""
        parameters = self.signature.parameters.values()
        plain = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        if any(parameter.kind not in plain for parameter in parameters):
            return (), 1
        required = sum(parameter.default is parameter.empty for parameter in parameters)
        return tuple(self.signature.parameters), required


def same_arguments(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two recorded calls give the same arguments, though one may give some of them by position only."""
    if POSITIONAL in other:
        one, other = other, one
    if POSITIONAL in one and POSITIONAL not in other:
        values = one[POSITIONAL]
        if len(values) > len(other):
            return False
        # Those by name were recorded in the order of the function's parameters.
        by_name = {name: value for name, value in one.items() if name != POSITIONAL}
        one = {**dict(zip(other, values, strict=False)), **by_name}
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
