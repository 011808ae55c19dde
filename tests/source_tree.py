"""The project's own source as data: modules, what they import, and how large their functions are."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.helpers import ROOT

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module, with the name taken from it if there is one."""

    module: str
    name: str | None
    line: int
    local: bool
    """Inside a function body."""
    typing_only: bool
    """Under `if TYPE_CHECKING:`, so that it never happens in a running program."""

    @property
    def full_name(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass(frozen=True, kw_only=True)
class Module:
    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @cached_property
    def imports(self) -> list[Import]:
        local = {id(node) for function in self.functions for node in ast.walk(function)}
        typing_only = {id(node) for node in self._typing_only_statements()}
        return [
            Import(
                module=module,
                name=name,
                line=node.lineno,
                local=id(node) in local,
                typing_only=id(node) in typing_only,
            )
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for module, name in _imported_by(node)
        ]

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    def _typing_only_statements(self) -> list[ast.stmt]:
        return [
            statement
            for node in self.tree.body
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for statement in node.body
        ]

    def where(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


def modules_below(folder: Path, *, package: str) -> list[Module]:
    """Return all modules of a package whose files are in `folder`, in the order of their names."""
    found = []
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        found.append(Module(name=".".join((package, *parts)), path=path))
    return sorted(found, key=lambda module: module.name)


def _imported_by(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str | None]]:
    if isinstance(node, ast.Import):
        return [(alias.name, None) for alias in node.names]
    return [(node.module or "", alias.name) for alias in node.names]


def body_length(function: Function) -> int:
    """Return the lines from the first statement after the docstring to the end."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def positional_parameters(function: Function) -> int:
    """Return how many parameters callers may give by position; a method's own object is none of them."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (bool(names) and names[0] in {"self", "cls"})


def import_cycle(edges: dict[str, set[str]]) -> list[str] | None:
    """Return one cycle in the graph of imports as the path along it, or None."""
    done: set[str] = set()

    def search(module: str, path: list[str]) -> list[str] | None:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return None
        found = next(filter(None, (search(target, [*path, module]) for target in sorted(edges[module]))), None)
        done.add(module)
        return found

    return next(filter(None, (search(module, []) for module in sorted(edges))), None)
