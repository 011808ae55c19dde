"""Values without a hint: what JSON can't say by itself carries a tag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdfast.core.codec.form import ESCAPE, deeper, tagged
from holdfast.core.codec.jsontext import RESERVED, Json, dumps, unjoined
from holdfast.core.codec.refusal import Refusal, key_segment, qualified_name
from holdfast.core.codec.registry import Entry, Registry
from holdfast.core.codec.scalars import FLOAT, INT, SCALAR_NAMES, Scalar, scalar_named, scalar_of

Write = Callable[[Any, int], Json]

STANDARD_TAGS = frozenset({"any", "str", "dict", "tuple", "set", "frozenset", FLOAT.name, INT.name, *SCALAR_NAMES})

# Well below the fewest digits (640) that Python's limit on reading integers can be set to.
_DIGITS_IN_BITS = 2048
_INFINITE = float("inf")
_TEXT_ONLY = frozenset({str})


class Untyped:
    """Writes every value so that it describes itself, and reads what does."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._writers: dict[type, Write] = {
            **dict.fromkeys((bool, type(None)), _same),
            str: _write_str,
            int: _write_int,
            float: _write_float,
            list: self.write_members,
            dict: self._write_dict,
            tuple: self._tagged_members("tuple"),
            set: self._tagged_set("set"),
            frozenset: self._tagged_set("frozenset"),
        }
        self._readers: dict[str, Callable[[Json], Any]] = {
            ESCAPE: self._read_bare,
            "str": _read_str,
            "dict": self._read_pairs,
            "tuple": lambda tree: tuple(self._read_list(tree)),
            "set": lambda tree: read_set(set, self._read_list(tree)),
            "frozenset": lambda tree: read_set(frozenset, self._read_list(tree)),
            FLOAT.name: FLOAT.read,
            INT.name: INT.read,
        }

    def is_standard(self, kind: type) -> bool:
        """Tell whether values of this class are written without being registered."""
        return kind in self._writers or scalar_of(kind) is not None

    def write(self, value: Any, depth: int) -> Json:
        writer = self._writers.get(type(value))
        return writer(value, depth) if writer is not None else self._write_registered(value, depth)

    def read(self, tree: Json) -> Any:
        if type(tree) is dict and RESERVED in tree:
            return self._read_tagged(tree)
        return self._read_bare(tree)

    def write_members(self, values: Any, depth: int) -> Json:
        """Write the members of a list or tuple as an array."""
        depth = deeper(depth)
        trees = []
        for index, value in enumerate(values):
            try:
                trees.append(self.write(value, depth))
            except Refusal as refusal:
                refusal.inside(f"[{index}]")
                raise
        return trees

    def _write_dict(self, value: dict[Any, Any], depth: int) -> Json:
        depth = deeper(depth)
        text_only = _TEXT_ONLY.issuperset(map(type, value)) and RESERVED not in value
        text_only = text_only and all(len(unjoined(key)) == 1 for key in value)
        pairs = []
        for key, member in value.items():
            try:
                pairs.append([key if text_only else self.write(key, depth), self.write(member, depth)])
            except Refusal as refusal:
                refusal.inside(key_segment(key))
                raise
        return dict(pairs) if text_only else tagged("dict", pairs)

    def _tagged_members(self, name: str) -> Write:
        return lambda value, depth: tagged(name, self.write_members(value, depth))

    def _tagged_set(self, name: str) -> Write:
        def write(value: Any, depth: int) -> Json:
            depth = deeper(depth)
            return tagged(name, write_set(value, lambda member: self.write(member, depth)))

        return write

    def _write_registered(self, value: Any, depth: int) -> Json:
        kind = type(value)
        scalar = scalar_of(kind)
        if scalar is not None:
            writer = self._writers[kind] = _tagged_scalar(scalar)
            return writer(value, depth)
        entry = self._registry.of_kind(kind)
        if entry is None:
            raise Refusal(how_to_register(kind), qualified_name(kind))
        named = self._registry.of_name(entry.name)
        if named is None or named.kind is not entry.kind:
            raise Refusal(f"its class was defined twice under the name {entry.name!r}", qualified_name(kind))
        if entry.form is not None:
            return tagged(entry.name, entry.form.write_own(value, depth))
        return tagged(entry.name, self._write_by_function(entry, value, depth))

    def _write_by_function(self, entry: Entry, value: Any, depth: int) -> Json:
        name = qualified_name(type(value))
        encode: Callable[[Any], Any] = entry.encode  # type: ignore[assignment]  # only entries with functions come here
        try:
            tree = self.write(encode(value), deeper(depth))
        except Refusal:
            raise
        except Exception as error:
            raise Refusal(f"the encode function of {entry.name!r} failed: {error!r}", name) from error
        # Functions given for a class may or may not know its subclasses: only what comes back as one is written.
        if type(value) is not entry.kind and type(self._read_entry(entry, tree)) is not type(value):
            raise Refusal(f"it would come back as a {entry.name!r}. {how_to_register(type(value))}", name)
        return tree

    def _read_bare(self, tree: Json) -> Any:
        if type(tree) is list:
            return self._read_list(tree)
        if type(tree) is not dict:
            return tree
        found = {}
        for key, member in tree.items():
            try:
                found[key] = self.read(member)
            except Refusal as refusal:
                refusal.inside(key_segment(key))
                raise
        return found

    def _read_list(self, tree: Json) -> list[Any]:
        if type(tree) is not list:
            raise Refusal("the stored tag is malformed: its value should be an array")
        found = []
        for index, member in enumerate(tree):
            try:
                found.append(self.read(member))
            except Refusal as refusal:
                refusal.inside(f"[{index}]")
                raise
        return found

    def _read_pairs(self, tree: Json) -> dict[Any, Any]:
        return read_pairs(tree, self.read, self.read)

    def _read_tagged(self, tree: dict[str, Json]) -> Any:
        name = tree[RESERVED]
        if type(name) is not str or len(tree) != 2 or "value" not in tree:  # noqa: PLR2004 - the tag and its value
            raise Refusal(f'the stored tag is malformed: {{"{RESERVED}": …, "value": …}} is expected')
        reader = self._readers.get(name)
        if reader is not None:
            return reader(tree["value"])
        scalar = scalar_named(name)
        if scalar is not None:
            reader = self._readers[name] = scalar.read
            return reader(tree["value"])
        entry = self._registry.of_name(name)
        if entry is None:
            raise Refusal(f"the stored value is a {name[:200]!r}, which this program has not registered", name)
        return self._read_entry(entry, tree["value"])

    def _read_entry(self, entry: Entry, tree: Json) -> Any:
        if entry.form is not None:
            if type(tree) is not entry.form.shape:
                raise Refusal(f"the stored {entry.name!r} is malformed", entry.name)
            return entry.form.read_own(tree)
        decode: Callable[[Any], Any] = entry.decode  # type: ignore[assignment]  # only entries with functions come here
        try:
            return decode(self.read(tree))
        except Refusal:
            raise
        except Exception as error:
            raise Refusal(f"the decode function of {entry.name!r} failed: {error!r}", entry.name) from error


def _same(value: Any, _depth: int) -> Json:
    return value


def _write_str(value: str, _depth: int) -> Json:
    parts = unjoined(value)
    return value if len(parts) == 1 else tagged("str", parts)


def _read_str(tree: Json) -> str:
    if type(tree) is not list or any(type(part) is not str for part in tree):
        raise Refusal("the stored text is malformed: an array of its parts is expected")
    return "".join(tree)


def _write_int(value: int, _depth: int) -> Json:
    return value if value.bit_length() < _DIGITS_IN_BITS else tagged(INT.name, hex(value))


def _write_float(value: float, _depth: int) -> Json:
    return value if -_INFINITE < value < _INFINITE else tagged(FLOAT.name, repr(value))


def _tagged_scalar(scalar: Scalar) -> Write:
    return lambda value, _depth: tagged(scalar.name, scalar.to_text(value))


def write_set(value: Any, write: Callable[[Any], Json]) -> Json:
    """Write a set's members in an order that is the same in every process."""
    trees = []
    for member in value:
        try:
            trees.append(write(member))
        except Refusal as refusal:
            refusal.inside("{…}")
            raise
    return sorted(trees, key=dumps)


def read_set(kind: type, members: list[Any]) -> Any:
    """Return the set of these members. Raises `Refusal` if they can't be one."""
    try:
        found = kind(members)
    except TypeError:
        raise Refusal("the stored set is corrupt: a member is not hashable") from None
    if len(found) != len(members):
        raise Refusal("the stored set is corrupt: a member occurs twice")
    return found


def read_pairs(tree: Json, read_key: Callable[[Json], Any], read_value: Callable[[Json], Any]) -> dict[Any, Any]:
    """Return the dict of an array of [key, value] pairs."""
    if type(tree) is not list or any(type(pair) is not list or len(pair) != 2 for pair in tree):  # noqa: PLR2004 - a pair
        raise Refusal("the stored dict is malformed: an array of [key, value] pairs is expected")
    found: dict[Any, Any] = {}
    for key_tree, value_tree in tree:
        key = read_key(key_tree)
        try:
            found[key] = read_value(value_tree)
        except TypeError:
            raise Refusal("the stored dict is corrupt: a key is not hashable") from None
        except Refusal as refusal:
            refusal.inside(key_segment(key))
            raise
    if len(found) != len(tree):
        raise Refusal("the stored dict is corrupt: a key occurs twice")
    return found


def how_to_register(kind: type) -> str:
    """Say why a value of this class is refused, and what to do."""
    name = kind.__name__
    base = next((base for base in kind.__mro__[1:] if base in _LOSES_TYPE), None)
    if base is not None:
        return f"a {name} would come back as a plain {base.__name__}: convert it, or call codec.register({name})"
    return (
        f"a {name} can't be recorded without knowing how: give the function a type hint that names a dataclass, "
        f"pydantic model or enum, or call codec.register({name}), with encode= and decode= for other classes"
    )


_LOSES_TYPE = frozenset({str, int, float, list, dict, tuple, set, frozenset, bytes})
