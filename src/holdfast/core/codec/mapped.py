"""Hinted SQLAlchemy classes: their loaded columns, recognised without importing SQLAlchemy.

What comes back is a detached object with the recorded columns, as one has it after its session is closed.
Relationships are not recorded.
"""

from __future__ import annotations

from typing import Any

from holdfast.core.codec.form import deeper
from holdfast.core.codec.jsontext import Json
from holdfast.core.codec.records import RecordForm
from holdfast.core.codec.refusal import Refusal


class MappedForm(RecordForm):
    """A mapped class: an object with a key for each column attribute."""

    def write_own(self, value: Any, depth: int) -> Json:
        depth = deeper(depth)
        try:
            # Reading an attribute loads it where it has expired.
            state = {name: getattr(value, name) for name, _ in self.fields}
        except Exception as error:
            raise Refusal(f"a column of this {self.name} can't be loaded any more: {error}", self.name) from error
        return self.write_fields(state.__getitem__, depth)

    def read_own(self, tree: dict[str, Json]) -> Any:
        from sqlalchemy.orm import make_transient_to_detached
        from sqlalchemy.orm.attributes import set_committed_value

        mapper: Any = self.kind.__mapper__  # type: ignore[attr-defined]  # a mapped class, as its form was chosen by that
        found = mapper.class_manager.new_instance()
        for name, value in self.read_fields(tree, self._none).items():
            set_committed_value(found, name, value)
        if all(getattr(found, mapper.get_property_by_column(column).key) is not None for column in mapper.primary_key):
            make_transient_to_detached(found)
        return found

    def _none(self, name: str) -> Any:
        return None


def is_mapped_class(hint: type) -> bool:
    """Tell whether this is a class that SQLAlchemy maps to a table."""
    return hasattr(hint, "__mapper__") and hasattr(hint, "_sa_class_manager")


def mapped_hints(hint: Any, hints: dict[str, Any]) -> dict[str, Any]:
    """Return the hint of each column attribute, out of the class's annotations (`Mapped[int]`)."""
    found = {}
    for attribute in hint.__mapper__.column_attrs:
        annotation = hints.get(attribute.key, Any)
        arguments = getattr(annotation, "__args__", ())
        is_wrapped = getattr(getattr(annotation, "__origin__", None), "__name__", "") == "Mapped"
        found[attribute.key] = arguments[0] if is_wrapped and arguments else Any
    return found
