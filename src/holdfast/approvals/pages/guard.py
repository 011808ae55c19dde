"""What tells a person's own form from everything else that may reach the pages: other sites, robots, old tabs.

No server-side secret: a form's nonce is bound to a random cookie that only this browser and this site have.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

LARGEST_BODY = 64 * 1024
_MOST_FIELDS = 20
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_DIGEST = hashlib.sha256


class BodyTooLarge(Exception):
    """The form is larger than any person's."""


class Guard:
    """Checks and headers for pages that are reached at `base_url`."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}".lower()
        self._secure = parts.scheme == "https"
        # The prefix keeps sibling domains from planting the cookie; browsers honour it over https only.
        self._cookie = "__Host-holdfast-approval" if self._secure else "holdfast-approval"
        # A browser that sends no referrer says `Origin: null`, and where a form came from only in Sec-Fetch-Site,
        # which it sends to trustworthy addresses alone. Elsewhere the origin is needed, so it may tell this site.
        trustworthy = self._secure or parts.hostname in _LOOPBACK
        self._referrer_policy = "no-referrer" if trustworthy else "same-origin"

    def dress(self, response: Response) -> Response:
        """Add the headers that every page carries."""
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
                "frame-ancestors 'none'; base-uri 'none'",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Permissions-Policy": "interest-cohort=()",
                "Referrer-Policy": self._referrer_policy,
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "X-Robots-Tag": "noindex, nofollow",
            }
        )
        return response

    def is_own_form(self, request: Request) -> bool:
        """Tell whether a POST was sent by a page of this very site."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin" and origin is not None and origin.lower() in {self._origin, "null"}
        return origin is not None and origin.lower() == self._origin

    def browser_of(self, request: Request) -> str:
        """Return the browser's own random value, a new one if it has none."""
        return request.cookies.get(self._cookie) or secrets.token_urlsafe(24)

    def remember(self, response: Response, browser: str) -> None:
        """Let the browser keep its value."""
        response.set_cookie(self._cookie, browser, path="/", secure=self._secure, httponly=True, samesite="strict")


def new_nonce(browser: str, token: str, digest: str) -> str:
    """Make the nonce of one rendering of a form: good for this browser, this link and what is shown on the page."""
    salt = secrets.token_urlsafe(12)
    return f"{salt}.{_seal(browser, salt, token, digest)}"


def is_nonce_of(nonce: str, browser: str, token: str, digest: str) -> bool:
    """Tell, in constant time, whether a nonce was made by `new_nonce` for the same three."""
    salt, _, seal = nonce.partition(".")
    return hmac.compare_digest(seal.encode("utf-8", "replace"), _seal(browser, salt, token, digest).encode())


def _seal(browser: str, salt: str, token: str, digest: str) -> str:
    told = f"{salt}\n{token}\n{digest}".encode("utf-8", "replace")
    return hmac.new(browser.encode("utf-8", "replace"), told, _DIGEST).hexdigest()


async def form_of(request: Request) -> Mapping[str, str]:
    """Read a form's fields; what is no form is an empty one. Raises `BodyTooLarge`."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BodyTooLarge
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return {}
    try:
        text = body.decode("ascii", "replace")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace"))
    except ValueError:
        return {}
