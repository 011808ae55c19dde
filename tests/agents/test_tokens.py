"""Tokens of running calls in a workflow's stream, and what a reader makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.outputs import ChatGenerationChunk

from holdfast import Holdfast, aread_stream, astart, read_stream, start, step_info, workflow
from holdfast.agents.langchain import LiveAnswers, durable
from holdfast.agents.tokens import BATCH_TOKENS, TokenBatch, TokenItem
from holdfast.errors import UsageError
from tests.agents.replaying import QUICK, twice
from tests.agents.scripted_model import ScriptedModel, clerk, says

ANSWER = "How may I help you today?"


def items(workflow_id: str) -> list[TokenItem]:
    return [item for _, item in read_stream(workflow_id, "tokens")]


@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_tokens_of_a_call_go_to_the_stream(app: Holdfast, way: str) -> None:
    model = durable(ScriptedModel(script=clerk), stream="tokens")

    @workflow(name=f"asks-by-{way}")
    def asks() -> str:
        if way == "stream":
            return "".join(str(chunk.text) for chunk in model.stream("hello"))
        return str(model.invoke("hello").text)

    handle = start(asks)
    assert handle.result(timeout=10) == ANSWER
    written = items(handle.id)
    assert [written[0]["kind"], written[-1]["kind"]] == ["reset", "end"]
    assert {item["attempt"] for item in written} == {1}
    assert list(LiveAnswers(written).texts.values()) == [ANSWER]


async def test_tokens_of_an_awaited_call_go_to_the_stream(sqlite_url: str) -> None:
    model = durable(ScriptedModel(script=clerk), stream="tokens")

    @workflow(name="awaits-an-answer")
    async def asks() -> str:
        return str((await model.ainvoke("hello")).text)

    async with Holdfast(sqlite_url, config=QUICK):
        handle = await astart(asks)
        written = [item async for _, item in aread_stream(handle.id, "tokens")]
        assert await handle == ANSWER
    assert list(LiveAnswers(written).texts.values()) == [ANSWER]


def test_a_replay_writes_no_tokens(app: Holdfast) -> None:
    model = durable(ScriptedModel(script=clerk), stream="tokens")
    twice(app, lambda: model.invoke("hello").id)
    written = items(app.list_workflows()[0].workflow_id)
    assert [item["kind"] for item in written].count("reset") == 1


class FailsOnce(ScriptedModel):
    """Breaks in mid-answer at first."""

    failures: int = 1

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for number, chunk in enumerate(super()._stream(*args, **kwargs)):
            if number == BATCH_TOKENS and self.failures:
                self.failures -= 1
                raise ConnectionError("gone")
            yield chunk


def test_a_dead_attempts_tokens_are_dropped_by_its_readers(app: Holdfast) -> None:
    text = " ".join(f"word{number}" for number in range(3 * BATCH_TOKENS))
    model = durable(FailsOnce(script=lambda messages: says(text)), stream="tokens", retries=1, backoff=0)

    @workflow(name="asks-twice")
    def asks() -> str:
        return str(model.invoke("hello").text)

    handle = start(asks)
    assert handle.result(timeout=10) == text
    written = items(handle.id)
    assert [item["attempt"] for item in written if item["kind"] == "reset"] == [1, 2]
    assert len({item["call"] for item in written}) == 1
    assert "".join(item["text"] for item in written) != text
    answers = LiveAnswers(written)
    assert list(answers.texts.values()) == [text]
    assert len(answers.ended) == 1


def test_a_callback_sees_each_token_and_may_ask_which_attempt_it_is(app: Holdfast) -> None:
    seen: list[tuple[int, str]] = []
    model = durable(ScriptedModel(script=clerk), on_token=lambda text: seen.append((step_info().attempt, text)))
    first, _ = twice(app, lambda: str(model.invoke("hello").text))
    assert "".join(text for _, text in seen) == first == ANSWER
    assert len(seen) == 6
    assert {attempt for attempt, _ in seen} == {1}


async def test_a_callback_of_an_awaited_call_may_be_a_coroutine(sqlite_url: str) -> None:
    seen: list[str] = []

    async def watch(text: str) -> None:
        seen.append(text)

    model = durable(ScriptedModel(script=clerk), on_token=watch)

    @workflow(name="awaits-with-a-callback")
    async def asks() -> str:
        return str((await model.ainvoke("hello")).text)

    async with Holdfast(sqlite_url, config=QUICK):
        assert await asks() == ANSWER
    assert "".join(seen) == ANSWER


def test_a_callback_that_is_a_coroutine_needs_an_awaited_call(app: Holdfast) -> None:
    async def watch(text: str) -> None:
        raise AssertionError("never run")

    model = durable(ScriptedModel(script=clerk), on_token=watch)

    @workflow(name="calls-with-a-coroutine")
    def asks() -> str:
        return str(model.invoke("hello").text)

    with pytest.raises(UsageError, match="ainvoke"):
        asks()


def test_tokens_are_written_in_batches_by_number_and_by_time() -> None:
    now = 0.0
    batch = TokenBatch("call", 1, clock=lambda: now)
    assert batch.begin()["kind"] == "reset"
    assert [batch.add("x") for _ in range(BATCH_TOKENS - 1)] == [None] * (BATCH_TOKENS - 1)
    full = batch.add("y")
    assert full is not None
    assert full["text"] == "x" * (BATCH_TOKENS - 1) + "y"
    assert batch.add("a") is None
    now = 1.0
    late = batch.add("b")
    assert late is not None
    assert late["text"] == "ab"
    assert batch.add("") is None
    assert batch.end() == TokenItem(kind="end", call="call", attempt=1, text="")


def test_a_call_that_starts_again_keeps_its_place_among_the_others() -> None:
    answers = LiveAnswers(
        [
            TokenItem(kind="reset", call="a", attempt=1, text=""),
            TokenItem(kind="tokens", call="a", attempt=1, text="half"),
            TokenItem(kind="reset", call="b", attempt=1, text=""),
            TokenItem(kind="end", call="b", attempt=1, text="other"),
            TokenItem(kind="reset", call="a", attempt=2, text=""),
            TokenItem(kind="tokens", call="a", attempt=2, text="whole"),
        ]
    )
    assert list(answers.texts.items()) == [("a", "whole"), ("b", "other")]
    assert answers.ended == {"b"}
