"""Completion for shells: `completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from holdfast.cli.exits import CommandFailed
from holdfast.cli.output import json_option, print_json


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
@click.pass_context
def completion_command(ctx: click.Context, shell: str, *, as_json: bool) -> None:
    """Print a script that completes commands and options in SHELL.

    bash: eval "$(holdfast completion bash)" in ~/.bashrc; zsh likewise in ~/.zshrc; fish: holdfast completion fish >
    ~/.config/fish/completions/holdfast.fish.
    """
    made = get_completion_class(shell)
    if made is None:
        raise CommandFailed(f"no completion for {shell}")
    root = ctx.find_root()
    script = made(root.command, {}, "holdfast", "_HOLDFAST_COMPLETE").source()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
