"""What databases give a meaning to is text like any other, or refused before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast import Client, Holdfast, options, recv, workflow
from holdfast.errors import HoldfastError
from tests.engine.conftest import QUICK

SURVIVE = [
    "'; DROP TABLE holdfast_workflow; --",
    "' OR '1'='1",
    '"quoted" `ticked` [bracketed]',
    "100% %s %(name)s :name ?1 $1 {} {0}",
    "a_b%",
    "back\\slash \\' \\x00",
    "/../../etc/passwd?x=1#y",
    "\N{SNOWMAN}\N{PILE OF POO}\u202e\u200b\ufeff",
    "e\u0301 and \u00e9",
    "NULL",
    "x" * 512,
]
REFUSED = ["nul\x00", "line\nbreak", "\x1b[2J", "\ud800", "\udc00\ud800", "x" * 513, "x" * 1_000_000]


@workflow
def hostile_echo(text: str) -> str:
    return text


@workflow
def hostile_receiver(topic: str) -> str:
    return str(recv(topic, timeout=20, type=str))


@pytest.fixture
def app(store_url: str) -> Iterator[Holdfast]:
    with Holdfast(store_url, config=QUICK) as launched:
        yield launched


def test_ids_that_look_like_sql_name_their_own_workflow_and_no_other(app: Holdfast) -> None:
    for text in SURVIVE:
        assert options(id=text).call(hostile_echo, text) == text
    for text in SURVIVE:
        assert app.get_workflow(text).workflow_id == text
    assert {each.workflow_id for each in app.list_workflows()} == set(SURVIVE)


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_an_id_that_cannot_be_stored_is_refused_and_nothing_is_written(app: Holdfast, text: str) -> None:
    with pytest.raises(HoldfastError):
        options(id=text).start(hostile_echo, "x")
    assert app.list_workflows() == []


def test_topics_and_keys_that_look_like_sql_stay_apart(app: Holdfast, store_url: str) -> None:
    with Client(store_url) as client:
        handles = [options(id=f"r{place}").start(hostile_receiver, topic) for place, topic in enumerate(SURVIVE)]
        for place, text in enumerate(SURVIVE):
            for _ in range(2):
                client.send(f"r{place}", text, topic=text, key=text)
        assert [handle.result(timeout=30) for handle in handles] == SURVIVE


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_a_topic_or_key_that_cannot_be_stored_is_refused(store_url: str, app: Holdfast, text: str) -> None:
    options(id="there").call(hostile_echo, "x")
    with Client(store_url) as client:
        with pytest.raises(HoldfastError):
            client.send("there", "x", topic=text)
        with pytest.raises(HoldfastError):
            client.send("there", "x", key=text)


@pytest.mark.parametrize("text", ["nul\x00", "\ud800", "\x1b]52;c;x\x07", "'; --", "x" * 100_000], ids=range(5))
def test_payloads_hold_any_text(app: Holdfast, text: str) -> None:
    assert hostile_echo(text) == text


@workflow
def hostile_parent() -> str:
    try:
        options(id="").start(hostile_echo, "x")
    except HoldfastError as error:
        return str(error)
    return "started"


def test_an_empty_id_is_refused_and_does_not_stand_for_any(app: Holdfast, store_url: str) -> None:
    with pytest.raises(HoldfastError, match="a workflow id must be a non-empty string"):
        options(id="").start(hostile_echo, "x")
    with pytest.raises(HoldfastError, match="a workflow id must be a non-empty string"):
        options(id="").call(hostile_echo, "x")
    with Client(store_url) as client, pytest.raises(HoldfastError, match="a workflow id must be"):
        client.options(id="").start("hostile_echo", "x")
    assert "a workflow id must be" in options(id="parent").start(hostile_parent).result(30)
    assert [each.workflow_id for each in app.list_workflows()] == ["parent"]
