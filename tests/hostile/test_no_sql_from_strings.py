"""What reaches a database is a constant, or a named query of a .sql file: no value is ever written into a statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import ROOT

SOURCES = sorted((ROOT / "src" / "holdfast").rglob("*.py")) + sorted((ROOT / "apps").rglob("*.py"))
STATEMENT = re.compile(
    r"(?i)\b(select\s.+\sfrom|insert\s+into|update\s+\S+\s+set|delete\s+from|(create|drop|alter)\s+(table|view|index|database)"
    r"|^\s*(pragma|listen|notify)\s)"
)
COMPOSED = {"sql.SQL", "SQL"}
"""psycopg quotes what is formatted into these."""


def pieces(node: ast.expr) -> str:
    """Return the constant text of an expression that makes a text of parts, with a mark for each part."""
    match node:
        case ast.JoinedStr(values=values):
            return "".join(each.value if isinstance(each, ast.Constant) else "{}" for each in values)  # type: ignore[misc]  # its value is a str in an f-string
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod(), right=right):
            return pieces(left) + "{}" + pieces(right)
        case ast.Call(func=ast.Attribute(value=value, attr="format" | "join" | "replace")):
            is_quoted = isinstance(value, ast.Call) and ast.unparse(value.func) in COMPOSED
            return "" if is_quoted else pieces(value) + "{}"
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(data)):
            return data.decode()
    return ""


def made_of_parts(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that make a statement of parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.BinOp | ast.Call):
            text = pieces(node)
            if "{}" in text and STATEMENT.search(text):
                yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_statement_is_made_of_parts(path: Path) -> None:
    tree = ast.parse(path.read_text())
    messages = {id(part) for node in ast.walk(tree) if isinstance(node, ast.Raise) for part in ast.walk(node)}
    found = [f"line {node.lineno}: {ast.unparse(node)}" for node in made_of_parts(tree) if id(node) not in messages]
    assert not found


@pytest.mark.parametrize(
    "bad",
    [
        'connection.execute(f"SELECT a FROM t WHERE id = {x!r}")',
        'connection.execute("DELETE FROM t WHERE id = %s" % x)',
        'connection.execute("UPDATE t SET a = " + x)',
        'query = "INSERT INTO t VALUES ({})".format(x)',
        "connection.execute(b'DROP TABLE ' + x)",
    ],
)
def test_the_check_finds_one_that_is(bad: str) -> None:
    assert list(made_of_parts(ast.parse(bad)))
