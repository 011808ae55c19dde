"""Approvals by people: `approvals list`, `approvals show`, `approvals decide`."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass

import click
from rich.table import Table

from holdfast.approvals.decision import PENDING, at_time, in_words
from holdfast.approvals.desk import Desk, Verdict
from holdfast.approvals.details import is_intact, recorded_rows
from holdfast.cli.changes import ask
from holdfast.cli.database import reading, url_option, writing
from holdfast.cli.documents import approval_document, audit_document
from holdfast.cli.exits import CommandFailed, Exit
from holdfast.cli.output import at, cell, duration, json_option, print_json, say, show, table
from holdfast.cli.program import load_app
from holdfast.cli.text import spelled_out
from holdfast.core.codec import Codec
from holdfast.core.identity import check_text
from holdfast.core.model import Approval, AuditEntry
from holdfast.errors import ApprovalError
from holdfast.runtime.effects import drive
from holdfast.runtime.engine import Engine
from holdfast.store.base import Store
from holdfast.store.open import open_store

STATUSES = ("pending", "approved", "rejected", "expired", "cancelled")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Office:
    """What a desk needs, without a launched application."""

    codec: Codec
    store: Store
    engine: Engine


@click.group("approvals")
def approvals() -> None:
    """Look at approvals, and decide them."""


@approvals.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Without this: all.")
@click.option("--workflow", "workflow_id", metavar="ID", help="Only those that this workflow asked for.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@json_option
@url_option
def list_approvals(url: str, status: str | None, workflow_id: str | None, limit: int, *, as_json: bool) -> None:
    """List approvals, newest first."""
    with reading(url) as store:
        found = store.approvals(status=status, workflow_id=workflow_id, limit=limit)
        now = store.now()
    if as_json:
        print_json({"approvals": [approval_document(approval) for approval in found]})
    elif not found:
        say("no approvals match")
    else:
        rows = [
            (
                cell(approval.approval_id, length=600),
                cell(approval.status),
                cell(approval.subject),
                cell(at(approval.requested_at, now)),
                cell(_until(approval, now)),
            )
            for approval in found
        ]
        show(table("id", "status", "subject", "asked", "ends / decided", rows=rows, wrap=("id", "subject")))


def _until(approval: Approval, now: float) -> str:
    if approval.status != PENDING:
        return f"{at(approval.decided_at, now)} {approval.decided_by or ''}"
    left = approval.expires_at - now
    return f"in {duration(left)}" if left > 0 else "expired"


@approvals.command("show")
@click.argument("approval_id", metavar="ID")
@json_option
@url_option
def show_approval(url: str, approval_id: str, *, as_json: bool) -> None:
    """Show exactly what is to be decided, and the audit trail."""
    with reading(url) as store:
        approval = _find(store, approval_id)
        trail = store.audit(approval_id)
    if as_json:
        document = approval_document(approval)
        print_json({**document, "intact": is_intact(approval), "audit": [audit_document(entry) for entry in trail]})
        return
    _show(approval)
    show("", _trail(trail))


def _find(store: Store, approval_id: str) -> Approval:
    approval = store.approval(approval_id)
    if approval is None:
        raise CommandFailed(f"there is no approval with the id {approval_id!r} in this database", Exit.NOT_FOUND)
    return approval


def _show(approval: Approval) -> None:
    """Show all of an approval: nothing is cut, since a person judges by it."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("approval", spelled_out(approval.approval_id))
    facts.add_row("of workflow", spelled_out(approval.workflow_id))
    facts.add_row("asked", at_time(approval.requested_at))
    facts.add_row("recipients", spelled_out(", ".join(approval.recipients)))
    facts.add_row("it", spelled_out(in_words(approval)))
    if approval.comment:
        facts.add_row("comment", spelled_out(approval.comment))
    facts.add_row("digest", approval.digest)
    facts.add_row("", "")
    facts.add_row("subject", spelled_out(approval.subject))
    if is_intact(approval):
        for label, value in recorded_rows(approval.details):
            facts.add_row(spelled_out(label), spelled_out(value))
    else:
        facts.add_row("details", "the record is not what its digest was made of: it was altered in the database")
    show(facts)


def _trail(trail: list[AuditEntry]) -> Table:
    rows = [
        (
            cell(at_time(entry.at)),
            cell(entry.event),
            cell(entry.actor),
            cell(" ".join(f"{name}={value}" for name, value in entry.detail.items() if name != "digest")),
        )
        for entry in trail
    ]
    return table("when", "event", "who", "detail", rows=rows, wrap=("who", "detail"))


@approvals.command("decide")
@click.argument("approval_id", metavar="ID")
@click.option("--approve/--reject", "approve", required=True, default=None, help="What is decided.")
@click.option("--by", required=True, metavar="NAME", help="Who decides: goes into the record.")
@click.option("--comment", help="Goes into the record, and to the workflow.")
@click.option("--digest", help="Of what the person saw: if the approval has another one, nothing is decided.")
@click.option("--yes", is_flag=True, help="Do not show it and ask.")
@click.option(
    "--app", "target", metavar="MODULE:NAME", help="The application, if it has a payload codec (it may encrypt)."
)
@json_option
@url_option
def decide_approval(
    url: str, approval_id: str, *, approve: bool, by: str, comment: str | None, digest: str | None, yes: bool,
    target: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Decide an approval for a person whom you know to be entitled.

    What is shown is what is decided: if the record changes in between, nothing is. The first decision counts; a later
    one is refused, and told who decided and when. The audit trail says which user of this machine ran the command.
    """
    codec = load_app(target).codec if target is not None else None
    with writing(open_store(url), codec) as engine:
        approval = _find(engine.store, approval_id)
        if not is_intact(approval):
            raise ApprovalError(f"approval {approval_id!r} was altered in the database: nothing was decided")
        if not yes:
            _show(approval)
            ask(f"{'approve' if approve else 'reject'} this, as {by}?")
        desk = Desk(_Office(codec=engine.codec, store=engine.store, engine=engine))
        verdict = Verdict(
            status="approved" if approve else "rejected",
            by=check_text("--by", by),
            via="code",
            comment=comment,
            digest=digest or approval.digest,
            detail={"command": "holdfast approvals decide", "user": _user(), "host": socket.gethostname()},
        )
        decision = drive(desk.settle(approval_id, verdict))
    if as_json:
        print_json({"id": approval_id, "status": decision.status, "by": decision.decided_by})
    else:
        say(f"approval {approval_id} is {decision.status} by {decision.decided_by}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
