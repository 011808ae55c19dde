"""`holdfast` is the one import path that users need, and its list of names is complete."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import holdfast

EXPORTED = holdfast.__all__
PUBLIC = [name for name in dir(holdfast) if not name.startswith("_")]


def test_all_lists_every_public_name_sorted() -> None:
    names = [name for name in PUBLIC if not isinstance(getattr(holdfast, name), ModuleType) and name != "annotations"]
    assert sorted(EXPORTED) == list(EXPORTED)
    assert set(names) == {name for name in EXPORTED if not name.startswith("_")}


def test_all_names_exist_once() -> None:
    assert len(set(EXPORTED)) == len(EXPORTED)
    assert [name for name in EXPORTED if not hasattr(holdfast, name)] == []


def test_every_public_name_is_documented() -> None:
    public = [getattr(holdfast, name) for name in EXPORTED]
    callables = [each for each in public if inspect.isclass(each) or inspect.isroutine(each)]
    assert [each.__qualname__ for each in callables if not (each.__doc__ or "").strip()] == []


def test_the_core_needs_nothing_but_the_standard_library() -> None:
    program = (
        "import sys, sysconfig\n"
        "before = set(sys.modules)\n"
        "import holdfast\n"
        "site = (sysconfig.get_path('purelib'), sysconfig.get_path('platlib'))\n"
        "print([name for name, module in list(sys.modules.items()) if name not in before\n"
        "       and (getattr(module, '__file__', None) or '').startswith(site)])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
