"""Hinted pydantic models, recognised without importing pydantic.

Like dataclasses they are restored, not validated: fields, extra values, private attributes and the set of fields
that were given come back as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from holdfast.core.codec.form import deeper
from holdfast.core.codec.jsontext import RESERVED, Json
from holdfast.core.codec.records import RecordForm
from holdfast.core.codec.refusal import Refusal, key_segment, qualified_name

UNSET = "$unset"
"""Holds the names of the fields that have their default because they were not given."""
PRIVATE = "$private"
"""Holds the private attributes."""
_OWN_KEYS = frozenset({RESERVED, UNSET, PRIVATE})


class ModelForm(RecordForm):
    """A pydantic model."""

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.kind.model_fields)  # type: ignore[attr-defined]  # a pydantic model, as its form was chosen by that

    def write_own(self, value: Any, depth: int) -> Json:
        depth = deeper(depth)
        state = value.__dict__
        if absent := self._names - state.keys():
            raise Refusal(f"{self.name} was made without this field", self.name).inside(f".{min(absent)}")
        trees = self.write_fields(state.__getitem__, depth)
        trees |= self._write_beside(value.__pydantic_extra__, depth)
        if unset := trees.keys() - value.__pydantic_fields_set__:
            trees[UNSET] = sorted(unset)
        private = self._write_beside(value.__pydantic_private__, depth)
        return {**trees, PRIVATE: private} if private else trees

    def read_own(self, tree: dict[str, Json]) -> Any:
        values = self.read_fields(tree, self._default)
        extra = private = None
        if self.kind.model_config.get("extra") == "allow":  # type: ignore[attr-defined]  # a pydantic model, as its form was chosen by that
            extra = self._read_beside({key: tree[key] for key in tree if key not in self._names | _OWN_KEYS})
        if self.kind.__private_attributes__ or PRIVATE in tree:  # type: ignore[attr-defined]  # a pydantic model, as its form was chosen by that
            private = self._read_beside(tree.get(PRIVATE, {}))
        given = (tree.keys() & (values.keys() | (extra or {}).keys())) - set(tree.get(UNSET, ()))
        found: Any = object.__new__(self.kind)
        object.__setattr__(found, "__dict__", values)
        object.__setattr__(found, "__pydantic_fields_set__", given)
        object.__setattr__(found, "__pydantic_extra__", extra)
        object.__setattr__(found, "__pydantic_private__", private)
        return found

    def _write_beside(self, values: dict[str, Any] | None, depth: int) -> dict[str, Json]:
        trees = {}
        for name, value in (values or {}).items():
            try:
                if name in _OWN_KEYS:
                    raise Refusal(f"{self.name} can't hold an extra value of this reserved name", self.name)
                trees[name] = self.untyped.write(value, depth)
            except Refusal as refusal:
                refusal.inside(key_segment(name))
                raise
        return trees

    def _read_beside(self, trees: dict[str, Json]) -> dict[str, Any]:
        found = {}
        for name, tree in trees.items():
            try:
                found[name] = self.untyped.read(tree)
            except Refusal as refusal:
                refusal.inside(key_segment(name))
                raise
        return found

    def _default(self, name: str) -> Any:
        field = self.kind.model_fields[name]  # type: ignore[attr-defined]  # a pydantic model, as its form was chosen by that
        if field.is_required():
            raise self.not_recorded()
        try:
            return field.get_default(call_default_factory=True)
        except Exception as error:  # a factory may want the other fields, which only validation has
            raise Refusal(f"the default of this field of {self.name} can't be made: {error}", self.name) from error


def is_model_class(hint: type) -> bool:
    """Tell whether this is a pydantic model."""
    return (
        hasattr(hint, "__pydantic_core_schema__") and hasattr(hint, "model_fields") and hasattr(hint, "model_validate")
    )


def model_hints(model: Any) -> dict[str, Any]:
    """Return each field's annotation."""
    if not model.__pydantic_complete__:
        model.model_rebuild(raise_errors=False)
    return {name: field.annotation for name, field in model.model_fields.items()}


def adapted(hint: type) -> tuple[Callable[[Any], Any], Callable[[Any], Any]] | None:
    """Return functions to and from JSON for a class that only pydantic knows how to write; None if it does not.

    The first raises for a value that would not come back equal, such as a masked secret.
    """
    if not hasattr(hint, "__get_pydantic_core_schema__"):
        return None
    from pydantic import TypeAdapter

    try:
        adapter: Any = TypeAdapter(hint)
    except Exception:  # noqa: BLE001 - pydantic has several errors for a class that it can't adapt
        return None

    def encode(value: Any) -> Any:
        written = adapter.dump_python(value, mode="json")
        back = adapter.validate_python(written)
        if type(back) is not type(value) or back != value:
            raise Refusal(f"a {hint.__name__} does not come back equal", qualified_name(hint))
        return written

    return encode, adapter.validate_python
