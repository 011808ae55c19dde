"""The web application: the chat page, its small API, and the approval pages."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

from apps.refund_agent import agent, backend, events, refunds, reminders
from apps.refund_agent.model import chat_model
from apps.refund_agent.settings import Settings
from holdfast import Config, Holdfast
from holdfast.agents.langgraph import ThreadStore
from holdfast.approvals import Approvals, SmtpDelivery

FILES = Path(__file__).parent / "page"
_POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_LOCAL = {"127.0.0.1", "localhost", "[::1]", "::1"}


class Said(BaseModel):
    """What the customer said, under an id that the page made, so that sending it twice says it once."""

    id: str = Field(pattern=r"^[A-Za-z0-9-]{8,64}$")
    text: str = Field(min_length=1, max_length=4000)


class NewConversation(BaseModel):
    """A conversation, under an id that the page made."""

    id: str = Field(pattern=r"^[A-Za-z0-9-]{8,64}$")
    title: str = Field(min_length=1, max_length=80)


def create_app(settings: Settings) -> FastAPI:
    """Build the application."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    model, model_name = chat_model(settings)
    threads = ThreadStore(settings.database_url)
    refunds.configure(settings)
    agent.configure(model, threads)
    durable = Holdfast(settings.database_url, config=Config(shutdown_timeout=3), queues=[reminders.MAIL])
    approvals = Approvals(
        durable,
        delivery=SmtpDelivery(settings.smtp_url, sender=settings.sender),
        base_url=f"{settings.base_url}/approvals",
    )
    reminders.configure(settings, approvals)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        await threads.asetup()
        async with durable:
            await asyncio.to_thread(backend.prepare)
            await reminders.schedule(durable)
            yield

    web = FastAPI(title="Refund agent", lifespan=life, docs_url=None, redoc_url=None)
    _protect(web, settings)
    _add_pages(web, settings)
    _add_api(web, settings, model_name)
    _add_demo(web, settings, durable)
    web.mount("/approvals", approvals.asgi())
    web.mount("/static", StaticFiles(directory=FILES), name="static")
    return web


def _protect(web: FastAPI, settings: Settings) -> None:
    """Answer to own names only, and take changes from own pages only."""
    hosts = _LOCAL | {urlsplit(settings.base_url).hostname or ""}

    @web.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if (request.url.hostname or "") not in hosts:
            return Response("unknown host", status_code=421)
        if request.method not in {"GET", "HEAD", "OPTIONS"} and _is_from_elsewhere(request):
            return Response("this request comes from another site", status_code=403)
        response = await go_on(request)
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response


def _is_from_elsewhere(request: Request) -> bool:
    """Tell whether another site's page made the browser send this; a page without referrer has the origin `null`."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in {"same-origin", "none"}
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _add_pages(web: FastAPI, settings: Settings) -> None:
    @web.get("/")
    def page() -> FileResponse:
        return FileResponse(FILES / "index.html", headers={"Cache-Control": "no-store"})

    @web.get("/mailbox")
    def mailbox() -> RedirectResponse:
        return RedirectResponse(f"{settings.services_url}/mailbox")

    @web.get("/ledger")
    def ledger() -> RedirectResponse:
        return RedirectResponse(f"{settings.services_url}/ledger")


def _add_api(web: FastAPI, settings: Settings, model_name: str) -> None:
    @web.get("/api/about")
    def about() -> dict[str, Any]:
        return {"model": model_name, "demo": settings.demo, "process": os.getpid()}

    @web.get("/api/orders")
    def orders() -> list[dict[str, str | int]]:
        return backend.list_orders()

    @web.get("/api/conversations")
    def conversations() -> list[dict[str, str]]:
        return backend.list_conversations()

    @web.post("/api/conversations")
    async def new_conversation(new: NewConversation) -> dict[str, str]:
        await backend.open_conversation(new.id, new.title)
        return {"id": new.id}

    @web.post("/api/conversations/{conversation_id}/say", status_code=202)
    async def say(conversation_id: str, said: Said) -> dict[str, str]:
        await backend.say(conversation_id, said.id, said.text)
        return {"id": said.id}

    @web.get("/api/conversations/{conversation_id}/events")
    async def follow(
        conversation_id: str, last_event_id: Annotated[int, Header()] = -1, after: int = -1
    ) -> StreamingResponse:
        found = {conversation["id"] for conversation in await asyncio.to_thread(backend.list_conversations)}
        if conversation_id not in found:
            raise HTTPException(404)
        lines = events.lines(conversation_id, max(after, last_event_id))
        return StreamingResponse(lines, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _add_demo(web: FastAPI, settings: Settings, durable: Holdfast) -> None:
    if not settings.demo:
        return

    @web.post("/api/crash")
    def crash() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @web.post("/api/reset")
    async def reset() -> dict[str, bool]:
        await backend.reset(durable)
        async with httpx.AsyncClient() as client:
            await client.post(f"{settings.services_url}/reset")
        return {"done": True}
