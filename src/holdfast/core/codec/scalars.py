"""The standard types that are one readable text: times, decimals, UUIDs, bytes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from importlib import import_module
from typing import Any

from holdfast.core.codec.form import Form, TypedForm
from holdfast.core.codec.jsontext import Json
from holdfast.core.codec.refusal import Refusal, qualified_name
from holdfast.core.data import dataclass

# `2024-10-27T02:30:00+01:00[Europe/Berlin][_fold=1]`: RFC 9557, and our own suffix for the later of two same hours.
_TIME = re.compile(r"(?P<iso>[^\[]+)(?:\[(?P<zone>[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*)])?(?P<fold>\[_fold=1])?")
_DURATION = re.compile(r"(?P<sign>-?)P(?P<days>\d+)DT(?P<seconds>\d+)(?:\.(?P<microseconds>\d{6}))?S", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scalar:
    """One standard type: its tag, and how it becomes text and back."""

    kind: type
    name: str
    to_text: Callable[[Any], str]
    from_text: Callable[[str], Any]

    def read(self, tree: Json) -> Any:
        """Return the value of a text. Raises `Refusal`."""
        try:
            if type(tree) is str:
                return self.from_text(tree)
        except (ValueError, ArithmeticError, LookupError, OSError):
            pass
        raise Refusal(f"the stored {str(tree)[:60]!r} is no {self.name}", self.name)


class ScalarForm(TypedForm):
    """A hinted scalar: its bare text."""

    shape = str

    def __init__(self, untyped: Form, scalar: Scalar) -> None:
        super().__init__(untyped)
        self.kind = scalar.kind
        self._to_text = scalar.to_text
        self.read_own = scalar.read  # type: ignore[method-assign]  # spares a call for each value

    def write_own(self, value: Any, depth: int) -> Json:
        return self._to_text(value)


def _moment_text(value: datetime | time) -> str:
    zone = value.tzinfo
    text = value.isoformat()
    if zone is not None and type(zone) is not timezone:
        text += _zone_suffix(zone)
    return f"{text}[_fold=1]" if value.fold else text


def _zone_suffix(zone: tzinfo) -> str:
    from zoneinfo import ZoneInfo

    if isinstance(zone, ZoneInfo) and _TIME.fullmatch(f"_[{zone.key or ''}]"):
        return f"[{zone.key}]"
    if not isinstance(zone, ZoneInfo) and zone.utcoffset(None) is not None:
        return ""  # somebody's class for a fixed offset, equal to datetime.timezone
    name = qualified_name(type(zone))
    raise Refusal(
        f"its time zone is a {name}, which can't be rebuilt: use zoneinfo.ZoneInfo or datetime.timezone", name
    )


def _moment(kind: Any) -> Callable[[str], Any]:
    def from_text(text: str) -> Any:
        found = _TIME.fullmatch(text)
        if found is None:
            raise ValueError(text)
        value = kind.fromisoformat(found["iso"])
        if found["zone"]:
            from zoneinfo import ZoneInfo

            value = value.replace(tzinfo=ZoneInfo(found["zone"]))
        return value.replace(fold=1) if found["fold"] else value

    return from_text


def _duration_text(value: timedelta) -> str:
    size = abs(value)
    fraction = f".{size.microseconds:06}" if size.microseconds else ""
    return f"{'-' if value.days < 0 else ''}P{size.days}DT{size.seconds}{fraction}S"


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    days, seconds, microseconds = (int(found[part] or 0) for part in ("days", "seconds", "microseconds"))
    size = timedelta(days=days, seconds=seconds, microseconds=microseconds)
    return -size if found["sign"] else size


def _base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _bytearray(text: str) -> bytearray:
    return bytearray(_bytes(text))


def _float(text: str) -> float:
    if text not in {"nan", "inf", "-inf"}:
        raise ValueError(text)
    return float(text)


def _hex_int(text: str) -> int:
    if not re.fullmatch(r"-?0x[0-9a-f]+", text):
        raise ValueError(text)
    return int(text, 16)


_SCALARS = (
    Scalar(kind=datetime, name="datetime", to_text=_moment_text, from_text=_moment(datetime)),
    Scalar(kind=date, name="date", to_text=date.isoformat, from_text=date.fromisoformat),
    Scalar(kind=time, name="time", to_text=_moment_text, from_text=_moment(time)),
    Scalar(kind=timedelta, name="timedelta", to_text=_duration_text, from_text=_duration),
    Scalar(kind=bytes, name="bytes", to_text=_base64, from_text=_bytes),
    Scalar(kind=bytearray, name="bytearray", to_text=_base64, from_text=_bytearray),
)

_LATE = {"decimal": "Decimal", "uuid": "UUID"}
"""Classes by their modules, which take long to import, and are imported by whoever has such a value."""
SCALAR_NAMES = frozenset({*(scalar.name for scalar in _SCALARS), *_LATE.values()})
"""The tags of all of them."""
_by_kind: dict[type, Scalar] = {scalar.kind: scalar for scalar in _SCALARS}


def scalar_of(kind: type) -> Scalar | None:
    """Return how values of a class are written and read; None if it is another kind of class."""
    found = _by_kind.get(kind)
    if found is None and kind.__module__ in _LATE:
        _learn(kind.__module__)
        found = _by_kind.get(kind)
    return found


def scalar_named(name: str) -> Scalar | None:
    """Return what a tag names; None if that is no scalar."""
    for module, late in _LATE.items():
        if name == late:
            return _learn(module)
    return next((scalar for scalar in _SCALARS if scalar.name == name), None)


def _learn(module: str) -> Scalar:
    name = _LATE[module]
    kind = getattr(import_module(module), name)
    return _by_kind.setdefault(kind, Scalar(kind=kind, name=name, to_text=str, from_text=kind))


# Numbers that JSON can't hold, or that Python will not read back from decimal digits; always tagged.
FLOAT = Scalar(kind=float, name="float", to_text=repr, from_text=_float)
INT = Scalar(kind=int, name="int", to_text=hex, from_text=_hex_int)
