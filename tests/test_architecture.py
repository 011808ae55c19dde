"""The shape of the code: which layer may import which, and how large a module or a function may get.

A limit that hurts is met by splitting along nouns, never by an exemption here.
"""

from __future__ import annotations

import ast

import pytest

from tests.helpers import ROOT
from tests.source_tree import Module, body_length, import_cycle, modules_below, positional_parameters

SOURCE = modules_below(ROOT / "src" / "holdfast", package="holdfast")
APPS = modules_below(ROOT / "apps", package="apps")
NAMES = {module.name for module in SOURCE}

# From the bottom up. A module may import what is below its own layer, and its own part; parts that share
# a line don't know each other.
LAYERS = [
    ["holdfast.errors", "holdfast.failpoints"],
    ["holdfast.core"],
    ["holdfast.store"],
    ["holdfast.store.sqlite", "holdfast.store.postgres"],
    ["holdfast.runtime"],
    ["holdfast.telemetry"],
    ["holdfast.api"],
    ["holdfast"],
    ["holdfast.approvals", "holdfast.testing"],
    ["holdfast.agents"],
    ["holdfast.web", "holdfast.cli"],
]
RANKS = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}

# The two databases are chosen in one place; everything else knows the protocol in holdfast.store.base only.
STORES = {"holdfast.store.sqlite", "holdfast.store.postgres"}
STORE_CHOOSERS = {"holdfast.store.open"}

# `core` is handed the clock, chance and the database, so that a simulator can be all of them.
IMPURE = {
    "asyncio", "concurrent", "logging", "multiprocessing", "os", "pathlib", "psycopg", "queue", "random",
    "secrets", "select", "signal", "socket", "sqlite3", "subprocess", "sys", "threading", "time",
}  # fmt: skip
IMPURE_NAMES = {"uuid.uuid1", "uuid.uuid4", "uuid.uuid7"}
CLOCK_READS = {"now", "today", "utcnow"}

# What an installation may lack, or is slow to import and seldom needed; only these may be imported inside a function.
OPTIONAL = {
    "agents", "click", "cronsim", "fastapi", "jinja2", "langchain", "langchain_core", "langgraph", "mcp",
    "opentelemetry", "prometheus_client", "psycopg", "psycopg_pool", "pydantic", "pydantic_ai", "rich", "sqlalchemy",
    "starlette", "uvicorn", "watchfiles", "zoneinfo",
}  # fmt: skip
NEEDS_OPTIONAL = (
    "holdfast.agents",
    "holdfast.approvals.pages",
    "holdfast.cli",
    "holdfast.store.postgres",
    "holdfast.telemetry",
    "holdfast.web",
)

PUBLIC_PACKAGES = (
    "holdfast.agents",
    "holdfast.approvals",
    "holdfast.errors",
    "holdfast.telemetry",
    "holdfast.testing",
    "holdfast.web",
)

MODULE_LINES = 500
BODY_LINES = 50
USUAL_BODY_LINES = 30
POSITIONAL_PARAMETERS = 5


def part_of(module: str) -> str:
    """Return the longest entry of LAYERS that `module` belongs to."""
    parts = module.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(prefix for prefix in prefixes if prefix in RANKS and (prefix != "holdfast" or module == prefix))


def imported_modules(module: Module, *, running: bool = False) -> list[tuple[str, int]]:
    """Return the modules of holdfast that `module` imports, each with its line; `running` leaves out mere types."""
    return [
        (each.full_name if each.full_name in NAMES else each.module, each.line)
        for each in module.imports
        if (each.module == "holdfast" or each.module.startswith("holdfast.")) and not (running and each.typing_only)
    ]


def may_import(importer: str, imported: str) -> bool:
    lower, upper = part_of(imported), part_of(importer)
    if lower == upper:
        return True
    if lower in STORES:
        return importer in STORE_CHOOSERS
    return RANKS[lower] < RANKS[upper]


def listed(wrong: list[str]) -> str:
    """Put each finding on a line of its own, so that none is cut off."""
    return "\n" + "\n".join(wrong)


def test_each_module_belongs_to_a_layer() -> None:
    homeless = [module.name for module in SOURCE if not any(module.name.startswith(part) for part in RANKS)]
    assert not homeless, listed(homeless)


def test_imports_point_downwards() -> None:
    wrong = [
        f"{module.where(line)}: {module.name} imports {imported}"
        for module in SOURCE
        for imported, line in imported_modules(module)
        if not may_import(module.name, imported)
    ]
    assert not wrong, listed(wrong)


def test_no_imports_run_in_a_circle() -> None:
    edges = {module.name: {name for name, _ in imported_modules(module, running=True)} & NAMES for module in SOURCE}
    assert import_cycle(edges) is None


def test_core_reads_no_clock_no_chance_and_no_database() -> None:
    core = [module for module in SOURCE if module.name.startswith("holdfast.core")]
    wrong = [
        f"{module.where(each.line)}: imports {each.full_name}"
        for module in core
        for each in module.imports
        if each.module.split(".")[0] in IMPURE or each.full_name in {*IMPURE_NAMES, "uuid"}
    ]
    wrong += [
        f"{module.where(node.lineno)}: reads the clock by .{node.attr}"
        for module in core
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READS
    ]
    assert not wrong, listed(wrong)


def test_only_optional_dependencies_are_imported_inside_functions() -> None:
    wrong = [
        f"{module.where(each.line)}: imports {each.full_name}"
        for module in [*SOURCE, *APPS]
        for each in module.imports
        if each.local and each.module.split(".")[0] not in OPTIONAL and not each.full_name.startswith(NEEDS_OPTIONAL)
    ]
    assert not wrong, listed(wrong)


def test_applications_use_public_names_only() -> None:
    wrong = [
        f"{module.where(each.line)}: imports {each.full_name}"
        for module in APPS
        for each in module.imports
        if each.module.split(".")[0] == "holdfast"
        and (
            not (each.module == "holdfast" or each.module.startswith(PUBLIC_PACKAGES))
            or any(part.startswith("_") for part in each.full_name.split("."))
            or (each.module == "holdfast" and each.name in {"api", "core", "runtime", "store"})
        )
    ]
    assert not wrong, listed(wrong)


def test_modules_stay_readable_at_one_sitting() -> None:
    long = [f"{module.where(1)}: {module.lines} lines" for module in [*SOURCE, *APPS] if module.lines > MODULE_LINES]
    assert not long, listed(long)


def test_functions_fit_on_a_screen() -> None:
    lengths = {
        f"{module.where(function.lineno)}: {function.name} has {body_length(function)} lines": body_length(function)
        for module in [*SOURCE, *APPS]
        for function in module.functions
    }
    too_long = [what for what, length in lengths.items() if length > BODY_LINES]
    assert not too_long, listed(too_long)
    longer = [what for what, length in lengths.items() if length > USUAL_BODY_LINES]
    assert len(longer) <= 0.05 * len(lengths), listed(longer)


def test_parameters_beyond_five_are_keywords() -> None:
    wrong = [
        f"{module.where(function.lineno)}: {function.name} takes {positional_parameters(function)} positionally"
        for module in [*SOURCE, *APPS]
        for function in module.functions
        if positional_parameters(function) > POSITIONAL_PARAMETERS
    ]
    assert not wrong, listed(wrong)


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("holdfast.core.replay", "holdfast.errors", True),
        ("holdfast.errors", "holdfast.core.model", False),
        ("holdfast.store.base", "holdfast.store.sqlite.store", False),
        ("holdfast.store.sqlite.store", "holdfast.store.base", True),
        ("holdfast.store.sqlite.store", "holdfast.store.postgres.store", False),
        ("holdfast.runtime.committer", "holdfast.store.sqlite.store", False),
        ("holdfast.api.app", "holdfast.store.sqlite.store", False),
        ("holdfast.store.open", "holdfast.store.sqlite.store", True),
        ("holdfast.api.app", "holdfast.web.pages", False),
        ("holdfast.web.pages", "holdfast.approvals", True),
        ("holdfast.web.pages", "holdfast.cli.main", False),
        ("holdfast.api.app", "holdfast", False),
        ("holdfast.approvals.links", "holdfast", True),
    ],
)
def test_the_rule_of_layers_itself(importer: str, imported: str, *, allowed: bool) -> None:
    assert may_import(importer, imported) is allowed


def test_a_cycle_is_found_and_named() -> None:
    assert import_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert import_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None
