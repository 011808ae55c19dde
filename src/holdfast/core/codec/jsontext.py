"""Strict JSON text: pure ASCII, no NaN literals, no duplicate keys, no numbers that overflow on the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from holdfast.core.codec.refusal import Refusal, key_segment

Json = Any
"""What `json` makes of a text: None, bool, int, float, str, list and dict with keys that are text."""

RESERVED = "$type"
"""The key of an object that says what type it stands for."""

MAX_DEPTH = 100
_INFINITE = (float("inf"), float("-inf"))

_ATOMS = frozenset({str, int, float, bool, type(None)})


def encoding(encoder: json.JSONEncoder) -> Callable[[Json], str]:
    """Return what `encoder.encode` does, without the C encoder that it makes anew for each call.

    Cycles end in a `RecursionError`.
    """
    make, text_of = getattr(json.encoder, "c_make_encoder", None), json.encoder.encode_basestring_ascii
    if make is None:  # not CPython
        return encoder.encode
    chunks = make(
        None, encoder.default, text_of, None, ": ", ", ", encoder.sort_keys, encoder.skipkeys, encoder.allow_nan
    )

    def encode(tree: Json) -> str:
        return text_of(tree) if type(tree) is str else "".join(chunks(tree, 0))

    return encode


# Cycles never get here: `is_plain` and the forms stop at MAX_DEPTH.
dumps = encoding(json.JSONEncoder(ensure_ascii=True, allow_nan=False, check_circular=False))
"""Write a tree. Raises `ValueError` for NaN, infinities and integers too long for Python's digit limit."""


# JSON writes a high and a low surrogate that stand together as it writes the one character that they make.
_SPLIT_PAIR = re.compile("(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")


def unjoined(text: str) -> list[str]:
    """Return a text in parts of which none holds two surrogates that reading would join into one character."""
    return [text] if text.isascii() else _SPLIT_PAIR.split(text)


def faithful(tree: Json) -> str:
    """Write a tree. Raises `Refusal` for text that would come back as another, and `ValueError` as `dumps` does."""
    text = dumps(tree)
    if "\\ud" in text:
        _refuse_split_pairs(tree)
    return text


def _refuse_split_pairs(tree: Json) -> None:
    if type(tree) is str and len(unjoined(tree)) > 1:
        raise Refusal("its two surrogates would come back as the one character that they make")
    members = tree.items() if type(tree) is dict else enumerate(tree) if type(tree) is list else ()
    for place, member in members:
        try:
            _refuse_split_pairs(place)
            _refuse_split_pairs(member)
        except Refusal as refusal:
            refusal.inside(key_segment(place))
            raise


def loads(text: str) -> Json:
    """Read a text. Raises `Refusal` if it is not strict JSON."""
    try:
        return _decoder.decode(text)
    except ValueError as error:
        raise Refusal(f"the stored text is not valid JSON: {error}") from error
    except RecursionError:
        raise Refusal("the stored text is nested too deeply to be read") from None
    except TypeError:
        raise Refusal(f"a stored payload must be text, not {type(text).__name__}") from None


def may_hold_tags(text: str) -> bool:
    """Tell whether any object in the text may have the reserved key."""
    return RESERVED in text or "\\u0024" in text


def is_tagged(tree: Json) -> bool:
    """Tell whether this object says itself what type it stands for."""
    return type(tree) is dict and RESERVED in tree


def is_plain(value: object, levels: int = MAX_DEPTH) -> bool:  # noqa: PLR0911 - the fastest way to say no
    """Tell whether JSON itself says all about a value: exact types, keys of text, none of them reserved.

    Floats and large integers pass; `dumps` refuses those that JSON can't hold. Plain loops: each value passes here.
    """
    kind = type(value)
    if kind is dict:
        if RESERVED in value:  # type: ignore[operator]  # a dict, by its exact type
            return False
        for key, member in value.items():  # type: ignore[attr-defined]  # a dict, by its exact type
            if type(key) is not str:
                return False
            if type(member) not in _ATOMS and not (levels > 1 and is_plain(member, levels - 1)):
                return False
        return True
    if kind is list:
        for member in value:  # type: ignore[attr-defined]  # a list, by its exact type
            if type(member) not in _ATOMS and not (levels > 1 and is_plain(member, levels - 1)):
                return False
        return True
    return kind in _ATOMS


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add gives None, which is what goes on
        raise Refusal(f"the stored text is corrupt: the key {twice!r} occurs twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number in _INFINITE:
        raise Refusal(f"the stored text is corrupt: {text[:40]} is no number that a float can hold")
    return number


def _no_literal(text: str) -> NoReturn:
    raise Refusal(f"the stored text is corrupt: {text} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_literal)
