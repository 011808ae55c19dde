"""Writes docs/reference/cli.md from the commands themselves: python -m tests.cli.reference > docs/reference/cli.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from holdfast.cli.commands import holdfast
from holdfast.cli.exits import Exit

HEAD = """\
# The command `holdfast`

`pip install 'holdfast[cli]'` brings it. This page is written from the commands themselves.

- **Which database:** `--url`, or better the variable `HOLDFAST_URL`, since command lines show in `ps`. Its password is
  never printed. Looking at a database never changes it, not even its schema: `holdfast migrate` does that.
- **Which program:** `--app module:name`, where a command needs your code; imported from the current folder.
- **`--json`** gives every command's answer as JSON on standard output, errors as JSON on standard error.
- Stored text is shown with control characters, bidi marks and the like spelled out (`⟨U+001B⟩`), so that nothing in the
  database can play tricks on a terminal.
- **Completion:** `eval "$(holdfast completion bash)"`, the same for zsh; for fish see below.

## Exit codes

| code | means |
|---|---|
"""
MEANINGS = {
    Exit.DONE: "done",
    Exit.FAILED: "done, and the answer is bad: the workflow failed, `doctor` or `check` found something wrong",
    Exit.USAGE: "wrong usage: an option, an argument, a value",
    Exit.NOT_FOUND: "there is no such workflow, approval or function",
    Exit.REFUSED: "refused: the id is taken, the approval is decided, the question was answered with no",
    Exit.UNAVAILABLE: "the database can't be reached for now",
    Exit.CONFIGURATION: "wrong configuration: URL, missing extra, schema to migrate, application that can't be loaded",
    Exit.TIMEOUT: "the time given with `--timeout` is up",
    Exit.INTERNAL: "a defect in Holdfast or in your module; `HOLDFAST_TRACEBACK=1` shows where",
    Exit.INTERRUPTED: "interrupted",
}


def page() -> str:
    """Return the whole page."""
    codes = "".join(f"| {int(code)} | {MEANINGS[code]} |\n" for code in Exit)
    return HEAD + codes + "".join(_command(words, command) for words, command in commands(holdfast))


def commands(group: click.Group, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with its words, subcommands included."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        elif not command.hidden:
            yield (*above, name), command


def _command(words: tuple[str, ...], command: click.Command) -> str:
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    options = [each for each in shown if isinstance(each, click.Option)]
    arguments = " ".join(
        each.make_metavar(click.Context(command)) for each in shown if isinstance(each, click.Argument)
    )
    usage = f"holdfast {' '.join(words)} {arguments}".strip()
    rows = "".join(f"| {_names(option)} | {_help(option)} |\n" for option in options)
    text = inspect.cleandoc(command.help or "")
    return f"\n## `{usage}`\n\n{text}\n\n| option | what it does |\n|---|---|\n{rows}"


def _names(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if option.is_flag:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} {', '.join(map(str, option.type.choices))}"
    return f"{names} {option.make_metavar(click.Context(click.Command('x')))}"


def _help(option: click.Option) -> str:
    words = [option.help or ""]
    if option.required:
        words.append("Required.")
    if option.envvar:
        words.append(f"Variable: `{option.envvar}`.")
    if option.show_default and option.default is not None:
        words.append(f"Default: {option.default}.")
    if option.multiple:
        words.append("" if "repeated" in words[0] else "May be repeated.")
    return " ".join(word for word in words if word).replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
