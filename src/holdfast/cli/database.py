"""Which database a command works on, and how it gets at it: reading only, or with an engine that runs nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from holdfast.api.admin import Admin
from holdfast.api.registry import registry
from holdfast.cli.program import load_app
from holdfast.core.codec import Codec
from holdfast.core.options import Config
from holdfast.errors import ConfigurationError
from holdfast.runtime.engine import Engine
from holdfast.runtime.remote import RemoteService
from holdfast.store.base import Store
from holdfast.store.open import open_store
from holdfast.store.overview import Inspection

F = TypeVar("F", bound=Callable[..., Any])

PATIENCE = 30.0
"""Seconds after which a command gives up on a database that takes no writes."""


def url_option(command: F) -> F:
    """Give a command the option `--url`."""
    return click.option(
        "--url",
        envvar="HOLDFAST_URL",
        show_envvar=True,
        required=True,
        metavar="URL",
        callback=note_url,
        help="The database: sqlite:///file.db or postgresql://… Prefer the variable: command lines show in `ps`.",
    )(command)


def note_url(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Remember the URL, so that errors can be told without its password."""
    if value is not None:
        ctx.find_root().ensure_object(dict)["url"] = value
    return value


def without_password(url: str) -> str:
    """Return a URL to show: user, host and database, no password and no options."""
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.partition("?")[0].rpartition("@")
    shown = f"{user.partition(':')[0]}@{place}" if at else place
    return f"{scheme}://{shown}" if separator else "…"


def schema_of(inspection: Inspection) -> int:
    """Return the migration that was applied last. Raises `ConfigurationError` if this user may not look."""
    if inspection.schema is None:
        raise ConfigurationError("this user may not look at Holdfast's schema: `holdfast doctor` says what to grant")
    return inspection.schema


def check_schema(inspection: Inspection) -> None:
    """Refuse a database that has to be migrated first: looking at something must not change it.

    Raises `ConfigurationError`.
    """
    found = schema_of(inspection)
    if found == 0:
        raise ConfigurationError("there is no Holdfast database at this URL yet: `holdfast migrate` creates it")
    if found < inspection.known_schema:
        raise ConfigurationError(
            f"the database has Holdfast schema {found}, this version works with {inspection.known_schema}: "
            "run `holdfast migrate` first"
        )


@contextmanager
def reading(url: str) -> Iterator[Store]:
    """Open a database to look at it. Raises `ConfigurationError`, `StoreUnavailable`."""
    store = open_store(url)
    check_schema(store.inspect())
    store.open(migrate=False)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def writing(store: Store, codec: Codec | None = None) -> Iterator[Engine]:
    """Give an engine that writes and waits, but is no worker: it has no lease, and runs nothing.

    What is written and what is waited for works as anywhere else, news for other processes included.
    """
    check_schema(store.inspect())
    codec = codec or Codec(max_bytes=Config().max_payload, signatures=registry.signatures)
    engine = Engine(store, registry, config=Config(), codec=codec)
    # It takes nothing to run: what it starts is left to workers.
    engine.closing = True
    service = RemoteService(engine)
    service.start()
    alarm = threading.Timer(PATIENCE, engine.committer.give_up)
    alarm.daemon = True
    alarm.start()
    try:
        yield engine
    finally:
        alarm.cancel()
        service.stop()
        engine.pool.stop()
        engine.loops.stop()


@contextmanager
def writing_to(url: str) -> Iterator[Engine]:
    """Give such an engine on the database with this URL."""
    with writing(open_store(url)) as engine:
        yield engine


@contextmanager
def managing(url: str, target: str | None = None) -> Iterator[Admin]:
    """Give the management of the database with this URL.

    `target` names the application whose payload codec, and whose functions' parameters, are to be used.
    """
    codec = None if target is None else load_app(target).codec
    with writing(open_store(url), codec) as engine:
        yield Admin(engine)
