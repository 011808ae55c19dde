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
    """Write a text[]. The driver does the same for lists, five times slower: it is most of what a commit costs here."""
    quoted = [
        "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values
    ]
    return "{" + ",".join(quoted) + "}"


def number_array(values: Iterable[float | None]) -> str:
    """Write an int[] or float8[], without loss."""
    return "{" + ",".join(["NULL" if value is None else repr(value) for value in values]) + "}"


def columns(kinds: Columns, rows: Sequence[Sequence[Any]]) -> dict[str, str]:
    """Turn rows into one array a column; `kinds` names the columns in order."""
    if not rows:
        return dict.fromkeys(kinds, "{}")
    by_column = zip(*rows, strict=True)
    return {name: array(values) for (name, array), values in zip(kinds.items(), by_column, strict=True)}
