"""Named SQL statements from `.sql` files that are shipped beside a store's code.

A file holds statements, each after a line `-- name: what_it_does`. Both stores use the same names for the same thing;
`tests/conformance` compares them. Nothing here puts a statement together from parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)


@cache
def load_queries(package: str) -> Mapping[str, str]:
    """Load every statement in the `queries` folder of a package, by name.

    Raises ValueError for a name given twice and for text before a file's first name.
    """
    found: dict[str, str] = {}
    for file, text in sql_files(package, "queries"):
        preamble, *parts = _NAME.split(text)
        if any(line and not line.startswith("--") for line in preamble.splitlines()):
            raise ValueError(f"{package}, {file}: a statement without a name")
        for name, statement in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"{package}, {file}: the name {name} is taken")
            found[name] = statement.strip().removesuffix(";")
    return MappingProxyType(found)


def sql_files(package: str, folder: str) -> Iterator[tuple[str, str]]:
    """Read the `.sql` files of a package's folder in the order of their names."""
    # Not by importlib.resources: it imports zipfile, tempfile and more, a third of what a launch takes.
    for file in sorted((Path(import_module(package).__path__[0]) / folder).glob("*.sql")):
        yield file.name, file.read_text(encoding="utf-8")
