"""A payload codec that writes the same payload in another way each time, as encryption does."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator

import pytest

from holdfast import Holdfast, options, step, workflow
from holdfast.errors import WorkflowIdConflict
from tests.engine.conftest import QUICK


class Salted:
    """Stands for encryption: every text begins with other characters, and cannot be read without opening it."""

    def encode(self, text: str) -> str:
        return secrets.token_hex(4) + base64.b64encode(text.encode()).decode()

    def decode(self, text: str) -> str:
        return base64.b64decode(text[8:]).decode()


@pytest.fixture
def salted(store_url: str) -> Iterator[Holdfast]:
    with Holdfast(store_url, config=QUICK, payload_codec=Salted()) as app:
        yield app


@step
def add_salt(number: int) -> int:
    return number + 1


@workflow
def season(number: int) -> int:
    return add_salt(number)


def test_the_same_id_and_input_are_the_same_workflow_however_the_input_is_written(salted: Holdfast) -> None:
    first = options(id="one").start(season, 1)
    assert options(id="one").start(season, 1).result(timeout=20) == first.result(timeout=20) == 2
    with pytest.raises(WorkflowIdConflict):
        options(id="one").start(season, 2)


def test_a_fork_with_an_id_and_another_input_is_made_once_however_it_is_written(salted: Holdfast) -> None:
    options(id="one").call(season, 1)
    for _ in range(2):
        assert salted.admin.fork("one", id="two", input={"number": 5}) == "two"
    assert salted.retrieve("two").result(timeout=20) == 6


def test_an_input_that_cannot_be_opened_any_more_is_another_one(salted: Holdfast, store_url: str) -> None:
    options(id="one").call(season, 1)
    salted.codec._payload_codec = None
    with pytest.raises(WorkflowIdConflict):
        options(id="one").start(season, 1)
