"""The real `langchain-openai` client against a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from holdfast import Holdfast, read_stream, start, workflow
from holdfast.agents.langchain import DurableTools, IncompleteAnswer, LiveAnswers, durable
from tests.agents.openai_server import OpenAIServer, Reply, Script, clerk
from tests.agents.replaying import QUICK, atwice, twice

ANSWER = "How may I help you today?"
Serve = Callable[..., tuple[OpenAIServer, ChatOpenAI]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server, and a client of it."""
    with ExitStack() as servers:

        def started(script: Script = clerk, **options: Any) -> tuple[OpenAIServer, ChatOpenAI]:
            server = servers.enter_context(OpenAIServer(script))
            settings = {"max_retries": 0, "stream_usage": True, "model": "gpt-test", **options}
            return server, ChatOpenAI(base_url=server.url, api_key=SecretStr("none"), **settings)

        yield started


@tool
def refund(order_id: int) -> str:
    """Refund an order."""
    return f"refunded {order_id}"


def test_an_answer_is_asked_for_once(app: Holdfast, serve: Serve) -> None:
    server, client = serve()
    model = durable(client)
    first, second = twice(app, lambda: model.invoke("hello"))
    assert first == second
    assert str(first.text) == ANSWER
    assert first.usage_metadata is not None
    assert first.usage_metadata["total_tokens"] == 18
    assert first.response_metadata["finish_reason"] == "stop"
    assert len(server.requests) == 1


def test_a_stream_with_tool_calls_is_asked_for_once(app: Holdfast, serve: Serve) -> None:
    server, client = serve()
    model = durable(client).bind_tools([refund], tool_choice="any", strict=True)

    def ask() -> Any:
        chunks: list[Any] = list(model.stream("refund 42 and 43"))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole = whole + chunk
        return whole

    first, second = twice(app, ask)
    assert [call["args"] for call in first.tool_calls] == [{"order_id": 42}, {"order_id": 43}]
    assert first.tool_calls == second.tool_calls
    assert first.id == second.id
    assert first.usage_metadata == second.usage_metadata
    assert first.usage_metadata["total_tokens"] == 18
    (request,) = server.requests
    assert request["tools"][0]["function"]["name"] == "refund"
    assert request["tools"][0]["function"]["strict"] is True
    assert request["tool_choice"] == "required"


async def test_an_awaited_stream_is_asked_for_once(sqlite_url: str, serve: Serve) -> None:
    server, client = serve()
    model = durable(client)

    async def ask() -> list[str]:
        return [str(chunk.text) async for chunk in model.astream("hello")]

    async with Holdfast(sqlite_url, config=QUICK) as app:
        first, second = await atwice(app, ask)
    assert "".join(first) == "".join(second) == ANSWER
    assert len(first) > len(second)
    assert len(server.requests) == 1


def test_an_agent_is_replayed_without_a_request(app: Holdfast, serve: Serve) -> None:
    server, client = serve()
    agent: Any = create_agent(durable(client), [refund], middleware=[DurableTools()])
    first, second = twice(app, lambda: agent.invoke({"messages": [HumanMessage("refund 42 and 43")]})["messages"][1:])
    assert first == second
    assert str(first[-1].text) == "Done: refunded 42, refunded 43"
    assert len(server.requests) == 2


async def test_an_awaited_agent_is_replayed_without_a_request(sqlite_url: str, serve: Serve) -> None:
    server, client = serve()
    agent: Any = create_agent(durable(client), [refund], middleware=[DurableTools()])

    async def run() -> Any:
        return (await agent.ainvoke({"messages": [HumanMessage("refund 42 and 43")]}))["messages"][1:]

    async with Holdfast(sqlite_url, config=QUICK) as app:
        first, second = await atwice(app, run)
    assert first == second
    assert str(first[-1].text) == "Done: refunded 42, refunded 43"
    assert len(server.requests) == 2


def test_tokens_are_shown_while_an_agent_invokes_its_model(app: Holdfast, serve: Serve) -> None:
    _, client = serve()
    agent: Any = create_agent(durable(client, stream="tokens"), [refund], middleware=[DurableTools()])

    @workflow(name="shows-tokens")
    def run() -> str:
        return str(agent.invoke({"messages": [HumanMessage("refund 42")]})["messages"][-1].text)

    handle = start(run)
    answers = LiveAnswers(item for _, item in read_stream(handle.id, "tokens"))
    assert list(answers.texts.values()) == ["", "Done: refunded 42"]
    assert handle.result(timeout=10) == "Done: refunded 42"


def test_a_status_of_trouble_is_tried_again_by_the_step(app: Holdfast, serve: Serve) -> None:
    troubles = [503, 429]

    def script(body: dict[str, Any]) -> Reply:
        return Reply(status=troubles.pop()) if troubles else clerk(body)

    server, client = serve(script)
    model = durable(client, retries=2, backoff=0)
    first, second = twice(app, lambda: str(model.invoke("hello").text))
    assert first == second == ANSWER
    assert len(server.requests) == 3


def test_a_wrong_request_is_not_tried_again_if_the_settings_say_so(app: Holdfast, serve: Serve) -> None:
    server, client = serve(lambda body: Reply(status=400))
    model = durable(client, retries=5, backoff=0, dont_retry_on=openai.BadRequestError)

    def ask() -> str:
        try:
            model.invoke("hello")
        except openai.BadRequestError:
            return "bad request"
        return "no error"

    first, second = twice(app, ask)
    assert first == second == "bad request"
    assert len(server.requests) == 1


@pytest.mark.parametrize("cut_after", [0, 1, 3])
def test_a_stream_that_is_cut_is_no_answer(app: Holdfast, serve: Serve, cut_after: int) -> None:
    _, client = serve(lambda body: Reply(text=ANSWER, cut_after=cut_after))
    model = durable(client)

    @workflow(name=f"gets-a-cut-stream-{cut_after}")
    def run() -> str:
        return "".join(str(chunk.text) for chunk in model.stream("hello"))

    with pytest.raises(IncompleteAnswer):
        run()


def test_a_stream_that_is_cut_is_tried_again(app: Holdfast, serve: Serve) -> None:
    cuts = [3, 1]

    def script(body: dict[str, Any]) -> Reply:
        return Reply(text=ANSWER, cut_after=cuts.pop() if cuts else None)

    server, client = serve(script)
    model = durable(client, retries=2, backoff=0, stream="tokens")
    first, second = twice(app, lambda: str(model.invoke("hello").text))
    assert first == second == ANSWER
    assert len(server.requests) == 3


@pytest.mark.parametrize("tokens", [None, "tokens"], ids=["whole", "in pieces"])
def test_an_answer_that_is_too_long_makes_no_tool_call_of_what_there_is(
    app: Holdfast, serve: Serve, tokens: str | None
) -> None:
    reply = Reply(tool_calls=(("refund", {"order_id": 4200}),), finish_reason="length", break_arguments=True)
    _, client = serve(lambda body: reply)
    model = durable(client, stream=tokens).bind_tools([refund])
    first, second = twice(app, lambda: model.invoke("refund 4200"))
    assert first == second
    assert first.tool_calls == []
    assert first.invalid_tool_calls[0]["args"] == '{"order_id": 4200'
