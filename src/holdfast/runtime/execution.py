"""One stay of one workflow in this process's memory: its journal, what it still has to write, whether it may go on.

Writes ride along until something could be seen from outside: `barrier` makes them durable first. All of it is fenced by
the epoch in which this process owns the workflow; once the store refuses a write, everything here raises `Lost`.
Branches run in several threads and tasks at once, so state is touched under a lock.
"""

from __future__ import annotations

import asyncio
import json
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from holdfast import failpoints
from holdfast.core.identity import keyed_id, patch_id, series_id
from holdfast.core.model import Checkpoint, Fence, Kind
from holdfast.core.replay import AUXILIARY, UNDO_BRANCH, UNDO_ID, Journal, Mismatch, Operation
from holdfast.errors import StoreUnavailable, WorkflowCancelled
from holdfast.runtime.context import Frame, current, runner_here
from holdfast.runtime.control import CodeEnded, Diverged, Lost, Released, Unwind
from holdfast.runtime.delivery import AWAITED, Delivery
from holdfast.runtime.effects import Durable, Flow
from holdfast.runtime.interruption import Interruption
from holdfast.runtime.mailbox import Mailbox
from holdfast.runtime.patches import Patches
from holdfast.runtime.recorded import recorded_value, user_line
from holdfast.runtime.signals import Signal
from holdfast.runtime.undo_list import UndoList
from holdfast.runtime.unwinding import Unwinding
from holdfast.store.writes import Create, Progressed, Receipt, Record, Unit, Write

if TYPE_CHECKING:
    from holdfast.runtime.committer import Ticket
    from holdfast.runtime.definitions import WorkflowDefinition
    from holdfast.runtime.engine import Engine


class Execution:
    """The state of a running workflow; see the module's page."""

    __slots__ = (
        "__weakref__", "_cancel_requested", "_code_ended", "_creation", "_delivery", "_last_ticket", "_lock",
        "_mailbox", "_occurrences", "_patches", "_pending", "_seq", "busy", "crashes", "deadline_at", "definition",
        "engine", "fence", "frees_thread", "gone", "input_text", "interruption", "is_suspected", "journal", "pauses",
        "resumed", "signal", "steps_running", "traceparent", "undo", "undo_begun", "unwinding", "workflow_id",
    )  # fmt: skip

    def __init__(
        self,
        engine: Engine,
        definition: WorkflowDefinition,
        *,
        workflow_id: str,
        epoch: int,
        input_text: str,
        journal: Journal,
        deadline_at: float | None = None,
        cancel_requested: bool = False,
        crashes: int = 0,
        traceparent: str | None = None,
    ) -> None:
        self.engine = engine
        self.definition = definition
        self.workflow_id = workflow_id
        self.fence = Fence(workflow_id=workflow_id, epoch=epoch)
        self.input_text = input_text
        self.journal = journal
        self.deadline_at = deadline_at
        self.traceparent = traceparent
        self.resumed = epoch > 1  # it may have begun before this stay
        self.signal = Signal()
        self.gone: Unwind | None = None
        self.busy = 1
        """Branches that are not waiting; none means that the workflow can be unwound."""
        self._lock = threading.Lock()
        self._occurrences: dict[str, int] = {}
        self._pending: list[Write] = []
        self._last_ticket: Ticket | None = None
        self._creation: Ticket | None = None
        """Somebody else's unit that ends with the workflow's creation, as long as nobody has looked what came of it."""
        self._seq = journal.last_seq
        self.crashes = crashes
        """How often it took its worker down before this stay, as far as is known."""
        self.is_suspected = crashes > 0  # it may have killed its worker, and has got no outcome since
        self.interruption = Interruption(journal)
        self._cancel_requested = cancel_requested
        self._delivery = Delivery(journal, self.interruption)
        self._patches: Patches | None = None
        self._mailbox: Mailbox | None = None
        self.unwinding = Unwinding()
        self.undo = UndoList()
        self.undo_begun = journal.find(UNDO_ID)
        """Says, once recorded, which outcome stands and what is to be undone."""
        self._code_ended = False
        self.pauses: list[float] = []
        """When (monotonic) the steps that pause between two attempts go on."""
        self.frees_thread = False
        """Whoever carries it out is free for other work while its last write is under way."""
        self.steps_running = 0
        """Bodies of steps and transactions that run at this moment, in whatever branch."""

    # Identity

    def place(self, verb_name: str, digest: str) -> Frame:
        """Return the frame of the code that asks for an operation; a foreign thread or task gets a branch of its own.

        The branch is named by what it does first, not by the order in which threads happen to come: that order changes.
        """
        frame = current.get()
        if frame is None:
            raise RuntimeError("an operation was asked for outside a workflow")
        here = runner_here()
        if frame.runner == here:
            return frame
        return self._adopted(verb_name, digest, frame, here)

    def _adopted(self, verb_name: str, digest: str, frame: Frame, here: object) -> Frame:
        with self._lock:
            branch = self._next(frame.branch, f"{verb_name}~{digest}")
            self._delivery.opened([branch])
        adopted = Frame(execution=self, branch=branch, runner=here, foreign=True)
        current.set(adopted)
        return adopted

    def operation(self, kind: Kind, name: str, digest: str = "", key: str | None = None) -> tuple[Operation, Frame]:
        """Identify the operation that the running code asks for."""
        frame = self.place(name, digest)
        if key is not None:
            step_id = keyed_id(name, key)
        else:
            with self._lock:
                step_id = self._next(frame.branch, name)
        operation = Operation(
            step_id=step_id, branch=frame.branch, name=name, kind=kind, digest=digest, keyed=key is not None
        )
        return operation, frame

    def branch_name(self, name: str) -> str:
        """Name the next branch of that name below the running one."""
        frame = self.place(name, "")
        with self._lock:
            return self._next(frame.branch, name)

    def _next(self, branch: str, name: str) -> str:
        series = series_id(branch, name)
        occurrence = self._occurrences[series] = self._occurrences.get(series, 0) + 1
        return f"{series}#{occurrence}"

    # Replay

    def begin(self, operation: Operation) -> Checkpoint | None:
        """Return the recorded outcome, or None: it is to be done now.

        Raises what unwinds the workflow, and `WorkflowCancelled` where a cancellation is due.
        """
        if self.gone is not None:
            raise self.gone
        self.unwinding.check(operation.branch)
        cancelled = self._delivery.is_heard and self._was_cancelled_at(operation)
        if cancelled and self.journal.find(operation.step_id) is None:
            raise WorkflowCancelled(self.workflow_id)
        try:
            with self._lock:
                recorded = self.journal.take(operation)
                interrupts = self.interruption.passed()
        except Mismatch as mismatch:
            raise self.leave(Diverged(mismatch, user_line(traceback.extract_stack()))) from None
        if interrupts:
            self.interruption.interrupt(self)
        if cancelled:  # in a sleep, which is recorded when it begins: nothing else comes in its place
            raise WorkflowCancelled(self.workflow_id)
        if recorded is None and operation.branch != UNDO_BRANCH:
            if self._code_ended or self.undo_begun is not None:
                raise CodeEnded
            if self._cancel_requested or self.deadline_at is not None:
                self.check_cancel(operation, begins=True)
        return recorded

    def check_still_asked(self, operation: Operation) -> None:
        """Raise what made the workflow leave memory, or `CodeEnded` in a branch that outlives the workflow's code."""
        self.check_here()
        if self._code_ended and operation.branch != UNDO_BRANCH:
            raise CodeEnded

    def end_code(self) -> None:
        """Let no branch of the code begin anything more; deadlines and cancellations are no matter any more."""
        self._code_ended = True
        self.signal.set()

    def step_begins(self, *, can_be_undone: bool) -> None:
        """Count a body that begins to run; `step_ends` must follow."""
        with self._lock:
            self.steps_running += 1
            self.undo.may_have_more |= can_be_undone

    def step_ends(self) -> None:
        """Count a body that has come to its end, its outcome recorded if it has one."""
        with self._lock:
            self.steps_running -= 1
        if self._code_ended:
            self.signal.set()

    def check_here(self) -> None:
        """Raise what made the workflow leave memory, if something did."""
        if self.gone is not None:
            raise self.gone

    def leave(self, reason: Unwind) -> Unwind:
        """Remember why the workflow leaves memory, so that every branch of it does; return the reason to be raised."""
        if self.gone is None:
            self.gone = reason
            self.signal.set()
        return self.gone

    def patched(self, branch: str, name: str) -> bool:
        """Decide, once for each branch, whether a patch applies; see `runtime.versions.patched`."""
        self.check_here()
        self.unwinding.check(branch)
        with self._lock:
            patches = self._patches = self._patches or Patches(self.journal)
            decided, is_known = patches.decide(branch, name)
        if not is_known:
            place = Operation(step_id=patch_id(branch, name), branch=branch, name=name, kind=Kind.PATCH)
            self.record(place, output=json.dumps(decided))
        return decided

    # Cancellation

    @property
    def cancel_due(self) -> bool:
        """Tell whether a cancellation was asked for, or the deadline has passed, and the code has not heard of it."""
        return not self._code_ended and not self._delivery.is_complete and self.cancel_wanted

    @property
    def cancel_wanted(self) -> bool:
        """Tell whether a cancellation was asked for or the deadline has passed, heard of or not."""
        return self._cancel_requested or self.is_overdue

    @property
    def is_overdue(self) -> bool:
        """Tell whether the deadline has passed."""
        return self.deadline_at is not None and self.engine.clock.now() >= self.deadline_at

    @property
    def cancel_heard(self) -> bool:
        """Tell whether the code has heard of its cancellation: what it does now is to clean up."""
        return self._delivery.is_heard or self._code_ended

    @property
    def deadline_ahead(self) -> float | None:
        """The deadline, unless the workflow is cancelled already: nothing that it does to clean up is bound by it."""
        return None if self.cancel_heard else self.deadline_at

    def request_cancel(self) -> None:
        """Note that the workflow's cancellation was asked for, and wake it: at once where it awaits something."""
        self._cancel_requested = True
        self.signal.set()
        self.interrupt()

    def interrupt(self) -> None:
        """Interrupt what the code awaits, if it is cancelled: now, or else once it has come past what is recorded."""
        if not self.cancel_wanted:
            return
        with self._lock:
            interrupts = (self.cancel_due and self.interruption.ask()) or self.interruption.passed()
        if interrupts:
            self.interruption.interrupt(self)

    def is_to_interrupt(self, branch: str) -> bool:
        """Tell whether code of this branch that awaits something is to hear of the workflow's cancellation there."""
        if self._code_ended or not self.cancel_wanted:
            return False
        with self._lock:
            return self._delivery.may_interrupt(branch)

    def check_cancel(self, operation: Operation, *, begins: bool = False) -> None:
        """Raise `WorkflowCancelled` if it is due, and record at which operation, so that a replay does the same.

        `begins`: the code asks for the operation. If it was interrupted in what it awaited before, it has heard there.
        """
        if self._code_ended or not (self.cancel_due or self.interruption.is_on):
            return
        with self._lock:
            heard = self._delivery.hear_at(operation, runner_here(), begins=begins)
        if heard is None:
            return
        self.record(heard.mark, output=AWAITED if heard.awaited else None)
        failpoints.reached("cancel.heard", self.workflow_id)
        # Other branches may be waiting for something that now never comes.
        self.signal.set()
        if not heard.awaited:
            raise WorkflowCancelled(self.workflow_id)

    @contextmanager
    def hearing(self, operation: Operation) -> Iterator[None]:
        """Let a cancellation that interrupts what the block awaits be heard at this operation, not as asyncio's own."""
        try:
            yield
        except asyncio.CancelledError:
            self.check_cancel(operation)
            raise

    def _was_cancelled_at(self, operation: Operation) -> bool:
        with self._lock:
            mark = self._delivery.was_at(operation, runner_here())
        if mark is None:
            return False
        self.signal.set()
        return mark.output != AWAITED

    # Writing

    def checkpoint(
        self,
        operation: Operation,
        *,
        output: str | None = None,
        error: str | None = None,
        attempts: int = 1,
        attempt_errors: str | None = None,
        started_at: float = 0.0,
    ) -> Checkpoint:
        """Make the checkpoint of an operation, with its place in the order of recording."""
        now = self.engine.clock.now()
        with self._lock:
            self._seq = seq = self._seq + 1
        return Checkpoint(
            step_id=operation.step_id,
            branch=operation.branch,
            name=operation.name,
            kind=operation.kind,
            seq=seq,
            digest=operation.digest,
            output=output,
            error=error,
            attempts=attempts,
            attempt_errors=attempt_errors,
            started_at=started_at or now,
            finished_at=now,
        )

    def record(self, operation: Operation, *beside: Write, **outcome: Any) -> Checkpoint:
        """Record an outcome, in one commit with `beside`. It rides along with the next write that has to wait."""
        checkpoint = self.checkpoint(operation, **outcome)
        self.ride(Record(checkpoint=checkpoint), *beside)
        if self.is_suspected and operation.kind not in AUXILIARY:
            self.progressed()
        return checkpoint

    def ride(self, *writes: Write) -> None:
        """Add writes that nobody has to wait for yet."""
        with self._lock:
            self._pending.extend(writes)

    def submit(self, *writes: Write, awaited: bool = False) -> Ticket | None:
        """Hand what rides along and `writes` to the committer as one unit; None if there is nothing at all.

        `awaited`: the caller waits for the ticket at once.
        """
        awaited = awaited and asyncio._get_running_loop() is None  # noqa: SLF001 - documented; the other one raises
        with self._lock:
            pending, self._pending = self._pending, []
            if writes and pending and isinstance(pending[0], Create):
                # A unit that creates its workflow holds nothing but that workflow's own beginning.
                self._hand_in(pending, awaited)
                pending = []
            unit_writes = (*pending, *writes)
            return self._hand_in(unit_writes, awaited) if unit_writes else None

    def _hand_in(self, writes: Sequence[Write], awaited: bool) -> Ticket:  # noqa: FBT001 - private
        unit = Unit(writes=tuple(writes), fence=self.fence)
        self._last_ticket = self.engine.committer.submit(unit, awaited=awaited)
        return self._last_ticket

    def expect(self, ticket: Ticket) -> None:
        """Let nothing happen before a ticket that somebody else's unit created: the workflow's own creation."""
        self._last_ticket = self._creation = ticket

    def is_durable(self) -> bool:
        """Tell whether all that was recorded is durable, or refused."""
        with self._lock:
            return not self._pending and (self._last_ticket is None or self._last_ticket.done)

    def barrier(self) -> Flow[bool]:
        """Wait until all that was recorded is durable; tell whether a cancellation is known of then. Raises `Lost`."""
        ticket = self.submit(awaited=True) or self._last_ticket
        if ticket is not None:
            yield from self.wait_for(ticket)
            if self._last_ticket is ticket:
                self._last_ticket = None
        return self._cancel_requested

    def write(self, *writes: Write) -> Flow[Sequence[Any]]:
        """Write now, with all that rides along, and return the results of `writes`. Raises `Lost`."""
        ticket = self.submit(*writes, awaited=True)
        if ticket is None:
            return ()
        receipt = yield from self.wait_for(ticket)
        return receipt.results[len(receipt.results) - len(writes) :]

    def write_last(self, write: Write) -> Flow[None]:
        """Write what ends this stay in memory, with all that rides along. Raises `Lost`."""
        ticket = self.submit(write, awaited=not self.frees_thread)
        if ticket is not None:
            yield from self.wait_for(ticket, is_last=self.frees_thread)

    def wait_for(self, ticket: Ticket, *, is_last: bool = False) -> Flow[Receipt]:
        """Wait for a ticket. Raises `Lost` if the store refused it."""
        receipt = yield from self._receipt(ticket, is_last=is_last)
        if not receipt.accepted or (self._creation is not None and not (yield from self._was_created(self._creation))):
            # Whatever else it was leaving for, somebody else owns it now.
            self.gone = Lost(self.workflow_id)
            self.signal.set()
            raise self.gone
        if receipt.cancel_requested and not self._cancel_requested:
            self.request_cancel()
        return receipt

    def created(self) -> Flow[None]:
        """Wait until it is known that the workflow is this process's. Raises `Lost` if it is not."""
        if self._creation is not None:
            yield from self.wait_for(self._creation)

    def _was_created(self, creation: Ticket) -> Flow[bool]:
        """Tell whether the workflow is this process's. Another one may have created it, with the same first epoch."""
        receipt = yield from self._receipt(creation, is_last=False)
        # Found there already: it may have begun, and even ended, in another stay of whoever created it.
        if not receipt.accepted or receipt.results[-1].existing is not None:
            return False
        self._creation = None
        return True

    def _receipt(self, ticket: Ticket, *, is_last: bool) -> Flow[Receipt]:
        try:
            receipt: Receipt = yield Durable(ticket, is_last)
        except StoreUnavailable:
            # The application is closed: what was not written will be done again after the restart.
            raise self.leave(Released()) from None
        except asyncio.CancelledError:
            # Not in the middle of a write.
            if not self.interruption.puts_off(self):
                raise
            receipt = yield from self._receipt(ticket, is_last=is_last)
            self.interruption.interrupt(self)
        return receipt

    @property
    def mailbox(self) -> Mailbox:
        """The messages that it takes; most workflows take none."""
        with self._lock:
            if self._mailbox is None:
                self._mailbox = Mailbox()
            return self._mailbox

    # Branches

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a branch as waiting while the block runs."""
        with self._lock:
            self.busy -= 1
        try:
            yield
        finally:
            with self._lock:
                self.busy += 1

    def open_branches(self, names: Sequence[str]) -> None:
        """Count branches that begin in the place of the running one."""
        with self._lock:
            self.busy += len(names) - 1
            self._delivery.opened(names)

    def close_branch(self, name: str) -> None:
        """Count a branch that ends."""
        with self._lock:
            self.busy -= 1
            self._delivery.closed([name])

    def branches_closed(self) -> None:
        """Count the branch that had opened others and goes on."""
        with self._lock:
            self.busy += 1

    def value(self, recorded: Checkpoint, hint: Any) -> Any:
        """Return what was recorded, or raise it; leave if it can't be read. See `runtime.recorded`."""
        return recorded_value(self, recorded, hint)

    def progressed(self) -> None:
        """Note that an operation has got an outcome: whoever was suspected of killing its worker is cleared."""
        if self.is_suspected:
            self.is_suspected = False
            self.ride(Progressed())
