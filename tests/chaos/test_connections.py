"""PostgreSQL connections that are cut or lose the reply to a COMMIT, and a server that crashes under load."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.chaos.oracle import audit, create_ledger
from tests.chaos.programs import environment
from tests.helpers import ScriptProcess
from tests.postgres_proxy import PostgresProxy
from tests.postgres_server import PostgresServer
from tests.store.postgres_kit import terminate

pytestmark = pytest.mark.chaos

_PROGRAM = "import sys; from tests.chaos.programs import main; main()"
_IMPATIENT = "from holdfast.store.postgres import silence; silence.SILENCE = 1.0; "
_REFUNDS = 12


def work_through(url: str, direct: str, effects: Path, trouble: Callable[[], object], *, first: str = "") -> int:
    """Have a worker start its refunds at `url` while trouble is made again and again; audit over `direct`."""
    effects.touch()
    create_ledger(direct)
    started = threading.Event()
    with ScriptProcess(first + _PROGRAM, arguments=[url, "r", str(_REFUNDS)], env=environment(url, effects)) as process:
        process.wait_for_line("launched")

        def make_trouble() -> None:
            while not started.wait(0.1):
                trouble()

        thread = threading.Thread(target=make_trouble, daemon=True)
        thread.start()
        try:
            process.wait_for_line("started", timeout=100)
        finally:
            started.set()
            thread.join(30)
        assert "Traceback" not in process.output, process.output
    return audit(direct, {f"r-{number}" for number in range(_REFUNDS)}, effects)


def test_every_second_reply_to_commit_is_lost_and_each_effect_is_there_once(postgres_url: str, tmp_path: Path) -> None:
    proxy = PostgresProxy(postgres_url)
    try:
        proxy_trouble = lambda: proxy.lose_commit_replies(every=2)  # noqa: E731 - it is handed on
        assert work_through(proxy.url, postgres_url, tmp_path / "effects", proxy_trouble) == _REFUNDS
        assert proxy.lost
    finally:
        proxy.close()


def test_connections_are_cut_again_and_again(postgres_url: str, tmp_path: Path) -> None:
    proxy = PostgresProxy(postgres_url)
    try:
        assert work_through(proxy.url, postgres_url, tmp_path / "effects", proxy.cut) == _REFUNDS
        assert proxy.cut_off
    finally:
        proxy.close()


def test_connections_are_left_half_open_again_and_again(postgres_url: str, tmp_path: Path) -> None:
    proxy = PostgresProxy(postgres_url)
    calls = itertools.count()

    def trouble() -> None:
        # Not while new ones are being made: that is another limit, the connect_timeout.
        if next(calls) % 15 == 0:
            proxy.strand()

    try:
        url = f"{proxy.url}?connect_timeout=2"
        assert work_through(url, postgres_url, tmp_path / "effects", trouble, first=_IMPATIENT) == _REFUNDS
        assert proxy.stranded
    finally:
        proxy.close()


def test_sessions_are_terminated_again_and_again(postgres_url: str, tmp_path: Path) -> None:
    ended: list[int] = []

    def trouble() -> None:
        ended.append(terminate(postgres_url))

    assert work_through(postgres_url, postgres_url, tmp_path / "effects", trouble) == _REFUNDS
    assert sum(ended)


def test_a_server_that_crashes_again_and_again(own_postgres_server: PostgresServer, tmp_path: Path) -> None:
    url = own_postgres_server.url
    restarts: list[None] = []

    def trouble() -> None:
        if len(restarts) < 3:
            own_postgres_server.restart(mode="immediate")
            restarts.append(None)
            with psycopg.connect(url) as session:
                session.execute("SELECT 1")

    assert work_through(url, url, tmp_path / "effects", trouble) == _REFUNDS
    assert restarts
