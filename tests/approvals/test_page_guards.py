"""What the pages take from browsers and give to them; one kind of store will do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.responses import Response

from holdfast.approvals import Approvals
from holdfast.approvals.pages.guard import Guard
from tests.approvals.kit import MANAGER, ORIGIN, Ask, Inbox, Person, hidden_fields, status, trail
from tests.helpers import aeventually

HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=1> [click](https://evil.example) {{ 7*7 }} \u202etxt.exe\u200b\x00'
)


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """Nothing here depends on the kind of store."""
    return sqlite_url


async def test_the_page_shows_what_was_recorded_and_chooses_nothing(ask: Ask, person: Person) -> None:
    _, request = await ask(Amount="1,299.00", Customer="Ada")
    approve, reject = await person.open(request.links.approve), await person.open(request.links.reject)
    for page in (approve.text, reject.text):
        assert "Refund order 42" in page
        assert all(text in page for text in ("Amount", "1,299.00", "Customer", "Ada", MANAGER))
        assert "checked" not in page
        assert request.code not in page
        assert "<script" not in page
    assert "Approve this?" in approve.text
    assert "Reject this?" in reject.text


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "Choose whether"),
        ({"choice": "approve"}, "Type the six-digit code"),
        ({"choice": "both", "code": "right"}, "Choose whether"),
        ({"code": "right"}, "Choose whether"),
        ({"choice": "approve", "code": "right", "comment": "x" * 2001}, "up to 2000 characters"),
        ({"choice": "approve", "code": "test@example.com"}, "Type the six-digit code"),
        ({"choice": "approve", "code": "\ud83d"}, "Type the six-digit code"),
        ({"choice": "approve", "code": "\u0661\u0662\u0663\u0664\u0665\u0666"}, "Type the six-digit code"),
        ({"choice": "approve", "code": "wrong"}, "not the code in the mail"),
    ],
)
async def test_an_incomplete_form_is_asked_for_again_in_words(
    ask: Ask, approvals: Approvals, person: Person, fields: dict[str, str], complaint: str
) -> None:
    _, request = await ask()
    codes = {"right": request.code, "wrong": f"{(int(request.code) + 1) % 10**6:06}"}
    filled = {name: codes.get(value, value).encode("utf-8", "replace").decode() for name, value in fields.items()}
    answer = await person.send(request, {**filled, "comment": filled.get("comment", "kept")})
    assert answer.status_code == 422
    assert complaint in answer.text
    assert 'role="alert"' in answer.text
    assert ("kept" in answer.text) == ("comment" not in filled)
    assert ("checked" in answer.text) == (fields.get("choice") == "approve")
    assert status(approvals, request) == "pending"


@pytest.mark.parametrize("change", ["unknown", "cut", "longer", "other digest", "odd"])
async def test_unknown_and_forged_tokens_look_the_same(ask: Ask, person: Person, change: str) -> None:
    _, request = await ask()
    token = request.links.approve.rpartition("/")[2].partition("?")[0]
    forged = {
        "unknown": "x" * len(token),
        "cut": token[:-1],
        "longer": f"{token}0",
        "other digest": token.partition(".")[0] + ".0" * 16,
        "odd": "%F0%9F%98%80%00%ED%A0%80",
    }[change]
    opened = await person.open(f"{ORIGIN}/approvals/{forged}")
    posted = await person.client.post(
        f"{ORIGIN}/approvals/{forged}", data={"choice": "approve"}, headers=person.same_origin
    )
    unknown = await person.open(f"{ORIGIN}/approvals/nothing")
    assert opened.status_code == posted.status_code == unknown.status_code == 404
    assert opened.text == posted.text == unknown.text
    assert token not in opened.text


async def test_a_form_that_showed_something_else_is_refused(ask: Ask, approvals: Approvals, person: Person) -> None:
    _, request = await ask()
    answer = await person.decide(request, "approve", digest="0" * 64)
    assert answer.status_code == 403
    assert status(approvals, request) == "pending"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://refunds.example.com"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_a_form_that_another_site_sends_is_refused(
    ask: Ask, approvals: Approvals, person: Person, headers: dict[str, str]
) -> None:
    _, request = await ask()
    person.same_origin = headers
    answer = await person.decide(request, "approve")
    assert (answer.status_code, "another site" in answer.text) == (403, True)
    assert status(approvals, request) == "pending"
    assert trail(approvals, request, "refused")[-1].detail["reason"] == "sent by another site"


async def test_without_fetch_metadata_the_right_origin_will_do(ask: Ask, approvals: Approvals, person: Person) -> None:
    _, request = await ask()
    person.same_origin = {"Origin": ORIGIN}
    assert (await person.decide(request, "approve")).status_code == 303


async def test_a_nonce_is_good_in_its_own_browser_only(
    ask: Ask, approvals: Approvals, person: Person, new_person: Callable[[], Person]
) -> None:
    _, request = await ask()
    hidden = hidden_fields((await person.open(request.links.approve)).text)
    form = {**hidden, "choice": "approve", "code": request.code}
    stranger = new_person()
    async with stranger.client:
        answer = await stranger.client.post(request.links.approve, data=form, headers=person.same_origin)
    assert (answer.status_code, "please choose once more" in answer.text) == (403, True)
    form["nonce"] = "x.y"
    assert (await person.client.post(request.links.approve, data=form, headers=person.same_origin)).status_code == 403
    del form["nonce"]
    assert (await person.client.post(request.links.approve, data=form, headers=person.same_origin)).status_code == 403
    assert status(approvals, request) == "pending"


async def test_the_page_is_asked_for_again_with_a_form_that_works(ask: Ask, person: Person) -> None:
    _, request = await ask()
    refused = await person.decide(request, "approve", nonce="stale")
    form = {**hidden_fields(refused.text), "choice": "approve", "code": request.code}
    answer = await person.client.post(request.links.approve, data=form, headers=person.same_origin)
    assert answer.status_code == 303


async def test_two_windows_of_one_browser_both_work(ask: Ask, person: Person) -> None:
    _, request = await ask()
    first = hidden_fields((await person.open(request.links.approve)).text)
    second = hidden_fields((await person.open(request.links.reject)).text)
    assert first["nonce"] != second["nonce"]
    form = {**first, "choice": "approve", "code": request.code}
    assert (await person.client.post(request.links.approve, data=form, headers=person.same_origin)).status_code == 303


async def test_pages_carry_headers_that_keep_them_to_themselves(ask: Ask, person: Person) -> None:
    _, request = await ask()
    for link in (request.links.approve, f"{ORIGIN}/approvals/nothing"):
        headers = (await person.open(link)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    cookie = (await person.open(request.links.approve)).headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert all(flag in cookie for flag in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"))
    style = await person.open(f"{ORIGIN}/approvals/static/approval.css")
    assert style.headers["content-type"].startswith("text/css")


def test_without_https_the_origin_is_still_told() -> None:
    assert Guard("http://intranet/approvals").dress(Response()).headers["referrer-policy"] == "same-origin"
    assert Guard("http://127.0.0.1:8000/a").dress(Response()).headers["referrer-policy"] == "no-referrer"


async def test_links_lead_where_the_configuration_says_whatever_the_host_header_says(
    ask: Ask, inbox: Inbox, approvals: Approvals, person: Person
) -> None:
    _, request = await ask()
    spoofed = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    page = await person.client.get(request.links.approve, headers=spoofed)
    assert "evil.example" not in f"{page.text}{page.headers}"
    form = {**hidden_fields(page.text), "choice": "approve", "code": request.code}
    answer = await person.client.post(request.links.approve, data=form, headers={**person.same_origin, **spoofed})
    assert answer.status_code == 303
    assert "evil.example" not in str(answer.headers)
    await ask()
    assert all(each.links.approve.startswith(f"{ORIGIN}/approvals/") for each in inbox.requests)


async def test_what_others_wrote_is_shown_and_does_nothing(ask: Ask, person: Person) -> None:
    _, request = await ask(**{HOSTILE: HOSTILE})
    page = (await person.open(request.links.approve)).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert "<script" not in page
    assert "<img" not in page
    assert 'href="https://evil' not in page
    assert not {"\u202e", "\u200b", "\x00"} & set(page)
    assert page.count('<span class="odd"') == 6
    assert "⟨U+202E⟩" in page


async def test_a_value_of_a_million_characters_is_cut_and_can_be_read_whole(ask: Ask, person: Person) -> None:
    _, request = await ask(Letter="dear sir, " * 100_000)
    page = (await person.open(request.links.approve)).text
    assert "999,400 more characters: show all 1,000,000" in page
    assert page.count("dear sir, ") >= 100_000


async def test_a_form_larger_than_a_person_s_is_refused(ask: Ask, approvals: Approvals, person: Person) -> None:
    _, request = await ask()
    assert (await person.decide(request, "approve", comment="x" * 70_000)).status_code == 413
    many = {f"field{number}": "x" for number in range(30)}
    assert (await person.decide(request, "approve", **many)).status_code == 403
    odd = await person.client.post(
        request.links.approve, content=b"{}", headers={**person.same_origin, "Content-Type": "application/json"}
    )
    assert odd.status_code == 403
    assert status(approvals, request) == "pending"


async def test_opening_a_link_over_and_over_does_not_fill_the_trail(
    ask: Ask, approvals: Approvals, person: Person
) -> None:
    _, request = await ask()
    for number in range(1, 31):
        assert (await person.open(request.links.approve)).status_code == 200
        expected = min(number, 20)
        await aeventually(lambda expected=expected: len(trail(approvals, request, "viewed")) == expected)  # type: ignore[misc]  # mypy does not infer a lambda with a default
