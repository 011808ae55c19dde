"""The user's program: an application named `module:app`, imported from the current folder."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import click

from holdfast import Holdfast
from holdfast.errors import ConfigurationError, HoldfastError

F = TypeVar("F", bound=Callable[..., Any])


def app_option(command: F) -> F:
    """Give a command the option `--app`, which is required."""
    return click.option(
        "--app",
        "target",
        envvar="HOLDFAST_APP",
        show_envvar=True,
        required=True,
        metavar="MODULE:NAME",
        help="The application: where its `Holdfast(…)`, or a function that returns it, is found.",
    )(command)


def codec_option(command: F) -> F:
    """Give a command the option `--app`, for applications whose payloads it has to read or write."""
    return click.option(
        "--app",
        "target",
        envvar="HOLDFAST_APP",
        show_envvar=True,
        metavar="MODULE:NAME",
        help="The application, if it has a payload codec (it may encrypt).",
    )(command)


def load_app(target: str) -> Holdfast:
    """Import an application. Raises `ConfigurationError`, and what the module itself raises."""
    module_name, separator, name = target.partition(":")
    if not module_name or not separator or not name:
        raise ConfigurationError(f"name the application as module:name, such as shop.app:holdfast, not {target!r}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module = _import(module_name, here)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if callable(found) and not isinstance(found, Holdfast | type):
        found = found()
    if not isinstance(found, Holdfast):
        known = ", ".join(sorted(each for each, value in vars(module).items() if isinstance(value, Holdfast)))
        raise ConfigurationError(
            f"{target} is {type(found).__name__}, not a Holdfast application; "
            f"in {module_name} there {f'is {known}' if known else 'is none'}"
        )
    return found


def _import(module_name: str, here: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigurationError(f"there is no module {module_name!r} below {here} or installed") from None
        raise ConfigurationError(f"{module_name} can't be imported: {error}") from error
    except HoldfastError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigurationError(
            f"{module_name} can't be imported: {type(error).__name__}: {error} ({place.filename}:{place.lineno})"
        ) from error
