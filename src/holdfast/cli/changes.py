"""What is sent to a workflow: `send`; and how one asks before changing something."""

from __future__ import annotations

import sys

import click

from holdfast.cli.database import url_option, writing_to
from holdfast.cli.exits import CommandFailed, Exit
from holdfast.cli.output import json_option, print_json, say
from holdfast.cli.values import message_value
from holdfast.runtime import messages
from holdfast.runtime.effects import drive


@click.command("send")
@click.argument("workflow_id", metavar="ID")
@click.argument("message")
@click.option("--topic", default="", help="The topic that the workflow receives on.")
@click.option(
    "--text", "as_text", is_flag=True, help="Take MESSAGE as a text; without this it is JSON, or @file, or -."
)
@click.option("--key", help="Names this message: sent again with the same key, it is delivered once.")
@json_option
@url_option
def send_command(
    url: str, workflow_id: str, message: str, *, topic: str, as_text: bool, key: str | None, as_json: bool
) -> None:
    """Send a message to a workflow; it is durable when this ends."""
    value = message_value(message, as_text=as_text)
    with writing_to(url) as engine:
        drive(messages.send(engine, workflow_id, value, topic, key))
    if as_json:
        print_json({"id": workflow_id, "sent": True, "topic": topic})
    else:
        say(f"sent to {workflow_id}")


def ask(question: str) -> None:
    """Ask for a yes. Raises `Abort` for a no, and an error where nobody can be asked."""
    if not sys.stdin.isatty():
        raise CommandFailed(f"{question} Nobody can be asked here: add --yes", Exit.USAGE)
    click.confirm(question, abort=True, err=True)
