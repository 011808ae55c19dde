"""What the page asks for: conversations and what is said in them, orders, reset."""

from __future__ import annotations

import asyncio

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, mapped_column

from apps.refund_agent import agent, orders
from holdfast import Holdfast, WorkflowFilter, asend, options, retrieve, sql_session, transaction


class Conversation(orders.Base):
    """A conversation of the customer's; its id is its workflow's."""

    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]


@transaction
def prepare() -> None:
    """Create the shop's tables."""
    orders.create_and_seed(sql_session())


@transaction
def list_conversations() -> list[dict[str, str]]:
    """List the conversations, oldest first."""
    found = sql_session().scalars(select(Conversation).order_by(Conversation.id))
    return [{"id": conversation.id, "title": conversation.title} for conversation in found]


@transaction
def add_conversation(conversation_id: str, title: str) -> None:
    """Add a conversation unless it is there."""
    if sql_session().get(Conversation, conversation_id) is None:
        sql_session().add(Conversation(id=conversation_id, title=title))


@transaction
def list_orders() -> list[dict[str, str | int]]:
    """List the orders with the state of their refunds."""
    return orders.overview(sql_session())


@transaction
def forget_everything() -> None:
    """Bring the shop back to its beginning."""
    session = sql_session()
    for table in (orders.Refund, orders.Order, Conversation):
        session.execute(delete(table))
    session.flush()
    orders.create_and_seed(session)


async def open_conversation(conversation_id: str, title: str) -> None:
    """Start a conversation's workflow, or find it again."""
    await asyncio.to_thread(add_conversation, conversation_id, title)
    await options(id=conversation_id).astart(agent.conversation)


async def say(conversation_id: str, message_id: str, text: str) -> None:
    """Hand in what the customer said, once however often the page sends it."""
    await asend(
        conversation_id, {"kind": "said", "id": message_id, "text": text}, topic="inbox", key=f"said-{message_id}"
    )


async def reset(app: Holdfast) -> None:
    """Cancel all that runs and begin anew."""
    for record in await asyncio.to_thread(app.list_workflows, WorkflowFilter(limit=10_000)):
        if not record.status.is_terminal and record.parent_id is None:
            await retrieve(record.workflow_id).acancel()
    await asyncio.to_thread(forget_everything)
