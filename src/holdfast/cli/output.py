"""What commands print: tables for people, JSON for programs. Stored text never reaches the terminal as it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from holdfast.cli.text import one_line

F = TypeVar("F", bound=Callable[..., Any])

STATUS_STYLES = {
    "enqueued": "cyan",
    "running": "blue",
    "suspended": "magenta",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "blocked": "bold red",
    "dead": "bold red",
}


def json_option(command: F) -> F:
    """Give a command the option `--json`."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        is_eager=True,
        expose_value=True,
        callback=_note_json,
        help="Print JSON for programs: all characters beyond ASCII are escaped.",
    )(command)


def _note_json(ctx: click.Context, _parameter: click.Parameter, value: Any) -> bool:
    if value:
        ctx.find_root().ensure_object(dict)["json"] = True
    return bool(value)


def print_json(document: Any) -> None:
    """Print a document as one line of JSON in pure ASCII, so that no control character gets out."""
    click.echo(json.dumps(document, default=str))


def say(text: str) -> None:
    """Print a line for a person, on standard error, so that standard output stays what was asked for."""
    click.echo(one_line(text, length=2000), err=True)


def console() -> Console:
    """Return the console for standard output: markup in data is text, and what it can't show is escaped."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    width = None if sys.stdout.isatty() else 200
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=False, width=width)


def show(*renderables: RenderableType) -> None:
    """Print renderables."""
    target = console()
    for renderable in renderables:
        target.print(renderable)


def cell(value: object, *, style: str = "", length: int = 200) -> Text:
    """Make a table's cell of any text."""
    return Text(one_line("" if value is None else str(value), length=length), style=style)


def status_cell(status: str) -> Text:
    """Make a cell of a status, in its colour."""
    return Text(one_line(status), style=STATUS_STYLES.get(status, ""))


def table(*columns: str, rows: Iterable[Sequence[Text | str]], wrap: Sequence[str] = ()) -> Table:
    """Make a table; columns named in `wrap` may take several lines, the others are cut where there is no room."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, overflow="fold" if column in wrap else "ellipsis", no_wrap=column not in wrap)
    for row in rows:
        made.add_row(*(each if isinstance(each, Text) else cell(each) for each in row))
    return made


def facts_table(*facts: tuple[str, str | Sequence[str] | None]) -> Table:
    """Make a table of named facts, each a line or several; those without a value are left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in facts:
        if value:
            lines = [value] if isinstance(value, str) else value
            made.add_row(name, Text("\n").join(cell(line, length=600) for line in lines))
    return made


def iso(seconds: float | None) -> str | None:
    """Write a time for programs: ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def at(seconds: float | None, now: float) -> str:
    """Write a time for a person, in this machine's zone: the time alone if it is today."""
    if seconds is None:
        return ""
    moment, today = datetime.fromtimestamp(seconds).astimezone(), datetime.fromtimestamp(now).astimezone()
    return f"{moment:%H:%M:%S}" if moment.date() == today.date() else f"{moment:%Y-%m-%d %H:%M}"


_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"))


def duration(seconds: float) -> str:
    """Write a duration in its two largest units."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    for place, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            smaller, small_unit = _UNITS[place + 1] if place + 1 < len(_UNITS) else (1.0, "s")
            return f"{int(seconds // size)}{unit} {int(seconds % size // smaller)}{small_unit}"
    return f"{seconds:.0f} s"
