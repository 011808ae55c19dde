"""Values that a person types: JSON, from the command line, a file or standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


def given_text(text: str) -> str:
    """Return what an argument stands for: itself, `@file` the file's text, `-` standard input."""
    if text == "-":
        return sys.stdin.read()
    if text.startswith("@"):
        return Path(text[1:]).read_text(encoding="utf-8")
    return text


def json_value(text: str, what: str) -> Any:
    """Read an argument as JSON. Raises `click.UsageError`."""
    try:
        return json.loads(given_text(text))
    except ValueError as error:
        raise click.UsageError(f"{what} is no JSON ({error}); quote it for the shell: '{{\"amount\": 5}}'") from None


def message_value(text: str, *, as_text: bool) -> Any:
    """Read a message."""
    return given_text(text) if as_text else json_value(text, "MESSAGE (--text sends it as a text)")


def arguments(document: str | None, pairs: Sequence[str]) -> dict[str, Any]:
    """Put together a call's arguments by name: a JSON object, and `name=value` pairs, whose values are JSON or text."""
    found: Any = {} if document is None else json_value(document, "--input")
    if not isinstance(found, dict):
        raise click.UsageError("--input is a JSON object with the workflow's arguments by name")
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise click.UsageError(f"--arg is name=value, not {pair!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
