"""What replaying recorded workflows against the code at hand shows, workflow by workflow and in sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum

from holdfast.core.data import dataclass
from holdfast.core.model import Status


class Verdict(StrEnum):
    """What the code at hand would do with a recorded workflow."""

    OK = "ok"
    """It follows the journal, and goes on where that ends or waits."""
    NEW_STEPS = "new steps"
    """It would run something new before what is recorded next; what comes after that can't be foretold."""
    UNASKED = "unasked"
    """It ends without asking for all that is recorded; nothing is undone by that."""
    PINNED = "pinned"
    """It leaves the workflow to a worker that has the version which it is pinned to."""
    BLOCKED = "blocked"
    """It asks for something else than is recorded: the workflow would be set aside."""
    FAILED = "failed"
    """It raises where the journal does not end in that: the workflow would fail."""
    OTHER_OUTCOME = "other outcome"
    """It ends otherwise than the workflow did."""
    UNKNOWN = "unknown"
    """It has no workflow of that name: the workflow would wait for a worker that has."""
    UNREADABLE = "unreadable"
    """It can't decode the recorded input, or an outcome: the workflow would be set aside."""
    UNCHECKED = "unchecked"
    """It did not come to an end in the time allowed."""

    @property
    def is_harmless(self) -> bool:
        """Tell whether the code can be deployed as far as this workflow goes."""
        return self in _HARMLESS


_HARMLESS = frozenset({Verdict.OK, Verdict.NEW_STEPS, Verdict.UNASKED, Verdict.PINNED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What replaying one workflow showed."""

    workflow_id: str
    name: str
    status: Status
    """As recorded."""
    verdict: Verdict
    recorded_version: str
    code_version: str | None = None
    """None: the code at hand has no such workflow."""
    step_id: str | None = None
    """The operation at which the replay left the journal, or stopped at its end."""
    expected: str | None = None
    """What is recorded there."""
    found: str | None = None
    """What the code asks for, or does."""
    where: str | None = None
    """The source line, as `file:line: text`."""
    unasked: tuple[str, ...] = ()
    """The recorded operations that were not asked for."""

    def __str__(self) -> str:
        text = f"{self.verdict}: workflow {self.workflow_id!r} ({self.name}, {self.status})"
        if self.expected is not None:
            text += f"; recorded: {self.expected}"
        if self.found is not None:
            text += f"; the code: {self.found}" if self.expected is not None else f": {self.found}"
        if self.unasked:
            text += f"; not asked for: {', '.join(self.unasked)}"
        if self.where is not None:
            text += f"; at {self.where}"
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckReport:
    """What replaying the workflows of a database showed."""

    counts: Mapping[Verdict, int] = field(default_factory=dict)
    """How many workflows there are of each verdict that occurs."""
    findings: tuple[Finding, ...] = ()
    """All that are not `Verdict.OK`, in the order of checking."""

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> CheckReport:
        """Sum findings up; those that are ok are counted only."""
        counts: Counter[Verdict] = Counter()
        kept = []
        for finding in findings:
            counts[finding.verdict] += 1
            if finding.verdict is not Verdict.OK:
                kept.append(finding)
        return cls(counts=dict(counts), findings=tuple(kept))

    @property
    def checked(self) -> int:
        """How many workflows were replayed."""
        return sum(self.counts.values())

    @property
    def ok(self) -> bool:
        """Whether the code at hand can be deployed as far as these workflows go."""
        return all(verdict.is_harmless for verdict in self.counts)

    def __str__(self) -> str:
        summary = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items()) or "no workflows"
        return "\n".join((summary, *map(str, self.findings)))
