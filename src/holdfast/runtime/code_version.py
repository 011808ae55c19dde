"""The version of a workflow's code: a fingerprint of its function's source, free of what does not change what it does.

Two sources have one version if they differ in layout, comments, docstrings, type comments or decorators only. The form
that is hashed is written here, not taken from `ast.dump` or the bytecode: those change with Python's own version.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

_SIZE = 8

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_IGNORED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields that say nothing that the rest of the tree does not."""


def code_version(function: Callable[..., Any]) -> str:
    """Fingerprint a function's own code as 16 hexadecimal digits.

    Functions that it calls don't count: what they do is recorded, or part of the caller's promise to be deterministic.
    Where the source can't be found (a console, frozen code), the bytecode stands in: `c-` and 14 digits.
    """
    tree = _tree(function)
    if tree is None:
        code = getattr(inspect.unwrap(function), "__code__", None)
        return "c-" + _digest("".join(_bytecode(code, function.__doc__)) if code is not None else "")[2:]
    return _digest("".join(_function(tree)))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_SIZE).hexdigest()


def _tree(function: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        module = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    first = module.body[0] if module.body else None
    return first if isinstance(first, _FUNCTIONS) else None


def _function(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Write a function without its name and decorators: both are how it is known, not what it does."""
    yield type(tree).__name__
    yield from _write(tree.args)
    yield from _write(tree.returns)
    yield from _block(tree.body)


def _write(value: Any) -> Iterator[str]:
    if isinstance(value, ast.JoinedStr):
        yield from _formatted(value)
    elif isinstance(value, ast.Constant):
        yield f"{type(value.value).__name__}={_constant(value.value)};"
    elif isinstance(value, ast.AST):
        yield from _node(value)
    elif isinstance(value, list):
        yield "["
        for each in value:
            yield from _write(each)
        yield "]"
    else:
        yield f"{value!r};"


def _node(node: ast.AST) -> Iterator[str]:
    yield f"{type(node).__name__}("
    for name, value in ast.iter_fields(node):
        # Newer Pythons add fields, empty in code that older ones read.
        if name in _IGNORED or value is None or value == []:
            continue
        yield f"{name}:"
        # A lambda's body is an expression.
        if name in {"body", "orelse", "finalbody"} and isinstance(value, list):
            yield from _block(value)
        else:
            yield from _write(value)
    yield ")"


def _block(statements: list[ast.stmt]) -> Iterator[str]:
    """Write statements, except those that do nothing: docstrings, other bare constants, `pass`."""
    yield "{"
    for statement in statements:
        bare = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not bare and not isinstance(statement, ast.Pass):
            yield from _write(statement)
    yield "}"


def _formatted(joined: ast.JoinedStr) -> Iterator[str]:
    """Write an f-string; Pythons differ in how they cut its fixed parts."""
    yield "f("
    fixed = ""
    for part in joined.values:
        if isinstance(part, ast.Constant):
            fixed += str(part.value)
            continue
        yield f"{fixed!r};"
        fixed = ""
        yield from _write(part)
    yield f"{fixed!r};)"


def _constant(value: Any) -> str:
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


def _bytecode(code: types.CodeType, docstring: str | None) -> Iterator[str]:
    yield repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _bytecode(constant, None)
        elif constant != docstring:
            yield f"{_constant(constant)};"
