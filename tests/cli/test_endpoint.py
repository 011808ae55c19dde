from __future__ import annotations

import importlib.util

import pytest

from holdfast import Holdfast
from holdfast.cli.endpoint import Endpoint, Health, address_of
from holdfast.errors import ConfigurationError


def test_a_process_whose_committer_has_ended_is_not_healthy(sqlite_url: str) -> None:
    with Holdfast(sqlite_url) as app:
        health = Health(app.engine)
        assert health.trouble() is None
        assert health.not_ready() is None
    assert health.trouble() == "the committer has ended"
    assert health.answer("/healthz")[0] == 503
    assert health.not_ready() == "the worker is closing"


def test_a_commit_that_never_ends_is_not_healthy_unless_the_database_is_away(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Holdfast(sqlite_url) as app:
        health = Health(app.engine)
        monkeypatch.setattr(health._measures, "writing_for", lambda: 61.0)
        assert health.trouble() == "a commit has not ended for 60 s"
        assert health.answer("/healthz?probe=1")[0] == 503
        app.engine.committer.waits_for_database = True
        assert health.trouble() is None


def test_a_worker_whose_heartbeats_the_database_does_not_take_is_not_ready(sqlite_url: str) -> None:
    with Holdfast(sqlite_url) as app:
        health = Health(app.engine)
        app.engine.heard_at = app.engine.clock.monotonic() - 31
        assert "heartbeat" in (health.not_ready() or "")
        assert health.answer("/healthz")[0] == 200


def test_without_the_extra_the_metrics_say_what_to_install(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "prometheus" in name else find(name))
    with Holdfast(sqlite_url) as app:
        health = Health(app.engine)
        assert health.answer("/healthz")[0] == 200
        assert health.answer("/metrics") == (
            501,
            "text/plain; charset=utf-8",
            b"metrics need: pip install 'holdfast[metrics]'\n",
        )


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:9000", ("127.0.0.1", 9000)), (":9000", ("127.0.0.1", 9000)), ("[::1]:0", ("::1", 0)),
     ("9000", ("127.0.0.1", 9000))],
)  # fmt: skip
def test_an_address_without_a_host_is_this_machine_only(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1:", "h:99999", "h:x"])
def test_what_is_no_address_is_a_wrong_configuration(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--http"):
        address_of(text)


def test_an_address_that_is_taken_is_a_wrong_configuration(sqlite_url: str) -> None:
    with Holdfast(sqlite_url) as app:
        health = Health(app.engine)
        first = Endpoint(health, "127.0.0.1", 0)
        port = int(first.address.rpartition(":")[2])
        try:
            with pytest.raises(ConfigurationError, match="can't listen"):
                Endpoint(health, "127.0.0.1", port)
        finally:
            first.close()
