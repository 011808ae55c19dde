"""Names and identities: which texts may name something, and how a durable operation is identified.

An operation is identified by (branch, name, occurrence), written `branch/name#occurrence`, or by an explicit key,
written `name[key]`. Counting per branch and name keeps parallel branches from renumbering one another.
"""

from __future__ import annotations

import re

from holdfast.errors import ConfigurationError, UsageError

MAX_ID_LENGTH = 512
_FORBIDDEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def check_text(what: str, text: object) -> str:
    """Return `text` if it can name something in both databases.

    Raises `UsageError`: not a string, empty, longer than 512 characters, or with control characters or lone surrogates.
    """
    if not isinstance(text, str) or not text:
        raise UsageError(f"{what} must be a non-empty string, not {text!r}")
    if len(text) > MAX_ID_LENGTH:
        raise UsageError(f"{what} has {len(text)} characters; at most {MAX_ID_LENGTH} are allowed: {text[:60]!r}…")
    if _FORBIDDEN.search(text):
        raise UsageError(f"{what} holds control characters or lone surrogates, which a database can't index: {text!r}")
    return text


def check_name(what: str, name: str) -> str:
    """Return the name of a function, step or branch; like `check_text`, and without the separators `/`, `#`, `[`."""
    check_text(what, name)
    if any(mark in name for mark in "/#["):
        raise ConfigurationError(
            f"{what} {name!r} must not contain '/', '#' or '[': they separate the parts of a step's id"
        )
    return name


def series_id(branch: str, name: str) -> str:
    """Name the operations of that name in a branch, which are counted; the root branch is the empty text."""
    return f"{branch}/{name}" if branch else name


def keyed_id(name: str, key: str) -> str:
    """Write the identity of an operation with an explicit key; it does not depend on the branch."""
    return f"{name}[{check_text('a step key', key)}]"


def patch_id(branch: str, name: str) -> str:
    """Write the identity of what a patch decided in a branch."""
    mark = f"$patch[{name}]"
    return f"{branch}/{mark}" if branch else mark


def child_id(parent_id: str, step_id: str) -> str:
    """Derive a child workflow's id, the same at every replay."""
    return f"{parent_id}/{step_id}"
