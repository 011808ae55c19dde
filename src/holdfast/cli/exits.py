"""How commands end: exit codes, and errors in words without secrets."""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from enum import IntEnum
from typing import Any
from urllib.parse import unquote

import click

from holdfast.cli.text import one_line, spelled_out
from holdfast.errors import (
    ApprovalError,
    ConfigurationError,
    HoldfastError,
    PayloadError,
    ResultTimeout,
    ScheduleConflict,
    ScheduleNotFound,
    StoreUnavailable,
    UsageError,
    WorkflowIdConflict,
    WorkflowNotFound,
)

_PASSWORD_IN_URL = re.compile(r"(//[^/@\s:]*:)[^\s]*@")
_PASSWORD_OPTION = re.compile(r"(?i)(password\s*=\s*)('[^']*'|[^\s&'\"]+)")


class Exit(IntEnum):
    """The exit codes of all commands."""

    DONE = 0
    FAILED = 1
    """It was done, and the answer is bad: the workflow failed, doctor found something."""
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    """What is there forbids it: an id that is taken, an approval that is decided, a question answered with no."""
    UNAVAILABLE = 5
    """The database can't be reached for now."""
    CONFIGURATION = 6
    TIMEOUT = 7
    INTERNAL = 70
    INTERRUPTED = 130


_CODES: tuple[tuple[type[BaseException], Exit], ...] = (
    (WorkflowNotFound, Exit.NOT_FOUND),
    (WorkflowIdConflict, Exit.REFUSED),
    (ScheduleNotFound, Exit.NOT_FOUND),
    (ScheduleConflict, Exit.REFUSED),
    (ApprovalError, Exit.REFUSED),
    (ResultTimeout, Exit.TIMEOUT),
    (StoreUnavailable, Exit.UNAVAILABLE),
    (ConfigurationError, Exit.CONFIGURATION),
    (UsageError, Exit.USAGE),
    (PayloadError, Exit.USAGE),
    (HoldfastError, Exit.FAILED),
    (OSError, Exit.FAILED),
)


class CommandFailed(HoldfastError):
    """Ends a command with a message and a code."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: BaseException) -> Exit:
    """Return the exit code for an error."""
    if isinstance(error, CommandFailed):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.INTERNAL)


def redacted(text: str, url: str | None = None) -> str:
    """Take passwords out of a text: those in anything that looks like a URL, and that of `url` wherever it stands."""
    for secret in _secrets(url or os.environ.get("HOLDFAST_URL", "")):
        text = text.replace(secret, "***")
    return _PASSWORD_OPTION.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1***@", text))


def _secrets(url: str) -> list[str]:
    found = [match[1] for match in re.finditer(r"//?[^/@\s:]*:([^\s]*)@", url)]
    found += re.findall(r"(?i)[?&\s]password=([^&\s]+)", url)
    return [form for secret in found for form in {secret, unquote(secret)} if form]


def report(error: BaseException, *, as_json: bool, url: str | None) -> Exit:
    """Tell a person, or with `as_json` a program, what went wrong, on standard error; return the exit code."""
    code = code_of(error)
    message = str(error) or type(error).__name__
    if code is Exit.INTERNAL:
        message = f"{type(error).__name__}: {message}"
    message = redacted(message, url)
    if as_json:
        _say(json.dumps({"error": {"type": type(error).__name__, "message": message, "exit_code": int(code)}}))
    else:
        _say(f"holdfast: {one_line(message, length=2000)}")
    if code is Exit.INTERNAL:
        trace = "".join(traceback.format_exception(error))
        if os.environ.get("HOLDFAST_TRACEBACK"):
            _say(spelled_out(redacted(trace, url)))
        elif not as_json:
            _say("This is a defect in Holdfast or in the program it loaded. HOLDFAST_TRACEBACK=1 shows where.")
    return code


def _say(text: str) -> None:
    print(text, file=sys.stderr)


class Guarded(click.Group):
    """A group whose commands end with the codes above, whatever happens in them."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and turn errors into words and codes."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except click.Abort:
            _say("holdfast: nothing was changed")
            ctx.exit(Exit.REFUSED)
        except KeyboardInterrupt:
            ctx.exit(Exit.INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - the last place where an error can be put in words
            ctx.exit(report(error, as_json=_wants_json(ctx), url=_url(ctx)))


def _wants_json(ctx: click.Context) -> bool:
    return bool((ctx.find_root().obj or {}).get("json"))


def _url(ctx: click.Context) -> str | None:
    url: str | None = (ctx.find_root().obj or {}).get("url")
    return url
