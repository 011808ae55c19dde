"""The pages behind the links, as Starlette routes that any application mounts.

GET shows what is recorded and changes nothing but the audit trail's `viewed`. Only a POST decides: from the page's own
form, with an explicit choice and the code from the mail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.approvals.decision import PENDING
from holdfast.approvals.desk import Desk
from holdfast.approvals.details import recorded_rows
from holdfast.approvals.pages.counter import LONGEST_COMMENT, Answer, Counter, Opened
from holdfast.approvals.templating import templates
from holdfast.errors import HoldfastError, MissingExtra

try:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
    from starlette.routing import BaseRoute, Route

    from holdfast.approvals.pages.guard import BodyTooLarge, Guard, form_of, is_nonce_of, new_nonce
except ImportError:
    raise MissingExtra("the approval pages", "web") from None

_STYLE = Path(__file__).parent / "static" / "approval.css"
_HTTP_STATUS = {PENDING: 200, "locked": 423, "altered": 409}
_USER_AGENT_KEPT = 200
_STALE = "This page was open for too long, or again in another window. Nothing was recorded: please choose once more."


def routes(desk: Desk, base_url: str) -> Sequence[BaseRoute]:
    """Make the routes, to go below the path of `base_url`."""
    return _routes(_Pages(desk, base_url))


def site(desk: Desk, base_url: str) -> Starlette:
    """Make the pages an application to mount."""
    pages = _Pages(desk, base_url)
    return Starlette(routes=_routes(pages), exception_handlers={404: pages.unknown, 405: pages.not_so})


def _routes(pages: _Pages) -> list[BaseRoute]:
    return [
        Route("/static/approval.css", pages.style, methods=["GET"]),
        Route("/{token}", pages.show, methods=["GET"]),
        Route("/{token}", pages.decide, methods=["POST"]),
    ]


class _Pages:
    """The endpoints."""

    def __init__(self, desk: Desk, base_url: str) -> None:
        self._counter = Counter(desk)
        self._guard = Guard(base_url)
        self._templates = templates("the approval pages")

    async def style(self, request: Request) -> Response:
        response = self._guard.dress(FileResponse(_STYLE, media_type="text/css"))
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response

    async def unknown(self, request: Request, error: Exception) -> Response:
        return self._plain("unknown", 404)

    async def not_so(self, request: Request, error: Exception) -> Response:
        return self._guard.dress(Response(status_code=405, headers={"Allow": "GET, HEAD, POST"}))

    async def show(self, request: Request) -> Response:
        """Show what a link is about. It decides nothing and uses nothing up, whatever opens it and however often."""
        token = _token_of(request)
        try:
            opened = await run_in_threadpool(self._counter.open, token)
            if opened is None:
                return self._plain("unknown", 404)
            if request.method == "GET":
                await run_in_threadpool(self._counter.viewed, opened, _visitor(request))
        except HoldfastError:
            return self._plain("unavailable", 503)
        return self._page(request, opened, status_code=_HTTP_STATUS.get(opened.state, 200))

    async def decide(self, request: Request) -> Response:
        """Take the form."""
        token, visitor = _token_of(request), _visitor(request)
        try:
            form = await form_of(request)
            refused = await self._refused(request, token, form, visitor)
            if refused is not None:
                return refused
            answer = await run_in_threadpool(self._counter.take, token, form, visitor)
        except BodyTooLarge:
            return self._plain("too_large", 413)
        except HoldfastError:
            return self._plain("unavailable", 503)
        return self._plain("unknown", 404) if answer is None else self._answered(request, answer, form)

    def _answered(self, request: Request, answer: Answer, form: Mapping[str, str]) -> Response:
        if answer.counted:
            # The answer to a GET can be reloaded without sending the form again.
            return self._guard.dress(RedirectResponse(answer.opened.token, status_code=303))
        if answer.opened.state == PENDING:
            return self._page(request, answer.opened, status_code=422, errors=answer.errors, form=form)
        return self._page(request, answer.opened, status_code=_HTTP_STATUS.get(answer.opened.state, 409))

    async def _refused(
        self, request: Request, token: str, form: Mapping[str, str], visitor: Mapping[str, str]
    ) -> Response | None:
        """Refuse what no form of this page sent."""
        opened = await run_in_threadpool(self._counter.open, token)
        if opened is None:
            return self._plain("unknown", 404)
        if not self._guard.is_own_form(request):
            await run_in_threadpool(self._counter.refuse, opened, "sent by another site", visitor)
            return self._plain("foreign", 403)
        browser = self._guard.browser_of(request)
        if opened.state == PENDING and not is_nonce_of(form.get("nonce", ""), browser, token, form.get("digest", "")):
            await run_in_threadpool(self._counter.refuse, opened, "nonce", visitor)
            return self._page(request, opened, status_code=403, errors={"page": _STALE}, form=form)
        return None

    def _page(
        self,
        request: Request,
        opened: Opened,
        *,
        status_code: int,
        errors: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Response:
        browser, approval = self._guard.browser_of(request), opened.approval
        page = self._templates.get_template("approval.html").render(
            approval=approval,
            rows=() if opened.altered else recorded_rows(approval.details),
            recipient=opened.recipient,
            state=opened.state,
            wanted=request.query_params.get("for"),
            errors=errors or {},
            form=_kept(form or {}),
            nonce=new_nonce(browser, opened.token, approval.digest),
            longest_comment=LONGEST_COMMENT,
        )
        response = self._guard.dress(HTMLResponse(page, status_code=status_code))
        if opened.state == PENDING:
            self._guard.remember(response, browser)
        return response

    def _plain(self, why: str, status_code: int) -> Response:
        page = self._templates.get_template("notice.html").render(why=why)
        return self._guard.dress(HTMLResponse(page, status_code=status_code))


def _token_of(request: Request) -> str:
    token: str = request.path_params["token"]
    # Servers log the scope's path once the answer has begun; a token must not end up there.
    request.scope["path"] = f"{request.scope.get('root_path', '')}/[link]"
    request.scope["raw_path"] = request.scope["path"].encode()
    return token


def _visitor(request: Request) -> dict[str, str]:
    """Return what is known of who asks, for the audit trail."""
    agent = request.headers.get("user-agent", "")[:_USER_AGENT_KEPT]
    return {"ip": request.client.host if request.client else "", "user_agent": agent}


def _kept(form: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form that is shown again still holds: all but the code."""
    return {"choice": form.get("choice", ""), "comment": form.get("comment", "")}
