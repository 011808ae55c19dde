"""The desk: where approvals are looked up, decided, voided and audited, for code and for the pages alike.

The store decides in one commit who was first; everything here that looks before it writes does so to give a better
answer, never to make the decision safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from holdfast.approvals.decision import PENDING, Decision, in_words
from holdfast.approvals.links import hash_of
from holdfast.core.codec import Codec
from holdfast.core.model import Approval, AuditEntry, Message
from holdfast.errors import ApprovalError
from holdfast.runtime.committer import Ticket
from holdfast.runtime.effects import Durable, Flow
from holdfast.runtime.engine import Engine
from holdfast.store.base import Store
from holdfast.store.writes import Audit, Decide, Receipt, Unit

T = TypeVar("T")


class Office(Protocol):
    """Where a desk stands: a launched application, or a program that only looks at its database."""

    @property
    def codec(self) -> Codec:
        """What encodes the message that wakes the workflow."""

    @property
    def store(self) -> Store:
        """The database."""

    @property
    def engine(self) -> Engine:
        """What writes to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What somebody wants an approval to become."""

    status: str
    by: str
    via: str
    comment: str | None = None
    digest: str | None = None
    """Of what was shown to the person; None does not ask."""
    detail: dict[str, str] = field(default_factory=dict)
    """For the audit trail."""


def topic_of(approval_id: str) -> str:
    """Name the topic on which the workflow hears that its approval was decided."""
    return f"approval:{approval_id}"


def decide_write(codec: Codec, approval: Approval, verdict: Verdict, *, sent_at: float) -> Decide:
    """Make the write that decides. The message only wakes the workflow: what was decided stands in the record."""
    return Decide(
        approval_id=approval.approval_id,
        status=verdict.status,
        decided_by=verdict.by,
        comment=verdict.comment,
        via=verdict.via,
        expected_digest=verdict.digest,
        message=Message(
            workflow_id=approval.workflow_id,
            message_id=f"{approval.approval_id}:decided",
            topic=topic_of(approval.approval_id),
            body=codec.encode(approval.approval_id),
            sent_at=sent_at,
        ),
        detail=verdict.detail,
    )


def end_of(codec: Codec, approval: Approval, status: str, via: str) -> Decide:
    """Make the write that ends an approval without anybody's decision; made twice, it is the same write."""
    return decide_write(codec, approval, Verdict(status=status, by=via, via=via), sent_at=approval.expires_at)


class Desk:
    """Reads and decides the approvals of one application. Works in any process in which it is launched."""

    def __init__(self, app: Office) -> None:
        self._app = app

    # Looking

    def read(self, look: Callable[[], T]) -> Flow[T]:
        """Look something up, off the event loop, waiting while the database is away."""
        return (yield from self._app.engine.read(look))

    def find(self, approval_id: str) -> Approval | None:
        """Read an approval as it stands."""
        return self._app.store.approval(approval_id)

    def require(self, approval_id: str) -> Approval:
        """Read an approval as it stands. Raises `ApprovalError` if there is none."""
        approval = self.find(approval_id)
        if approval is None:
            raise ApprovalError(f"there is no approval with the id {approval_id!r} in this database")
        return approval

    def by_token(self, token: str) -> tuple[Approval, str] | None:
        """Find the approval and the recipient that a link belongs to."""
        return self._app.store.approval_by_token(hash_of(token))

    def listed(self, status: str | None, workflow_id: str | None, limit: int) -> list[Approval]:
        """List approvals, newest first."""
        return self._app.store.approvals(status=status, workflow_id=workflow_id, limit=limit)

    def trail(self, approval_id: str) -> list[AuditEntry]:
        """Read an approval's audit trail."""
        return self._app.store.audit(approval_id)

    def now(self) -> float:
        """Tell the time by the database's clock."""
        return self._app.engine.clock.now()

    def standing(self, approval: Approval) -> Approval:
        """Tell how an approval stands for somebody who wants to decide it now.

        One that nobody can decide any more, though nobody has written that down yet, counts as ended.
        """
        if approval.status != PENDING:
            return approval
        if self.now() >= approval.expires_at:
            return replace(approval, status="expired", decided_at=approval.expires_at, via="timeout")
        ended_at = self._workflow_ended_at(approval.workflow_id)
        if ended_at is not None:
            return replace(approval, status="cancelled", decided_at=ended_at, via="cancel")
        return approval

    def _workflow_ended_at(self, workflow_id: str) -> float | None:
        record = self._app.store.get_workflow(workflow_id)
        if record is None:
            return None
        return record.finished_at if record.status.is_terminal else record.cancel_at

    # Writing

    def decide(self, approval: Approval, verdict: Verdict) -> Flow[Approval]:
        """Decide, unless that is done already; return the approval as it stands afterwards."""
        codec, now = self._app.codec, self.now()
        standing = yield from self.read(lambda: self.standing(approval))
        if standing.status == "cancelled":
            write = end_of(codec, approval, "cancelled", "cancel")
        else:
            write = decide_write(codec, approval, verdict, sent_at=now)
        receipt: Receipt = yield Durable(self._submit(write))
        decided: Approval | None = receipt.results[0]
        return approval if decided is None else decided

    def settle(self, approval_id: str, verdict: Verdict) -> Flow[Decision]:
        """Decide by id, for somebody who is known to be entitled.

        Raises `ApprovalError`: unknown, expired, withdrawn, changed, or decided otherwise: it says what, by whom, when.
        """
        approval = yield from self.read(lambda: self.require(approval_id))
        decided = yield from self.decide(approval, verdict)
        if decided.status == verdict.status and decided.decided_by == verdict.by:
            return Decision.of(decided)
        if decided.status == PENDING and verdict.digest is not None and verdict.digest != decided.digest:
            raise ApprovalError(f"approval {approval_id!r} is not what was shown: show it again, nothing was decided")
        standing = yield from self.read(lambda: self.standing(decided))
        raise ApprovalError(f"approval {approval_id!r} {in_words(standing)}; nothing was changed")

    def note(self, approval: Approval, event: str, actor: str | None, detail: dict[str, str]) -> Ticket:
        """Append a line to the audit trail; the ticket tells when it is written."""
        entry = AuditEntry(approval_id=approval.approval_id, at=self.now(), event=event, actor=actor, detail=detail)
        return self._submit(Audit(entry=entry))

    def _submit(self, write: Decide | Audit) -> Ticket:
        return self._app.engine.committer.submit(Unit(writes=(write,)))
