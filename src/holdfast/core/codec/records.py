"""Hinted dataclasses and named tuples: an object with a key for each field.

They are restored, not constructed: neither `__init__` nor `__post_init__` runs, so that an object comes back as it
was, whatever its constructor would make of it today.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from holdfast.core.codec.form import Form, TypedForm, deeper
from holdfast.core.codec.jsontext import Json
from holdfast.core.codec.refusal import Refusal, qualified_name

ATTRIBUTES = "$attributes"
"""Holds what an object has beside its fields. No field can be called so."""

_HEAP_TYPE = 1 << 9
_ABSENT: Any = object()


class RecordForm(TypedForm):
    """A class with named fields. The fields' forms are made at the first use: a class may name itself."""

    shape = dict

    def __init__(self, untyped: Form, kind: type, fields: Callable[[], Mapping[str, Form]]) -> None:
        super().__init__(untyped)
        self.kind = kind
        self._resolve = fields

    @cached_property
    def fields(self) -> tuple[tuple[str, Form], ...]:
        """Each field's name and form."""
        return tuple(self._resolve().items())

    @cached_property
    def name(self) -> str:
        return qualified_name(self.kind)

    def write_fields(self, get: Callable[[str], Any], depth: int) -> dict[str, Json]:
        """Write what `get` has for each field; a field it does not have (`_ABSENT`) is left out."""
        trees = {}
        for name, form in self.fields:
            value = get(name)
            if value is not _ABSENT:
                try:
                    trees[name] = form.write(value, depth)
                except Refusal as refusal:
                    refusal.inside(f".{name}")
                    raise
        return trees

    def read_fields(self, tree: dict[str, Json], default: Callable[[str], Any]) -> dict[str, Any]:
        """Read each field; `default` gives, or raises for, one that was not recorded. Unknown keys are left alone."""
        values = {}
        for name, form in self.fields:
            try:
                value = form.read(tree[name]) if name in tree else default(name)
            except Refusal as refusal:
                refusal.inside(f".{name}")
                raise
            if value is not _ABSENT:
                values[name] = value
        return values

    def not_recorded(self) -> Refusal:
        return Refusal(f"{self.name} has this field without a default, but it was not recorded", self.name)


class DataclassForm(RecordForm):
    """A dataclass. Attributes set beside its fields come along under `$attributes`."""

    @cached_property
    def _declared(self) -> dict[str, dataclasses.Field[Any]]:
        return {field.name: field for field in dataclasses.fields(self.kind)}

    @cached_property
    def _refusal(self) -> str | None:
        """Why no object of this class can be restored from its attributes alone."""
        for base in self.kind.__mro__[:-1]:
            if not base.__flags__ & _HEAP_TYPE:
                return (
                    f"a {self.name} is also a {base.__name__}, whose own state is no field: register it with functions"
                )
            slots = base.__dict__.get("__slots__", ())
            hidden = {slots} if isinstance(slots, str) else set(slots)
            if hidden := hidden - self._declared.keys() - {"__dict__", "__weakref__"}:
                return f"the slot {min(hidden)!r} of {self.name} is no field: register it with functions"
        return None

    def write_own(self, value: Any, depth: int) -> Json:
        if self._refusal is not None:
            raise Refusal(self._refusal, self.name)
        depth = deeper(depth)
        trees = self.write_fields(lambda name: getattr(value, name, _ABSENT), depth)
        beside = {
            name: attribute
            for name, attribute in getattr(value, "__dict__", {}).items()
            if name not in self._declared and not self._is_derived(name)
        }
        if beside:
            trees[ATTRIBUTES] = self._write_beside(beside, depth)
        return trees

    def read_own(self, tree: dict[str, Json]) -> Any:
        if self._refusal is not None:
            raise Refusal(self._refusal, self.name)
        found: Any = object.__new__(self.kind)
        for name, value in self.read_fields(tree, self._default).items():
            object.__setattr__(found, name, value)
        beside = self.untyped.read(tree.get(ATTRIBUTES, {}))
        if type(beside) is not dict or any(name.startswith("__") for name in beside):
            raise Refusal(f"the stored attributes of {self.name} are malformed", self.name)
        for name, value in beside.items():
            object.__setattr__(found, name, value)
        return found

    def _is_derived(self, name: str) -> bool:
        return name.startswith("__") or isinstance(getattr(self.kind, name, None), cached_property)

    def _write_beside(self, beside: dict[str, Any], depth: int) -> Json:
        trees = {}
        for name, value in beside.items():
            try:
                trees[name] = self.untyped.write(value, depth)
            except Refusal as refusal:
                refusal.inside(f".{name}")
                raise
        return trees

    def _default(self, name: str) -> Any:
        field = self._declared[name]
        if field.default is not dataclasses.MISSING:
            return field.default
        if field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
        if field.init:
            raise self.not_recorded()
        return _ABSENT


class NamedTupleForm(RecordForm):
    """A named tuple."""

    def write_own(self, value: Any, depth: int) -> Json:
        if getattr(value, "__dict__", None):
            raise Refusal(f"this {self.name} has attributes beside its fields", self.name)
        depth = deeper(depth)
        by_name = dict(zip(self.kind._fields, value, strict=True))  # type: ignore[attr-defined]  # a named tuple, as its form was chosen by that
        return self.write_fields(by_name.__getitem__, depth)

    def read_own(self, tree: dict[str, Json]) -> Any:
        return tuple.__new__(self.kind, self.read_fields(tree, self._default).values())

    def _default(self, name: str) -> Any:
        defaults: dict[str, Any] = self.kind._field_defaults  # type: ignore[attr-defined]  # a named tuple, as its form was chosen by that
        if name not in defaults:
            raise self.not_recorded()
        return defaults[name]


def is_namedtuple_class(hint: type) -> bool:
    """Tell whether this is a class made by `namedtuple` or `NamedTuple`."""
    return issubclass(hint, tuple) and hasattr(hint, "_fields") and hasattr(hint, "_field_defaults")
