"""Model calls in workflows: made once, in all four ways of asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel

from holdfast import Holdfast, step, workflow
from holdfast.agents.langchain import IncompleteAnswer, durable
from holdfast.errors import ConfigurationError, PayloadError
from tests.agents.replaying import QUICK, atwice, steps, twice
from tests.agents.scripted_model import ScriptedModel, calls, clerk, says

QUESTION = "refund 42 and 43 please"


@tool
def refund(order_id: int) -> str:
    """Refund an order."""
    return f"refunded {order_id}"


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    return whole


@pytest.fixture
def inner() -> ScriptedModel:
    return ScriptedModel(script=clerk)


def test_an_answer_is_read_from_the_journal_with_its_id_and_usage(app: Holdfast, inner: ScriptedModel) -> None:
    model = durable(inner).bind_tools([refund])
    first, second = twice(app, lambda: model.invoke(QUESTION))
    assert len(inner.calls) == 1
    assert first == second
    assert first.id == second.id is not None
    assert [call["args"] for call in second.tool_calls] == [{"order_id": 42}, {"order_id": 43}]
    assert second.usage_metadata == {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    assert steps(app) == ["model"]


async def test_an_awaited_answer_is_read_from_the_journal(sqlite_url: str, inner: ScriptedModel) -> None:
    model = durable(inner)
    async with Holdfast(sqlite_url, config=QUICK) as app:
        first, second = await atwice(app, lambda: _ainvoke(model, "hello"))
    assert len(inner.calls) == 1
    assert first == second
    assert first.id == second.id is not None


async def _ainvoke(model: BaseChatModel, text: str) -> AIMessage:
    return await model.ainvoke(text)


def test_a_stream_comes_in_pieces_and_from_the_journal_as_one(app: Holdfast, inner: ScriptedModel) -> None:
    model = durable(inner)
    first, second = twice(app, lambda: list(model.stream("hello")))
    assert len(inner.calls) == 1
    assert [chunk.text for chunk in first[:3]] == ["How", " may", " I"]
    assert [chunk.text for chunk in second] == ["How may I help you today?"]
    assert {chunk.id for chunk in first + second} == {second[0].id}
    assert merged(first).usage_metadata == second[0].usage_metadata


def test_tool_calls_keep_their_chunks_in_a_stream_from_the_journal(app: Holdfast, inner: ScriptedModel) -> None:
    model = durable(inner).bind_tools([refund])
    first, second = twice(app, lambda: list(model.stream(QUESTION)))
    assert len(inner.calls) == 1
    assert merged(first).tool_calls == merged(second).tool_calls
    assert [call["args"] for call in merged(second).tool_calls] == [{"order_id": 42}, {"order_id": 43}]
    assert [chunk["index"] for chunk in second[0].tool_call_chunks] == [0, 1]
    assert second[0].chunk_position == "last"


async def test_an_async_stream_is_read_from_the_journal(sqlite_url: str, inner: ScriptedModel) -> None:
    model = durable(inner)

    async def ask() -> list[AIMessageChunk]:
        return [chunk async for chunk in model.astream("hello")]

    async with Holdfast(sqlite_url, config=QUICK) as app:
        first, second = await atwice(app, ask)
    assert len(inner.calls) == 1
    assert len(first) > 3
    assert [chunk.text for chunk in second] == ["How may I help you today?"]
    assert {chunk.id for chunk in first + second} == {second[0].id}


def test_a_streams_consumer_that_stops_early_still_leaves_a_record(app: Holdfast, inner: ScriptedModel) -> None:
    model = durable(inner)

    def first_word() -> str:
        for chunk in model.stream("hello"):
            return str(chunk.text)
        return ""

    first, second = twice(app, first_word)
    assert first == "How"
    assert second == "How may I help you today?"
    assert len(inner.calls) == 1


def test_outside_a_workflow_and_in_a_step_it_is_the_plain_model(app: Holdfast, inner: ScriptedModel) -> None:
    model = durable(inner)

    @step
    def ask() -> str:
        return str(model.invoke("hello").text) + "".join(str(chunk.text) for chunk in model.stream("hello"))

    @workflow(name="asks-in-a-step")
    def asks() -> str:
        return ask()

    assert str(model.invoke("hello").text) == "How may I help you today?"
    assert asks() == 2 * "How may I help you today?"
    assert len(inner.calls) == 3
    assert steps(app) == ["test_outside_a_workflow_and_in_a_step_it_is_the_plain_model.ask"]


def test_it_says_of_itself_what_the_inner_model_says(inner: ScriptedModel) -> None:
    inner = ScriptedModel(script=clerk, profile={"structured_output": True}, tags=["x"], metadata={"team": "a"})
    model = durable(inner)
    assert model._llm_type == "scripted"
    assert model._identifying_params == {"model_name": "scripted-1"}
    assert model._get_ls_params() == inner._get_ls_params()
    assert model.profile == {"structured_output": True}
    assert model.tags == ["x"]
    assert model.metadata == inner.metadata


def test_what_is_bound_reaches_the_inner_model_as_it_formats_it(app: Holdfast, inner: ScriptedModel) -> None:
    model = durable(inner).bind_tools([refund], tool_choice="refund").bind(temperature=0)
    twice(app, lambda: model.invoke("hello", stop=["!"]))
    (bound,) = inner.bound
    assert bound["tools"][0]["function"]["name"] == "refund"
    assert (bound["tool_choice"], bound["temperature"]) == ("refund", 0)


def test_structured_output_is_parsed_anew_from_the_recorded_answer(app: Holdfast) -> None:
    class Verdict(BaseModel):
        ok: bool
        why: str

    inner = ScriptedModel(script=lambda messages: says("", calls("Verdict", ok=True, why="it broke")))
    model = durable(inner).with_structured_output(Verdict)
    first, second = twice(app, lambda: model.invoke("is it?"))
    assert first == second == Verdict(ok=True, why="it broke")
    assert len(inner.calls) == 1


def test_equal_questions_one_after_the_other_are_calls_of_their_own(app: Holdfast, inner: ScriptedModel) -> None:
    model = durable(inner)
    first, second = twice(app, lambda: [model.invoke("hello").id, model.invoke("hello").id])
    assert first == second
    assert len(set(first)) == 2
    assert len(inner.calls) == 2


def test_the_same_call_has_another_id_in_another_workflow(app: Holdfast, inner: ScriptedModel) -> None:
    model = durable(inner)
    one, _ = twice(app, lambda: model.invoke("hello").id)
    other, _ = twice(app, lambda: model.invoke("hello").id)
    assert one != other


class Moody(ScriptedModel):
    """Fails at first."""

    failures: int = 1

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        if self.failures:
            self.failures -= 1
            self.calls.append(0)
            raise ConnectionError("try again")
        return super()._generate(*args, **kwargs)

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for number, chunk in enumerate(super()._stream(*args, **kwargs)):
            if number == 2 and self.failures:
                self.failures -= 1
                raise ConnectionError("try again")
            yield chunk


def test_a_failed_call_is_tried_again_as_the_settings_say(app: Holdfast) -> None:
    inner = Moody(script=clerk)
    model = durable(inner, retries=2, backoff=0, name="clerk")
    first, second = twice(app, lambda: str(model.invoke("hello").text))
    assert first == second == "How may I help you today?"
    assert len(inner.calls) == 2
    assert steps(app) == ["clerk"]


def test_a_stream_that_is_tried_again_shows_the_whole_answer_once(app: Holdfast) -> None:
    inner = Moody(script=clerk)
    model = durable(inner, retries=2, backoff=0)
    first, _ = twice(app, lambda: "".join(str(chunk.text) for chunk in model.stream("hello")))
    assert first == "How may I help you today?"
    assert len(inner.calls) == 2


def test_a_failure_without_retries_is_recorded_and_raised_in_the_replay_too(app: Holdfast) -> None:
    inner = Moody(script=clerk)
    model = durable(inner)

    def ask() -> str:
        try:
            return str(model.invoke("hello").text)
        except ConnectionError as error:
            return f"failed: {error}"

    first, second = twice(app, ask)
    assert first == second == "failed: try again"
    assert len(inner.calls) == 1


async def test_the_timeout_ends_an_awaited_call(sqlite_url: str) -> None:
    class Slow(ScriptedModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    model = durable(Slow(script=clerk), timeout=0.05)

    @workflow(name="asks-a-slow-model")
    async def asks() -> str:
        try:
            return str((await model.ainvoke("hello")).text)
        except TimeoutError:
            return "too slow"

    async with Holdfast(sqlite_url, config=QUICK):
        assert await asks() == "too slow"


@pytest.mark.parametrize("way", ["stream", "invoke with tokens"])
def test_a_stream_that_breaks_off_is_no_answer(app: Holdfast, way: str) -> None:
    inner = ScriptedModel(script=clerk, cut_after=2)
    model = durable(inner, stream="tokens" if way == "invoke with tokens" else None)

    @workflow(name=f"asks-{way}")
    def asks() -> str:
        if way == "stream":
            return "".join(str(chunk.text) for chunk in model.stream("hello"))
        return str(model.invoke("hello").text)

    with pytest.raises(IncompleteAnswer, match="broke off after 'How may'"):
        asks()


def test_a_stream_that_breaks_off_is_tried_again(app: Holdfast) -> None:
    class BreaksOffOnce(ScriptedModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            self.cut_after = 2 if not self.calls else None
            yield from super()._stream(*args, **kwargs)

    inner = BreaksOffOnce(script=clerk)
    model = durable(inner, retries=1, backoff=0)
    first, second = twice(app, lambda: "".join(str(chunk.text) for chunk in model.stream("hello")))
    assert first == second == "How may I help you today?"


def test_a_model_that_never_marks_its_end_can_be_trusted(app: Holdfast) -> None:
    model = durable(ScriptedModel(script=clerk, cut_after=100), accept_unmarked_end=True)
    first, _ = twice(app, lambda: "".join(str(chunk.text) for chunk in model.stream("hello")))
    assert first == "How may I help you today?"


class BreaksArguments(ScriptedModel):
    """Ends in the middle of a tool call's arguments, and says that this is all."""

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for chunk in super()._stream(*args, **kwargs):
            message = chunk.message
            assert isinstance(message, AIMessageChunk)
            if message.tool_call_chunks and message.tool_call_chunks[0]["name"] is None:
                text = (message.tool_call_chunks[0]["args"] or "").rstrip("}")
                broken = AIMessageChunk(content="", tool_call_chunks=[{**message.tool_call_chunks[0], "args": text}])
                yield ChatGenerationChunk(message=broken)
            else:
                yield chunk


def test_truncated_arguments_are_never_completed_by_guessing(app: Holdfast) -> None:
    inner = BreaksArguments(script=lambda messages: says("", calls("refund", order_id=4200)))
    streamed = durable(inner)
    whole = durable(inner, stream="tokens")

    @workflow(name="streams-broken-arguments")
    def asks() -> str:
        return str(merged(list(streamed.stream("hello"))).tool_calls)

    with pytest.raises(IncompleteAnswer, match="broken arguments"):
        asks()
    first, second = twice(app, lambda: whole.invoke("hello"))
    assert first == second
    assert first.tool_calls == []
    assert first.invalid_tool_calls[0]["args"] == '{"order_id": 4200'


def test_a_model_that_can_not_stream_answers_in_one_piece(app: Holdfast) -> None:
    class Whole(ScriptedModel):
        _stream = BaseChatModel._stream

    inner = Whole(script=clerk)
    model = durable(inner, stream="tokens")
    first, second = twice(app, lambda: [str(chunk.text) for chunk in model.stream("hello")])
    assert first[0] == second[0] == "How may I help you today?"
    assert len(inner.calls) == 1
    assert next(str(chunk.text) for chunk in model.stream("hello")) == first[0]


def test_streaming_that_is_switched_off_stays_off(app: Holdfast) -> None:
    inner = ScriptedModel(script=clerk, disable_streaming=True)
    model = durable(inner, stream="tokens")
    first, second = twice(app, lambda: [str(chunk.text) for chunk in model.stream("hello")])
    assert first == second == ["How may I help you today?"]


def test_an_answer_that_can_not_be_recorded_is_refused_at_once(app: Holdfast) -> None:
    answer = AIMessage("hello", response_metadata={"raw": object()})
    model = durable(ScriptedModel(script=lambda messages: answer))

    @workflow(name="asks-for-an-object")
    def asks() -> str:
        return str(model.invoke("hello").text)

    with pytest.raises(PayloadError):
        asks()


def test_text_from_models_survives_whatever_it_holds(app: Holdfast) -> None:
    text = "nul \x00, half an emoji \ud83d, ends"
    model = durable(ScriptedModel(script=lambda messages: says(text)))
    first, second = twice(app, lambda: str(model.invoke("hello").text))
    assert first == second == text


def test_only_plain_chat_models_can_be_made_durable(inner: ScriptedModel) -> None:
    with pytest.raises(ConfigurationError, match="durable already"):
        durable(durable(inner))
    with pytest.raises(ConfigurationError, match="takes a chat model"):
        durable(inner.bind(stop=["x"]))  # type: ignore[arg-type] # that is the mistake
    with pytest.raises(ConfigurationError, match="takes a chat model"):
        durable(RunnableLambda(str))  # type: ignore[arg-type] # that is the mistake
    with pytest.raises(ConfigurationError):
        durable(inner, retries=-1)


def test_langchains_own_fake_models_can_be_recorded(app: Holdfast) -> None:
    model = durable(FakeListChatModel(responses=["one", "two"]))
    first, second = twice(app, lambda: [str(model.invoke("a").text), "".join(str(c.text) for c in model.stream("b"))])
    assert first == second == ["one", "two"]


def test_a_model_with_async_streaming_only_streams_in_coroutines() -> None:
    class AsyncOnly(ScriptedModel):
        _stream = BaseChatModel._stream

        async def _astream(
            self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> AsyncIterator[ChatGenerationChunk]:
            for text in ("a", "b"):
                yield ChatGenerationChunk(message=AIMessageChunk(content=text))

    model = durable(AsyncOnly(script=clerk))

    async def texts() -> list[str]:
        return [str(chunk.text) async for chunk in model.astream("hello")]

    assert asyncio.run(texts())[:2] == ["a", "b"]
    assert next(str(chunk.text) for chunk in model.stream("hello")) == "How may I help you today?"


def test_system_messages_and_history_are_part_of_the_question(app: Holdfast, inner: ScriptedModel) -> None:
    model = durable(inner)
    history = [SystemMessage("Be brief."), HumanMessage("hi"), AIMessage("hello"), HumanMessage("bye")]
    first, second = twice(app, lambda: model.invoke(history).id)
    assert first == second
    assert inner.calls == [4]


class Counting(BaseRateLimiter):
    """Lets everything pass, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return True


def test_only_real_calls_count_for_a_rate_limit(app: Holdfast) -> None:
    limit = Counting()
    model = durable(ScriptedModel(script=clerk, rate_limiter=limit))
    twice(app, lambda: [model.invoke("hello").id, len(list(model.stream("hello")))])
    assert limit.asked == 2


async def test_outside_a_workflow_awaited_calls_are_plain_too() -> None:
    limit = Counting()
    inner = ScriptedModel(script=clerk, rate_limiter=limit)
    model = durable(inner)
    assert str((await model.ainvoke("hello")).text) == "How may I help you today?"
    assert len([chunk async for chunk in model.astream("hello")]) > 3
    assert limit.asked == len(inner.calls) == 2


async def test_an_awaited_model_that_can_not_stream_answers_in_one_piece(sqlite_url: str) -> None:
    inner = ScriptedModel(script=clerk, disable_streaming=True)
    model = durable(inner, stream="tokens")

    async def ask() -> list[str]:
        return [str(chunk.text) async for chunk in model.astream("hello")]

    async with Holdfast(sqlite_url, config=QUICK) as app:
        first, second = await atwice(app, ask)
    assert first == second == ["How may I help you today?"]


def test_tokens_are_counted_by_the_inner_model() -> None:
    class Counter(ScriptedModel):
        def get_token_ids(self, text: str) -> list[int]:
            return [len(word) for word in text.split()]

    model = durable(Counter(script=clerk))
    assert model.get_token_ids("one three") == [3, 5]
    assert model.get_num_tokens("one three") == 2
    assert model.get_num_tokens_from_messages([HumanMessage("x")]) == 2


def test_tools_bound_in_an_unknown_way_are_refused() -> None:
    class Odd(ScriptedModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return RunnableLambda(str)

    with pytest.raises(ConfigurationError, match="gave no bound model"):
        durable(Odd(script=clerk)).bind_tools([refund])


def test_a_model_that_gives_no_message_gives_no_answer(app: Holdfast) -> None:
    class Silent(ScriptedModel):
        def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
            return ChatResult(generations=[])

        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            yield from ()

    model = durable(Silent(script=clerk))

    def ask() -> list[str]:
        said = []
        for way in (lambda: model.invoke("hello"), lambda: list(model.stream("hello"))):
            try:
                way()
            except IncompleteAnswer as error:
                said.append(str(error))
        return said

    first, second = twice(app, ask)
    assert first == second == ["the model gave no AIMessage", "the model's stream ended without a single chunk"]
