"""Fingerprints of arguments: equal for equal values in every process, and never an error.

Much coarser than the codec: a fingerprint only has to change when a program asks for something else than before.
It depends on the values alone, not on which types are registered.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from holdfast.core.codec.jsontext import MAX_DEPTH, Json, encoding
from holdfast.core.codec.mapped import is_mapped_class
from holdfast.core.codec.models import is_model_class
from holdfast.core.codec.refusal import qualified_name
from holdfast.core.codec.scalars import scalar_of

_SIZE = 8
_FUNCTIONS = frozenset({FunctionType, BuiltinFunctionType, MethodType})
_LARGE = 1024
"""Bits of an integer that goes in as hexadecimal digits: those have no limit."""


def digest(parts: tuple[object, ...]) -> str:
    """Return the fingerprint of some values as 16 hexadecimal digits."""
    try:
        text = _encode(parts)
    except Exception:  # noqa: BLE001 - cycles, mixed keys, endless depth: whatever json does not take
        text = _encode(_Canonical().tree(parts))
    return text_digest(text)


def text_digest(text: str) -> str:
    """Return the fingerprint of an ASCII text as 16 hexadecimal digits."""
    return hashlib.blake2b(text.encode("ascii"), digest_size=_SIZE).hexdigest()


def _described(value: Any) -> Json:
    """Return what stands for a value that JSON does not know."""
    try:
        return _content(value)
    except Exception:  # noqa: BLE001 - an object's own code may raise anything
        return qualified_name(type(value))


def _content(value: Any) -> Json:  # noqa: PLR0911 - one for each kind of value
    kind = type(value)
    scalar = scalar_of(kind)
    if scalar is not None:
        return [scalar.name, scalar.to_text(value)]
    if kind in (set, frozenset):
        return ["set", sorted(_encode(_Canonical().tree(member)) for member in value)]
    if issubclass(kind, Enum):
        return [qualified_name(kind), value.name]
    if is_mapped_class(kind):
        return qualified_name(kind)  # reading a column may go to the database
    if dataclasses.is_dataclass(kind):
        fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(kind)}
        return [qualified_name(kind), fields]
    if is_model_class(kind):
        return [qualified_name(kind), value.__dict__, value.__pydantic_extra__]
    if kind in _FUNCTIONS:
        return [kind.__name__, f"{value.__module__}:{value.__qualname__}"]
    if issubclass(kind, type):
        return ["type", qualified_name(value)]
    return qualified_name(kind)


_encode = encoding(json.JSONEncoder(sort_keys=True, default=_described))


class _Canonical:
    """Turns any value into a tree that JSON takes."""

    def __init__(self) -> None:
        self._above: set[int] = set()

    def tree(self, value: Any) -> Json:
        """Return the tree of a value; what contains itself, or is too deep, is cut off."""
        kind = type(value)
        if value is None or issubclass(kind, str | float):
            return value
        if issubclass(kind, int):
            return value if int.bit_length(value) < _LARGE else hex(value)
        if id(value) in self._above or len(self._above) >= MAX_DEPTH:
            return qualified_name(kind)
        self._above.add(id(value))
        try:
            return self._container(value)
        except Exception:  # noqa: BLE001 - an object's own code may raise anything
            return qualified_name(kind)
        finally:
            self._above.discard(id(value))

    def _container(self, value: Any) -> Json:
        if issubclass(type(value), dict):
            pairs = [[_encode(self.tree(key)), self.tree(member)] for key, member in value.items()]
            return sorted(pairs, key=_first)
        if issubclass(type(value), list | tuple):
            return [self.tree(member) for member in value]
        described = _described(value)
        return described if isinstance(described, str) else self.tree(described)


def _first(pair: list[Any]) -> Any:
    return pair[0]
