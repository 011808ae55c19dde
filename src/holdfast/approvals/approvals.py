"""An application's approvals: how requests go out, where their links lead, and how to decide from code."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from holdfast import Holdfast, RetryPolicy
from holdfast.api.launched import refuse_on_event_loop
from holdfast.approvals.decision import Decision
from holdfast.approvals.delivery import ApprovalLinks, Delivery
from holdfast.approvals.desk import Desk, Verdict
from holdfast.core.identity import check_text
from holdfast.core.model import Approval, AuditEntry
from holdfast.core.options import Duration, seconds
from holdfast.errors import ConfigurationError
from holdfast.runtime.effects import drive, drive_async

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

_QUICK_RETRIES = RetryPolicy(retries=3, backoff=1.0, max_delay=10.0)


class Approvals:
    """What `request_approval()` in the application's workflows works with.

    `base_url` is where the pages are reached from outside, their mount included: `https://example.com/approvals`.
    Links are made from it alone, never from what a request says its host is. `retry` are the quick attempts of one
    delivery; if all of them fail, the next follow after `redeliver_after` seconds, then after twice as long and so
    on up to an hour, until the approval expires.

    Make one before the application is launched: interrupted workflows may ask at once. Raises `ConfigurationError`.
    """

    def __init__(
        self,
        app: Holdfast,
        *,
        delivery: Delivery,
        base_url: str,
        retry: RetryPolicy = _QUICK_RETRIES,
        redeliver_after: Duration = 60.0,
    ) -> None:
        if Approvals in app.extensions:
            raise ConfigurationError("this application has its Approvals already; one serves all its workflows")
        self.delivery = delivery
        self.base_url = _checked(base_url)
        self.retry = retry
        self.redeliver_after = seconds(redeliver_after)
        if not self.redeliver_after:
            raise ConfigurationError("redeliver_after= must be more than 0: it is the pause between failed deliveries")
        self.desk = Desk(app)
        app.codec.register(Decision, name="holdfast.Decision")
        app.extensions[Approvals] = self

    def links(self, token: str) -> ApprovalLinks:
        """Make the addresses of the page that a token opens."""
        page = f"{self.base_url}/{token}"
        return ApprovalLinks(approve=f"{page}?for=approve", reject=f"{page}?for=reject")

    # Looking

    def get(self, approval_id: str) -> Approval:
        """Read an approval. Raises `ApprovalError` if there is none."""
        return self.desk.require(approval_id)

    def list(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 100
    ) -> builtins.list[Approval]:
        """List approvals, newest first: of one status (`pending`, `approved`, …), of one workflow."""
        return self.desk.listed(status, workflow_id, limit)

    def audit(self, approval_id: str) -> builtins.list[AuditEntry]:
        """Read an approval's audit trail: who was asked, who looked, who decided, what was refused."""
        return self.desk.trail(approval_id)

    # Deciding

    def decide(
        self,
        approval_id: str,
        approve: bool,  # noqa: FBT001 - the one thing that is decided
        *,
        by: str,
        comment: str | None = None,
        digest: str | None = None,
    ) -> Decision:
        """Decide for somebody whom the application knows to be entitled: a signed-in manager on a page of its own.

        `by` names that person. `digest`, if given, is that of the `Approval` which the person saw: if it has changed,
        nothing is decided. The same decision by the same person again gives the same answer.

        Raises `ApprovalError`: unknown, expired, withdrawn, changed, or decided otherwise: it says what, by whom, when.
        """
        refuse_on_event_loop("Approvals.decide()", "await approvals.adecide(…)")
        return drive(self.desk.settle(approval_id, _verdict(approve, by, comment, digest)))

    async def adecide(
        self,
        approval_id: str,
        approve: bool,  # noqa: FBT001 - the one thing that is decided
        *,
        by: str,
        comment: str | None = None,
        digest: str | None = None,
    ) -> Decision:
        """Decide in a coroutine; see `decide`."""
        return await drive_async(self.desk.settle(approval_id, _verdict(approve, by, comment, digest)))

    # Pages

    def routes(self) -> Sequence[BaseRoute]:
        """Return Starlette routes for the pages, to go below the path of `base_url`. Raises `MissingExtra`."""
        from holdfast.approvals.pages.site import routes

        return routes(self.desk, self.base_url)

    def asgi(self) -> ASGIApp:
        """Return the pages as an application to mount: `app.mount("/approvals", approvals.asgi())`.

        Raises `MissingExtra`.
        """
        from holdfast.approvals.pages.site import site

        return site(self.desk, self.base_url)


def _verdict(approve: bool, by: str, comment: str | None, digest: str | None) -> Verdict:  # noqa: FBT001 - as in decide
    status = "approved" if approve else "rejected"
    return Verdict(status=status, by=check_text("by=", by), via="code", comment=comment, digest=digest)


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError(
            f"base_url= is the address of the approval pages, such as https://example.com/approvals, not {base_url!r}"
        )
    return base_url.rstrip("/")
