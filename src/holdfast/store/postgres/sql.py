"""The store's statements, with its schema's name put in, and arrays in the form in which PostgreSQL reads them.

The schema's name is quoted by the driver and put in once, when the store is made; values travel as parameters only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from psycopg import sql

from holdfast.store.queries import load_queries

PACKAGE = "holdfast.store.postgres"
Columns = Mapping[str, Callable[[Iterable[Any]], str]]
"""A bulk statement's columns in order, and how the array of each is written."""


def with_schema(statement: str, schema: str) -> bytes:
    """Put the schema's name into a statement of our own."""
    # `SQL` takes literals only, so that nobody passes it text from outside; this text is shipped with the package.
    template = sql.SQL(statement)
    return template.format(schema=sql.Identifier(schema)).as_string(None).encode()


def queries(schema: str) -> dict[str, bytes]:
    """Load the named statements for one schema."""
    return {name: with_schema(text, schema) for name, text in load_queries(PACKAGE).items()}


def lock_key(*names: str) -> int:
    """Name an advisory lock: 64 bits, the same in every process."""
    digest = blake2b("\0".join(("holdfast", *names)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def text_array(values: Iterable[str | None]) -> str:
    """Write a text[]. The driver's own lists take many times as long, which would be most of what a commit costs here.

    A NUL character, which PostgreSQL's text can't hold, stays in, so that the driver refuses it.
    """
    wanted = values if isinstance(values, tuple) else tuple(values)
    missing = wanted.count(None)
    if missing == len(wanted):
        return "{" + ",".join(["NULL"] * missing) + "}"
    if missing:
        return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in wanted]) + "}"
    joined = "\0".join(wanted)  # type: ignore[arg-type]  # none of them is None
    if joined.count("\0") != len(wanted) - 1:
        return "{" + ",".join([_quoted(value or "") for value in wanted]) + "}"
    # All values at once: a few passes in C.
    return "{" + _quoted(joined).replace("\0", '","') + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def number_array(values: Iterable[float | None]) -> str:
    """Write an int[] or float8[], without loss."""
    return "{" + ",".join(map(repr, values)).replace("None", "NULL") + "}"


def columns(kinds: Columns, rows: Sequence[Sequence[Any]]) -> dict[str, str]:
    """Turn rows into one array a column; `kinds` names the columns in order."""
    if not rows:
        return dict.fromkeys(kinds, "{}")
    by_column = zip(*rows, strict=True)
    return {name: array(values) for (name, array), values in zip(kinds.items(), by_column, strict=True)}
