"""Bugs to be planted: each breaks one thing that a promise rests on, and the simulator must notice.

A patch names a file of `src/holdfast`, text that stands in it exactly once, and what replaces it. Bugs that another
line of defence would hide are planted together with a breach in that one.
"""

# ruff: noqa: E501, Q003 - a patch holds lines as they stand in the source
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patch:
    """One replacement in one file."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug with a name and what it breaks."""

    name: str
    breaks: str
    patches: tuple[Patch, ...]


def _bug(name: str, breaks: str, *patches: tuple[str, str, str]) -> Bug:
    return Bug(name, breaks, tuple(Patch(*patch) for patch in patches))


_SQL = "store/sqlite/queries/"
_BATCH, _LEDGER, _RECOVERY = "store/sqlite/batch.py", "store/sqlite/ledger.py", "store/sqlite/recovery.py"
_BLAME = "store/blame.py"
_LIFE, _TALK = "store/sqlite/lifecycle.py", "store/sqlite/exchanges.py"
_FENCE = (
    _BATCH,
    "if fence is not None and (state is None or state.status != RUNNING or state.epoch != fence.epoch):",
    "if fence is not None and state is None:",
)
_COMPANY = (
    "runtime/solitude.py",
    "        return self._is_reserved or (self._accused is not None and self._is_alone(self._accused))\n",
    "        return False\n",
)

BUGS = (
    # Fencing
    _bug(
        "no-epoch-check",
        "a unit is carried out although its workflow belongs to somebody else",
        _FENCE,
    ),
    _bug(
        "no-epoch-bump-on-claim",
        "who claims a workflow has the epoch of its former owner",
        (_SQL + "workflows.sql", "status = 'running', owner = :worker_id, epoch = epoch + 1,", "status = 'running', owner = :worker_id, epoch = max(epoch, 1),"),
    ),
    _bug(
        "no-epoch-bump-on-take-over",
        "a taken-over workflow can still be written by its former owner",
        (_SQL + "workflows.sql", "SET status = :status, owner = NULL, epoch = epoch + 1, wake_at = :wake_at", "SET status = :status, owner = NULL, wake_at = :wake_at"),
    ),
    _bug(
        "transaction-not-fenced",
        "a zombie's transaction commits",
        (_SQL + "journal.sql", "WHERE w.id = ? AND w.epoch = ? AND w.status = 'running';", "WHERE w.id = ? AND ? IS NOT NULL;"),
        (_SQL + "journal.sql", "WHERE EXISTS (SELECT 1 FROM holdfast_workflows WHERE id = ? AND epoch = ?)\nON CONFLICT", "WHERE ? IS NOT NULL AND ? IS NOT NULL\nON CONFLICT"),
        ("store/sqlite/transaction.py", ".rowcount != 1:", ".rowcount < 0:"),
    ),
    _bug(
        "claim-takes-what-runs",
        "a claim does not look at the status",
        (_SQL + "workflows.sql", "AND status IN ('enqueued', 'suspended');", ";"),
        (_SQL + "workflows.sql", "WHERE status = 'enqueued' AND queue IS NULL AND wake_at <= :now AND crashes < :isolate_from\n        AND name", "WHERE status IN ('enqueued', 'running') AND queue IS NULL AND coalesce(wake_at, 0) <= :now AND crashes < :isolate_from\n        AND name"),
    ),
    # Recorded outcomes
    _bug(
        "outcome-of-a-step-overwritten",
        "a step's recorded outcome is replaced by a later one, where the fence lets a later one through",
        _FENCE,
        (_SQL + "journal.sql", "epoch = ?)\nON CONFLICT (workflow_id, step_id) DO NOTHING", "epoch >= ?)\nON CONFLICT (workflow_id, step_id) DO UPDATE SET output = excluded.output"),
    ),
    _bug(
        "outcome-not-in-the-last-commit",
        "what rides along is not written with the workflow's outcome",
        ("runtime/execution.py", "        ticket = self.submit(write, awaited=not self.frees_thread)", "        self._pending = []\n        ticket = self.submit(write, awaited=not self.frees_thread)"),
    ),
    _bug(
        "body-before-barrier",
        "a step's body runs before the outcomes before it are durable",
        ("runtime/step.py", "    if (yield from execution.barrier()) and not", "    if execution.submit() and False and not"),
    ),
    _bug(
        "transaction-before-barrier",
        "a transaction runs before the outcomes before it are durable",
        ("runtime/transaction.py", "    if (yield from execution.barrier()):\n", "    if False:\n"),
    ),
    _bug(
        "journal-not-loaded",
        "a workflow that is taken over begins with an empty journal",
        ("runtime/engine.py", "journal=Journal(claimed.journal, strict=", "journal=Journal((), strict="),
    ),
    _bug(
        "workflow-outcome-without-status",
        "a workflow's outcome is recorded, and its row stays running",
        (_LEDGER, "                self._write(\"finish_workflows\", self._finished)\n", ""),
    ),
    _bug(
        "no-intent",
        "an at-most-once step leaves no trace before its body runs",
        ("runtime/step.py", "        self.execution.record(intent)\n", ""),
    ),
    _bug(
        "intent-ignored",
        "an interrupted at-most-once step runs again",
        ("runtime/step.py", "            return True\n        self.execution.record(intent)", "            return False\n        self.execution.record(intent)"),
    ),
    _bug(
        "key-per-attempt",
        "each attempt of a step has another idempotency key",
        ("runtime/step.py", "idempotency_key=f\"{self.execution.workflow_id}:{self.operation.step_id}\",", "idempotency_key=f\"{self.execution.workflow_id}:{self.operation.step_id}:{self.execution.engine.ids.new()}\","),
    ),
    _bug(
        "attempts-counted-wrongly",
        "a step is tried once more than its policy says",
        ("core/retry.py", "if attempt > self.retries or", "if attempt > self.retries + 1 or"),
    ),
    # Transactions
    _bug(
        "transaction-does-not-look-for-its-outcome",
        "a transaction whose commit's reply was lost runs again",
        ("store/sqlite/transaction.py", "return None if held[0] is None else rows.checkpoint(held)", "return None"),
        ("store/sqlite/transaction.py", ".rowcount != 1:", ".rowcount < 0:"),
    ),
    _bug(
        "transaction-recorded-in-another-commit",
        "a transaction's outcome is committed after its effects",
        ("store/sqlite/transaction.py", "if fence is not None and checkpoint is not None:", "if False:"),
    ),
    _bug(
        "failed-transaction-commits",
        "a transaction whose body raised commits what it wrote",
        ("runtime/transaction.py", "                    failure = error\n                    transaction.rollback()", "                    failure = error\n                    transaction.commit(None, None)"),
    ),
    # Lost replies and the database away
    _bug(
        "commit-taken-for-done",
        "a commit that failed is taken for one that went through",
        ("runtime/committer.py", "                tries += 1\n", "                tries += 1\n                if tries > 1:\n                    return Committed(receipts=[Receipt(accepted=True, results=(None,) * len(u.writes)) for u in units], news=frozenset(), ready=False)\n"),
    ),
    _bug(
        "commit-taken-for-rollback",
        "a commit that may have gone through is taken for one that was rolled back, and nobody sends it again",
        ("runtime/committer.py", "                tries += 1\n", "                tries += 1\n                return Committed(receipts=[Receipt(accepted=False, results=(None,) * len(u.writes)) for u in units], news=frozenset(), ready=False)\n"),
    ),
    _bug(
        "refused-goes-on",
        "a workflow whose write was refused goes on all the same, with values that are not the recorded ones",
        ("runtime/execution.py", "        if not receipt.accepted or (self._creation", "        if (self._creation"),
    ),
    _bug(
        "read-only-not-waited-for",
        "a database that is read-only for a moment is an error of whoever writes",
        ("store/sqlite/faults.py", "    sqlite3.SQLITE_READONLY,\n", ""),
    ),
    _bug(
        "disk-full-not-waited-for",
        "a full disk is an error of whoever writes",
        ("store/sqlite/faults.py", "    sqlite3.SQLITE_FULL,\n", ""),
    ),
    _bug(
        "read-errors-reach-the-code",
        "an error of the database while reading becomes an error of the workflow",
        ("runtime/engine.py", "                if self.closing:\n                    raise\n                log.warning(\"waiting for the database", "                raise RuntimeError(\"database\") from error\n                log.warning(\"waiting for the database"),
    ),
    _bug(
        "claim-not-idempotent",
        "a claim whose reply was lost takes others when it is sent again, and forgets the first",
        (_RECOVERY, "    taken = [workflow_id for (workflow_id,) in found]\n", "    taken: list[str] = []\n"),
    ),
    _bug(
        "batch-stops-at-a-refused-unit",
        "what comes after a refused unit in its batch is not written",
        (_BATCH, "    receipts = [_write_unit(ledger, unit) for unit in units]\n", "    receipts = []\n    for unit in units:\n        broken = receipts and not receipts[-1].accepted\n        receipts.append(Receipt(accepted=True, results=(None,) * len(unit.writes)) if broken else _write_unit(ledger, unit))\n"),
    ),
    # Messages, events, streams
    _bug(
        "message-id-inside-the-retry",
        "a message gets a new id each time it is tried",
        ("runtime/messages.py", "message_id = key or f\"{execution.workflow_id}:{operation.step_id}\"", "message_id = key or engine.ids.new()"),
    ),
    _bug(
        "message-key-not-checked",
        "a message that is sent again is delivered again",
        (_TALK, "        message_id=message.message_id,\n        topic=message.topic,", "        message_id=f\"{message.message_id}@{ledger.now}\",\n        topic=message.topic,"),
    ),
    _bug(
        "message-popped-without-record",
        "a message is consumed, and what was received is not recorded with it",
        ("runtime/messages.py", "checkpoint = execution.record(operation, consume, output=message.body)", "checkpoint = execution.checkpoint(operation, output=message.body)\n            execution.ride(consume)"),
    ),
    _bug(
        "message-recorded-without-pop",
        "a message is received, and stays in the mailbox",
        (_TALK, "    ledger.change(\"consume_message\", workflow_id=workflow_id, message_id=write.message_id, step_id=write.step_id)\n", ""),
    ),
    _bug(
        "newest-message-first",
        "messages are received in the wrong order",
        (_SQL + "messages.sql", "ORDER BY seq LIMIT :limit", "ORDER BY seq DESC LIMIT :limit"),
    ),
    _bug(
        "received-in-two-commits",
        "that a message was received is committed before it is consumed",
        ("runtime/messages.py", "checkpoint = execution.record(operation, consume, output=message.body)", "checkpoint = execution.record(operation, output=message.body)\n            yield from execution.barrier()\n            execution.ride(consume)"),
    ),
    _bug(
        "what-was-taken-is-forgotten",
        "a message that was received and is not committed yet is received again",
        ("runtime/mailbox.py", "                    self._taken.add(message.message_id)\n", ""),
    ),
    _bug(
        "lost-wake-up-by-message",
        "a message does not wake the workflow that waits for it out of memory",
        (_TALK, "    if inserted:\n        _wake_waiters(ledger, message.workflow_id, Kind.RECEIVE, message.topic)\n", "    if inserted:\n        ledger.news.add(message.workflow_id)\n"),
    ),
    _bug(
        "suspend-does-not-look-again",
        "a workflow leaves memory although what it waits for has come meanwhile",
        (_LIFE, "or any(_has_come(ledger, wait) for wait in write.waits):", "or False:"),
    ),
    _bug(
        "signal-cleared-after-the-look",
        "news between the look and the wait is lost",
        ("runtime/waiting.py", "            with execution.waiting():\n", "            execution.signal.clear()\n            with execution.waiting():\n"),
        ("runtime/waiting.py", "    return min(pause, config.poll)", "    return config.poll if deadline is None else min(pause, config.poll)"),
    ),
    _bug(
        "stream-offset-from-the-count-of-all",
        "a stream's offset does not follow its last item",
        (_SQL + "streams.sql", "(SELECT coalesce(max(\"offset\") + 1, 0) FROM holdfast_streams WHERE workflow_id = :workflow_id AND stream = :stream)", "(SELECT count(*) FROM holdfast_streams)"),
    ),
    _bug(
        "stream-item-written-again",
        "a stream's item is written again when its commit is sent again",
        (_TALK, "        write_id=write.write_id,\n    )\n    if inserted:\n        ledger.news", "        write_id=f\"{write.write_id}@{ledger.now}\",\n    )\n    if inserted:\n        ledger.news"),
    ),
    _bug(
        "old-event-comes-back",
        "an event that is sent again after a later one brings its old value back",
        (_TALK, "    if ledger.change(\"insert_event_write\", workflow_id=write.workflow_id, write_id=write.write_id):\n", "    ledger.change(\"insert_event_write\", workflow_id=write.workflow_id, write_id=write.write_id)\n    if True:\n"),
        ("runtime/committer.py", "    units = [ticket.unit for ticket in batch]\n", "    units = [ticket.unit for ticket in batch]\n        self._store.commit(units[:0] + [Unit(writes=tuple(w for w in u.writes if type(w).__name__ == 'PutEvent')) for u in self.__dict__.setdefault('old', [])])\n        self.__dict__['old'] = units[:1]\n"),
    ),
    # Time
    _bug(
        "timer-by-the-workers-clock",
        "sleeps and timeouts go by this machine's clock, not the database's",
        ("runtime/clock.py", "        return self._monotonic() + self._offset\n", "        return self._monotonic() + 1.7e9\n"),
    ),
    _bug(
        "early-timer",
        "a wait ends a little before its time",
        ("runtime/waiting.py", "engine.clock.now() >= deadline", "engine.clock.now() + 0.25 >= deadline"),
    ),
    _bug(
        "early-wake-up",
        "a workflow that sleeps out of memory is claimed before its time",
        (_SQL + "workflows.sql", "WHERE status = 'suspended' AND queue IS NULL AND wake_at <= :now AND name", "WHERE status = 'suspended' AND queue IS NULL AND wake_at <= :now + 2 AND name"),
    ),
    _bug(
        "sleep-begins-anew",
        "a sleep counts again from the beginning after each replay",
        ("runtime/messages.py", "    if recorded is not None and recorded.output is not None:\n        deadline = float(execution.value(recorded, float))\n    else:\n", "    if True:\n"),
        ("runtime/messages.py", "deadline = execution.engine.clock.latest() + duration\n", "deadline = execution.engine.clock.latest() + duration + (900 if recorded else 0)\n"),
    ),
    _bug(
        "deadline-not-inherited",
        "a child may run longer than its parent",
        ("runtime/starting.py", "inherited=_inherited(frame))", "inherited=None)"),
    ),
    _bug(
        "timer-forgotten",
        "a workflow that is suspended with a time is not looked for at that time",
        ("runtime/run.py", "        execution.engine.on_timer(suspended.wake_at)\n", "        pass\n"),
        ("runtime/worker.py", "        times = [store.next_due(names, pinned, after=since)]\n", "        times: list[float | None] = []\n"),
    ),
    # Workers
    _bug(
        "lease-never-ends",
        "a worker that hangs keeps its workflows for ever",
        ("runtime/lease.py", "        return now - since >= self._engine.config.lease\n", "        return False\n"),
    ),
    _bug(
        "lease-ends-at-once",
        "a worker that lives is taken for dead",
        ("runtime/lease.py", "        return now - since >= self._engine.config.lease\n", "        return now - since >= 0.0\n"),
    ),
    _bug(
        "lock-always-free",
        "a process that lives is taken for gone",
        ("store/sqlite/worker_lock.py", "        except BlockingIOError:\n            return False\n        else:", "        except BlockingIOError:\n            return True\n        else:"),
    ),
    _bug(
        "take-over-leaves-some",
        "of what a dead worker ran, one workflow is forgotten",
        (_RECOVERY, "in fates(write, running):\n", "in fates(write, running)[1:]:\n"),
    ),
    _bug(
        "dead-in-company",
        "a suspect is set aside for a death that another workflow beside it may have caused",
        (_BLAME, "len(running) == 1 and ", ""),
        _COMPANY,
    ),
    _bug(
        "accused-in-company",
        "others begin beside an accused workflow, so that no death is ever its own",
        _COMPANY,
    ),
    _bug(
        "blame-without-a-crash",
        "a worker that stops in good order puts blame on what it ran",
        ("runtime/lease.py", "crash_limit=self._engine.config.crash_limit, blame=False)", "crash_limit=self._engine.config.crash_limit)"),
    ),
    _bug(
        "crashes-never-counted",
        "a workflow that kills its workers is tried for ever",
        (_BLAME, "        crashes += write.blame\n", ""),
    ),
    _bug(
        "zombie-claims",
        "a worker that was declared dead still gets work, which nobody takes over later",
        (_RECOVERY, "    if write.worker_id in ledger.dead_workers:\n        return []\n", ""),
    ),
    _bug(
        "zombie-creates",
        "what a worker starts for itself after it was declared dead is nobody's",
        (
            _BATCH,
            "    if ledger.dead_workers and _disown(ledger, writes) and fence is not None:",
            "    if False:",
        ),
    ),
    _bug(
        "not-a-new-worker",
        "a worker that was taken for dead goes on without registering anew",
        ("runtime/lease.py", "        if peers is None:\n            self._start_anew()\n            return\n", "        if peers is None:\n            return\n"),
    ),
    # Cancelling, undoing
    _bug(
        "cancel-lost-when-suspended",
        "a workflow that waits out of memory does not hear of its cancellation",
        (_LIFE, "    ledger.wake(asleep)\n    ledger.forget()\n    return touched", "    ledger.forget()\n    return touched"),
    ),
    _bug(
        "undo-forgotten",
        "what a replayed step did is not undone",
        ("runtime/step.py", "        execution.undo.add_step(definition, recorded, args, kwargs)\n        return execution.value", "        return execution.value"),
    ),
    # Children, queues
    _bug(
        "child-id-by-chance",
        "a child is started again by each replay of its parent",
        ("core/identity.py", "    return f\"{parent_id}/{step_id}\"", "    return f\"{parent_id}/{step_id}/{id(object())}\""),
    ),
    _bug(
        "outcome-wakes-nobody",
        "a parent that waits out of memory is not woken by its child's end",
        (_LEDGER, "        self.wake(waiter for (waiter,) in self.run(", "        list(waiter for (waiter,) in self.run("),
    ),
    _bug(
        "claim-ignores-limits",
        "a queue's concurrency is not looked at",
        ("core/admission.py", "return None if limit is None else max(0, limit - self._load.running - self._load.kept - self._let_in)", "return None"),
    ),
    _bug(
        "limit-without-what-was-just-let-in",
        "a claim counts what ran before it, and not what it lets in itself",
        ("core/admission.py", "        self._let_in += len(admitted)\n        self._started += len(admitted)\n", "        self._started += len(admitted)\n"),
        ("core/admission.py", "        return chosen[:most]\n", "        return chosen\n"),
    ),
    _bug(
        "limit-per-worker-not-counted",
        "a worker's own limit in a queue is not looked at",
        ("core/admission.py", "return None if limit is None else max(0, limit - self._load.mine - self._taken)", "return None"),
    ),
    _bug(
        "limit-per-partition-not-counted",
        "a limit on those of one partition is not looked at",
        ("core/admission.py", "        return None if limit is None else max(0, limit - held)", "        return None"),
    ),
    _bug(
        "rate-not-noted",
        "a queue's rate forgets what it has started",
        ("store/admission.py", "            self._gate.run(\"note_starts\", workflow_ids=started, now=self._now)\n", ""),
    ),
    _bug(
        "place-not-given-back",
        "nobody is told when a workflow leaves its place in a queue",
        (_LEDGER, "        self.ready = self.ready or bool(state.is_limited)\n", "        return\n"),
    ),
    _bug(
        "delay-ignored",
        "a delayed workflow starts at once",
        (_SQL + "workflows.sql", "WHERE status = 'enqueued' AND queue IS NULL AND wake_at <= :now AND crashes < :isolate_from", "WHERE status = 'enqueued' AND queue IS NULL AND crashes < :isolate_from"),
    ),
    # Leaving memory, closing
    _bug(
        "finally-runs-when-suspended",
        "a step in a finally runs each time that its workflow leaves memory",
        ("runtime/execution.py", "            raise self.gone\n        self.unwinding.check(operation.branch)\n", "            raise self.gone\n"),
    ),
    _bug(
        "closing-is-an-outcome",
        "code hears that the database was away when its application was closed",
        ("runtime/effects.py", "    if frame is not None and frame.execution.engine.closing:\n", "    if False:\n"),
    ),
    _bug(
        "child-that-was-there-begins-anew",
        "a called child that had begun before is taken for a new one",
        ("runtime/execution.py", "if not receipt.accepted or receipt.results[-1].existing is not None:", "if not receipt.accepted:"),
        ("runtime/run.py", "        loaded[0].resumed = True\n", "        pass\n"),
    ),
    _bug(
        "cancelled-by-asyncio",
        "a cancellation that interrupts a wait is not heard as the workflow's own",
        ("runtime/execution.py", "        except asyncio.CancelledError:\n            self.check_cancel(operation)\n            raise\n", "        finally:\n            pass\n"),
    ),
    _bug(
        "interrupted-in-mid-replay",
        "a cancellation interrupts what the code awaits before it has come past what is recorded",
        ("runtime/interruption.py", " or not self._journal.is_replayed_to(self._until)", ""),
    ),
    _bug(
        "not-interrupted-again",
        "a replay is not interrupted where the code had heard of its cancellation",
        ("runtime/interruption.py", "        self._is_asked = bool(marks)\n", "        self._is_asked = False\n"),
    ),
    _bug(
        "heard-twice",
        "code that was interrupted hears of its cancellation at its next operation once more",
        ("runtime/delivery.py", "        awaited = begins and self", "        awaited = False and self"),
    ),
    # Approvals, schedules
    _bug(
        "second-decision-counts",
        "a decision replaces an earlier one",
        ("store/decisions.py", "    if asked.status != \"pending\":\n        return f\"already {asked.status}\"\n", ""),
    ),
    _bug(
        "late-decision-counts",
        "an approval can be given after its time",
        ("store/decisions.py", "    if now >= asked.expires_at and decide.status not in _ENDS:\n        return \"expired\"\n", ""),
    ),
    _bug(
        "decision-tells-nobody",
        "the workflow does not hear of a decision",
        ("store/sqlite/approvals.py", "        send(ledger, Send(message=write.message))\n", ""),
    ),
    _bug(
        "tick-of-each-worker",
        "each worker deals with a tick",
        ("store/scheduling.py", "found.revision == write.revision and found.next_at == write.expected_at and", "found.revision == write.revision and"),
    ),
    _bug(
        "overlap-not-looked-at",
        "a schedule's workflows run beside one another, whatever its policy says",
        ("store/scheduling.py", "plan(schedule.overlap, current or None, held or None)", "plan(type(schedule.overlap).ALLOW, current or None, held or None)"),
    ),
    _bug(
        "missed-ticks-not-counted",
        "ticks for which nobody was there are forgotten",
        ("store/scheduling.py", "            missed=found.missed + write.missed,\n", ""),
    ),
)  # fmt: skip
