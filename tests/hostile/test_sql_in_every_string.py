"""Text that databases give a meaning to, in every string that reaches a query: it is text, and finds its own rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast import (
    Client,
    Holdfast,
    Queue,
    Status,
    WorkflowFilter,
    get_event,
    options,
    read_stream,
    set_attributes,
    set_event,
    workflow,
    write_stream,
)
from holdfast.approvals import ApprovalRequest, Approvals, request_approval
from tests.engine.conftest import QUICK
from tests.helpers import eventually
from tests.hostile.test_identities import SURVIVE

TEXTS = [text for text in SURVIVE if len(text) < 100]
NAMES = [text for text in TEXTS if not any(mark in text for mark in "/#[")]
"""A schedule's name has no separators."""


class Inbox:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.requests: list[ApprovalRequest] = []

    def deliver(self, request: ApprovalRequest) -> None:
        """Keep it."""
        self.requests.append(request)


@workflow
def sql_publishes(text: str) -> str:
    set_event(text, text)
    write_stream(text, text)
    set_attributes(**{text: text})
    return text


@workflow
def sql_fails(text: str) -> None:
    raise ValueError(f"because of {text}!")


@workflow
def sql_asks(text: str) -> str:
    decision = request_approval(text, {text: text}, to="manager@example.com")
    return f"{decision.status} by {decision.decided_by}: {decision.comment}"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def app(store_url: str, inbox: Inbox) -> Iterator[Holdfast]:
    made = Holdfast(store_url, config=QUICK, queues=[Queue(text, concurrency=2) for text in TEXTS])
    Approvals(made, delivery=inbox, base_url="https://example.com/approvals")
    with made:
        yield made


def ids(app: Holdfast, where: WorkflowFilter) -> list[str]:
    """List ids, in order."""
    return sorted(each.workflow_id for each in app.list_workflows(where))


def test_events_streams_attributes_queues_and_keys_are_found_by_their_own_text(app: Holdfast) -> None:
    for place, text in enumerate(TEXTS):
        chosen = options(id=f"w{place}", queue=text, partition=text, dedup=text)
        assert chosen.start(sql_publishes, text).result(30) == text
    for place, text in enumerate(TEXTS):
        assert get_event(f"w{place}", text, timeout=0) == text
        assert next(iter(read_stream(f"w{place}", text))) == (0, text)
        assert ids(app, WorkflowFilter(attributes={text: text})) == [f"w{place}"]
        assert ids(app, WorkflowFilter(queue=text)) == [f"w{place}"]
        assert app.get_workflow(f"w{place}").partition == text
        for where in (WorkflowFilter(name=text), WorkflowFilter(id_prefix=text), WorkflowFilter(parent_id=text)):
            assert ids(app, where) == []


def test_errors_are_searched_for_a_text_as_it_is(app: Holdfast) -> None:
    for place, text in enumerate(TEXTS):
        failed = options(id=f"w{place}").start(sql_fails, text)
        eventually(lambda: failed.status() is Status.FAILED)  # noqa: B023 - called at once
    for place, text in enumerate(TEXTS):
        if text.isascii() and not set(text) & set("\"\\'"):
            # Others are searched for as they are written in JSON.
            assert ids(app, WorkflowFilter(error=f"because of {text}!")) == [f"w{place}"]
        else:
            assert f"w{place}" not in ids(app, WorkflowFilter(error=f"{text} and more"))


def test_schedules_and_names_of_workflows_are_found_by_their_own_text(app: Holdfast, store_url: str) -> None:
    for text in NAMES:
        app.schedules.create(text, sql_publishes, "0 0 1 1 *", args=(text,))
    assert {each.name for each in app.schedules.list()} == set(NAMES)
    for text in NAMES:
        app.schedules.pause(text)
        assert [each.name for each in app.schedules.list() if each.paused] == [text]
        app.schedules.resume(text)
    with Client(store_url) as client:
        started = {client.start(text, 1).id: text for text in NAMES}
    assert {each.workflow_id: each.name for each in app.list_workflows()} == started


def test_approvals_hold_what_was_written_and_are_decided_each_by_itself(app: Holdfast, inbox: Inbox) -> None:
    approvals = app.extensions[Approvals]
    plain = [text for text in TEXTS if text.isprintable()]
    for place, text in enumerate(plain):
        options(id=f"w{place}").start(sql_asks, text)
    eventually(lambda: len(inbox.requests) == len(plain))
    for place, text in enumerate(plain):
        [approval] = approvals.list(workflow_id=f"w{place}")
        assert approval.subject == text
        approvals.decide(approval.approval_id, place % 2 == 0, by=text, comment=text)
    for place, text in enumerate(plain):
        said = "approved" if place % 2 == 0 else "rejected"
        assert app.retrieve(f"w{place}").result(30) == f"{said} by {text}: {text}"
    assert approvals.list(status="pending' OR '1'='1") == []
