"""The database as a whole: `migrate` and `backup`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import click

from holdfast.cli.database import check_schema, schema_of, url_option, without_password
from holdfast.cli.exits import Exit
from holdfast.cli.output import json_option, print_json, say
from holdfast.store.open import open_store


@click.command("migrate")
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if there is something to migrate.")
@json_option
@url_option
def migrate_command(url: str, *, check: bool, as_json: bool) -> None:
    """Create or update the database's schema, under a lock; migrations only ever add.

    Workers do this at launch too. Run it on its own where they may not, or to do it before a deploy.
    """
    store = open_store(url)
    found = store.inspect()
    before = schema_of(found)
    pending = max(found.known_schema - before, 0)
    if pending and not check:
        store.open()
        store.close()
    now = before if check else max(before, found.known_schema)
    if as_json:
        print_json({"from": before, "to": now, "pending": pending if check else 0})
    elif not pending:
        say(f"nothing to do: the schema is {before}")
    elif check:
        say(f"the schema is {before}; {pending} migrations lead to {found.known_schema}")
    else:
        say(f"migrated from schema {before} to {now}")
    if check and pending:
        raise click.exceptions.Exit(Exit.FAILED)


@click.command("backup")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path), required=False)
@json_option
@url_option
def backup_command(url: str, target: Path | None, *, as_json: bool) -> None:
    """Copy an SQLite database to the file TARGET while others work on it.

    The copy is one consistent file, readable by its owner only, and was checked. For PostgreSQL this prints the pg_dump
    command to use instead.
    """
    store = open_store(url)
    if store.dialect == "postgresql":
        command = _pg_dump(url, target)
        if as_json:
            print_json({"command": command})
        else:
            say("PostgreSQL has its own tools. Run this, with the password in PGPASSWORD or ~/.pgpass:")
            click.echo(shlex.join(command))
        return
    if target is None:
        raise click.UsageError("name the file to write: holdfast backup TARGET")
    check_schema(store.inspect())
    size = store.back_up(target)
    if as_json:
        print_json({"file": os.fspath(target.resolve()), "bytes": size})
    else:
        say(f"{target}: {size / 1024 / 1024:.1f} MiB, checked")


def _pg_dump(url: str, target: Path | None) -> list[str]:
    plain = f"postgresql://{without_password(url).partition('://')[2]}"
    database = urlsplit(plain).path.lstrip("/") or "holdfast"
    file = os.fspath(target) if target is not None else f"{database}.dump"
    return ["pg_dump", "--format=custom", f"--file={file}", f"--dbname={plain}"]
