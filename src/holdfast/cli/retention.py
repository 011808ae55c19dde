"""Deleting what ended long ago: `gc`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from holdfast.cli.changes import ask
from holdfast.cli.database import managing, url_option
from holdfast.cli.filters import age
from holdfast.cli.output import duration, json_option, print_json, say
from holdfast.runtime.deleting import ENDED


@click.command("gc")
@click.option(
    "--older-than", "least_age", type=age, metavar="AGE", required=True, help="Ended longer ago: 90s, 15m, 2h or 7d."
)
@click.option(
    "--status",
    multiple=True,
    type=click.Choice([each.value for each in ENDED]),
    help="Only what ended so. May be repeated.",
)
@click.option("--limit", type=click.IntRange(1), help="Delete at most so many.")
@click.option("--dry-run", is_flag=True, help="Delete nothing; tell how many there are.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@url_option
def gc_command(
    url: str, *, least_age: float, status: Sequence[str], limit: int | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Delete workflows that ended long ago, oldest first, in small commits, with all that is recorded for them.

    Approvals stay, and what others still wait for. Workers do this all the time if the application says `retention=`.
    """
    count = 0
    wanted = tuple(status) or tuple(each.value for each in ENDED)
    with managing(url) as admin:
        if dry_run or not yes:
            count = admin.delete_older_than(least_age, status=wanted, limit=limit, dry_run=True)
            if count and not dry_run:
                ask(f"delete {count} workflows that ended more than {duration(least_age)} ago?")
        if not dry_run:
            count = admin.delete_older_than(least_age, status=wanted, limit=limit)
    if as_json:
        print_json({"deleted": 0 if dry_run else count, "found": count, "dry_run": dry_run})
    elif dry_run:
        say(f"would delete {count} workflows")
    else:
        say(f"deleted {count} workflows")
