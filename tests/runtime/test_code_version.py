"""The version of a workflow's code: what changes it, and what does not."""

from __future__ import annotations

import functools
import linecache
import textwrap
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from holdfast.runtime.code_version import code_version

_numbers = count()

PLAIN = """
def refund(order_id: int, notify=True) -> str:
    purchase = find(order_id)
    if purchase.price > 1000 and notify:
        return f"order {order_id!r}: {purchase.price:>8.2f}" "!"
    return [pay(each) for each in purchase.parts]
"""


def defined(source: str) -> Callable[..., Any]:
    """Compile a function whose source can be read, as that of a module can."""
    file = f"<source {next(_numbers)}>"
    text = textwrap.dedent(source)
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"marked": lambda function: function}
    exec(compile(text, file, "exec", dont_inherit=True), names)
    function: Callable[..., Any] = names["refund"]
    return function


def version(source: str) -> str:
    return code_version(defined(source))


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(PLAIN.replace("    purchase =", "    # finds it\n\n    purchase   =   "), id="comment and spaces"),
        pytest.param(PLAIN.replace("    purchase =", '    """Refund."""\n    purchase ='), id="docstring"),
        pytest.param(PLAIN.replace("find(order_id)", "find(\n        order_id,\n    )"), id="line breaks"),
        pytest.param(PLAIN.replace("purchase.price > 1000", "(purchase.price > 1_000)"), id="parentheses"),
        pytest.param(PLAIN.replace('"order', "'order").replace('2f}" "!"', "2f}!'"), id="quotes"),
        pytest.param("@marked\n@marked\n" + PLAIN.lstrip(), id="decorators"),
        pytest.param(PLAIN.replace("    return [", "    pass\n    return ["), id="pass"),
        pytest.param("if True:\n" + textwrap.indent(PLAIN, "    "), id="indentation"),
    ],
)
def test_what_does_not_change_what_the_code_does_keeps_the_version(same: str) -> None:
    assert version(same) == version(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(PLAIN.replace("1000", "1001"), id="constant"),
        pytest.param(PLAIN.replace("1000", "1000.0"), id="type of a constant"),
        pytest.param(PLAIN.replace("> 1000", ">= 1000"), id="operator"),
        pytest.param(PLAIN.replace("and", "or"), id="and, or"),
        pytest.param(PLAIN.replace("pay(each)", "charge(each)"), id="called function"),
        pytest.param(PLAIN.replace("notify=True", "notify=False"), id="default"),
        pytest.param(PLAIN.replace("order_id: int", "order_id: str"), id="hint, which decodes what was recorded"),
        pytest.param(PLAIN.replace(">8.2f", ">9.2f"), id="format"),
        pytest.param(PLAIN.replace("!r}", "}"), id="conversion"),
        pytest.param(PLAIN.replace("def", "async def"), id="async"),
        pytest.param(PLAIN.replace("    return [", "    second()\n    return ["), id="further call"),
        pytest.param(PLAIN.replace("    return [", "    if notify:\n        return ["), id="nesting"),
    ],
)
def test_what_changes_what_the_code_does_changes_the_version(other: str) -> None:
    assert version(other) != version(PLAIN)


def test_the_version_is_the_same_on_every_python() -> None:
    assert version(PLAIN) == "7204ff91ca5375f0"


def test_the_version_of_newer_syntax_is_the_same_on_every_python() -> None:
    source = '''
    async def refund(*orders, **more):
        """Refund them."""
        match orders:
            case [first, *_] if first: result = {**more, "a": -1.5e300, "b": b"x", "c": 3j, "d": ...}
            case _: result = lambda x, /, y=2, *, z: (x, y) [::2]
        try:
            async with lock as held, other: yield held
        except* (ValueError, OSError) as group:
            def inner(x: T) -> T: return x
            raise group from None
        print(f"{orders!r:{more}} and {'nested' f'{held}'} {{}}" "tail", u"x", first in {"b", "a"})
    '''
    assert version(source) == "42756c9de95ec13a"


def test_the_version_is_that_of_the_decorated_function() -> None:
    function = defined(PLAIN)

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    assert code_version(wrapper) == code_version(function)


def test_without_source_the_bytecode_stands_in() -> None:
    def compiled(source: str) -> Callable[..., Any]:
        names: dict[str, Any] = {}
        exec(compile(source, "<nowhere>", "exec", dont_inherit=True), names)
        function: Callable[..., Any] = names["refund"]
        return function

    plain = code_version(compiled(PLAIN))
    assert plain.startswith("c-")
    assert code_version(compiled(PLAIN.replace("    purchase =", '    "What."\n    purchase ='))) == plain
    assert code_version(compiled(PLAIN.replace("1000", "1001"))) != plain
