"""Stories of agents: a turn of a graph, and the refund agent of the demo from the customer's words to the payment."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import tool

from apps.refund_agent import agent, backend, refunds
from apps.refund_agent.model import OfflineChatModel
from apps.refund_agent.payments import Payments
from apps.refund_agent.settings import Settings
from holdfast import Holdfast, Status, options, retrieve, send, transaction, workflow
from holdfast.agents.langchain import DurableTools, durable
from holdfast.agents.langgraph import ThreadStore, arun_turn
from holdfast.approvals import Approvals
from holdfast.errors import ApprovalError, HoldfastError
from tests.agents.scripted_model import ScriptedModel, clerk
from tests.crash.matrix.corpus import book
from tests.crash.matrix.stories import Story
from tests.helpers import eventually

CHAT = "chat-1"


class Provider(Payments):
    """A payment provider with a ledger of its own: what comes again with the same key is paid once."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger

    def pay_back(self, order_id: int, amount_cents: int, *, idempotency_key: str) -> str:
        with closing(sqlite3.connect(self._ledger)) as ledger, ledger:
            ledger.execute("CREATE TABLE IF NOT EXISTS payments (key TEXT PRIMARY KEY)")
            if ledger.execute("INSERT OR IGNORE INTO payments VALUES (?)", (idempotency_key,)).rowcount:
                ledger.execute("INSERT INTO effects VALUES (?)", (f"paid {order_id}: {amount_cents}",))
        return f"re_{order_id}"


def opens_the_shop(app: Holdfast) -> None:
    """Tell the demo's modules what they are told at its start."""
    place = Path(urlsplit(app._other_urls["other"]).path)
    settings = Settings(
        port=0,
        folder=place.parent,
        database_url=app._url,
        services_port=0,
        smtp_port=0,
        smtp_url="",
        stripe_api_key=None,
        model=None,
        demo=False,
        threshold=Decimal(1000),
    )
    threads = ThreadStore(app._url)
    threads.setup()
    refunds.configure(settings)
    refunds._configured["payments"] = Provider(place)
    agent.configure(OfflineChatModel(), threads)
    _Turn.threads = threads


def buys_and_regrets(app: Holdfast) -> object:
    """A small refund is paid at once, a large one waits for the manager while the customer chats on."""
    backend.prepare()
    options(id=CHAT).start(agent.conversation)
    says("m1", "Refund orders 1001 and 1003, please")
    answers(app, 1)
    says("m2", "What is the status of 1003?")
    answers(app, 2)
    approvals: Approvals = app.extensions[Approvals]
    [request] = approvals.list()
    with suppress(ApprovalError):  # decided in an earlier life
        approvals.decide(request.approval_id, approve=True, by="manager@example.com")
    eventually(lambda: "notice" in kinds(app), timeout=60)
    says("m3", "What is the status of 1003?")
    answers(app, 3)
    seen = chat(app)
    orders = {str(each["order_id"]): each["refund"] for each in backend.list_orders()}
    with suppress(HoldfastError):
        retrieve(CHAT).cancel()
    return [seen, orders]


def says(message_id: str, text: str) -> None:
    send(CHAT, {"kind": "said", "id": message_id, "text": text}, topic="inbox", key=f"said-{message_id}")


def chat(app: Holdfast) -> list[list[str]]:
    """Return what the page shows, but the names of turns."""
    items: list[Any] = [app.codec.decode(item.value) for item in app.store.stream(CHAT, "chat", 0, 100) if item.value]
    return [[item["kind"], item.get("id", ""), item["text"]] for item in items]


def kinds(app: Holdfast) -> list[str]:
    return [kind for kind, _, _ in chat(app)]


def answers(app: Holdfast, count: int) -> None:
    eventually(lambda: kinds(app).count("answer") >= count, timeout=60)


@tool
def mx_refund(order_id: int) -> str:
    """Refund an order."""
    return f"refunded {order_id}"


class _Turn:
    threads: ThreadStore


def _graph() -> Any:
    def script(messages: Sequence[BaseMessage]) -> AIMessage:
        return clerk(list(messages))

    return create_agent(
        durable(ScriptedModel(script=script), stream="tokens"), [mx_refund], middleware=[DurableTools()]
    )


@workflow
async def mx_aturn(text: str) -> str:
    state = await arun_turn(_graph(), _Turn.threads, "ada", {"messages": [HumanMessage(text)]})
    book("answered")
    return str(state["messages"][-1].text)


@transaction
def mx_thread() -> list[str]:
    return [str(message.text) for message in _Turn.threads.messages("ada") if message.text]


def takes_a_turn(_app: Holdfast) -> object:
    handle = options(id="main").start(mx_aturn, "refund 1 2 3")
    answer = handle.result(timeout=60)
    assert handle.status() is Status.SUCCEEDED
    return [answer, mx_thread()]


AGENTS: tuple[Story, ...] = (
    Story(name="a turn of an agent", tell=takes_a_turn, prepare=opens_the_shop),
    Story(name="a refund, from chat to payment", tell=buys_and_regrets, prepare=opens_the_shop),
)
