"""Every error that Holdfast raises.

    HoldfastError
      ConfigurationError        bad URL, bad option, missing extra: found at launch
        MissingExtra
        SchemaTooNew
        AlreadyRegistered
      UsageError                a verb in the wrong place
        NotLaunched
        OutsideWorkflow
        OutsideTransaction
        BlockingCallOnEventLoop
      PayloadError              a value that would not come back equal
      DamagedRecord             a row in the database that can't be read
      WorkflowNotFound
      WorkflowIdConflict
      ScheduleNotFound
      ScheduleConflict          a schedule's name is taken by another definition
      WorkflowFailed            a failure whose exception can't be rebuilt
      WorkflowWasCancelled      seen by whoever asks for a cancelled workflow's result
      WorkflowSetAside          blocked or dead: it needs a person
      ResultTimeout
      StepTimeout
      StepOutcomeUnknown        an at-most-once step was interrupted
      RecordedError             stands in for an exception type this program does not have
      ApprovalError             a decision that can't be taken
    BaseException
      WorkflowCancelled         raised inside a cancelled workflow; not an `Exception`, so that
                                frameworks which swallow errors do not swallow it

What the store can't do for the moment (database away, disk full, read-only fail-over) is `StoreUnavailable`:
the engine waits for it and goes on, so that user code never sees it, but at launch.
"""

from __future__ import annotations


class HoldfastError(Exception):
    """Base of all errors that Holdfast raises."""


class ConfigurationError(HoldfastError):
    """The application is set up wrongly; nothing was started."""


class MissingExtra(ConfigurationError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs an optional dependency: pip install 'holdfast[{extra}]'")


class SchemaTooNew(ConfigurationError):
    """The database was migrated by a newer Holdfast than this one."""

    def __init__(self, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(
            f"the database has Holdfast schema {found}, this version knows schemas up to {known}: "
            "upgrade this program's holdfast package; nothing was changed"
        )


class AlreadyRegistered(ConfigurationError):
    """Two functions or instances were registered under one name."""


class UsageError(HoldfastError):
    """A verb was used where it can't work."""


class NotLaunched(UsageError):
    """A verb needs a launched application and there is none."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        super().__init__(
            f"{verb} needs a launched Holdfast application: run it inside `with Holdfast(url):` "
            "(or `async with`), or after `app.launch()`"
        )


class OutsideWorkflow(UsageError):
    """A verb that belongs into a workflow was called outside of one."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        super().__init__(
            f"{verb} works only inside a workflow. If this code runs in a thread that the workflow started, start "
            "it with asyncio.to_thread, holdfast.map or contextvars.copy_context().run, which carry the workflow along"
        )


class OutsideTransaction(UsageError):
    """`sql_session()` or `connection()` was called outside a function decorated with `@transaction`."""


class BlockingCallOnEventLoop(UsageError):
    """A blocking verb was called on a running event loop."""

    def __init__(self, verb: str, twin: str) -> None:
        self.verb, self.twin = verb, twin
        super().__init__(f"{verb} would block the running event loop: use `{twin}` instead")


class PayloadError(HoldfastError):
    """A value can't be recorded so that it comes back equal, or a recorded one can't be read."""

    def __init__(self, reason: str, *, path: str = "", type_name: str = "") -> None:
        self.reason, self.path, self.type_name = reason, path, type_name
        super().__init__(f"{path}: {reason}" if path else reason)


class DamagedRecord(HoldfastError):
    """A row about a workflow holds what Holdfast never wrote there."""

    def __init__(self, workflow_id: str, what: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(
            f"what is recorded about workflow {workflow_id!r} can't be read: {what}. It was changed by something else, "
            "or by a newer Holdfast: restore it from a backup, or use that version"
        )


class WorkflowNotFound(HoldfastError):
    """No workflow has this id."""

    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(f"there is no workflow with the id {workflow_id!r} in this database")


class WorkflowIdConflict(HoldfastError):
    """The id is taken by another function or another input."""

    def __init__(self, workflow_id: str, *, existing: str, asked: str) -> None:
        self.workflow_id, self.existing, self.asked = workflow_id, existing, asked
        super().__init__(
            f"workflow id {workflow_id!r} is taken: it was started as {existing}, now {asked} was asked for. "
            "Use another id, or retrieve(id) for the one that is there"
        )


class ScheduleNotFound(HoldfastError):
    """No schedule has this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no schedule named {name!r} in this database: app.schedules.list() tells which are")


class ScheduleConflict(HoldfastError):
    """The name is taken by a schedule that is defined otherwise."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"a schedule named {name!r} is there already and defined otherwise: use another name, or "
            f"app.schedules.change({name!r}, …)"
        )


class WorkflowFailed(HoldfastError):
    """A workflow failed with an exception that can't be rebuilt here; its text is in the message."""

    def __init__(self, workflow_id: str, message: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(f"workflow {workflow_id!r} failed: {message}")


class WorkflowWasCancelled(HoldfastError):
    """The workflow whose result was asked for has been cancelled."""

    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(f"workflow {workflow_id!r} was cancelled and has no result")


class WorkflowSetAside(HoldfastError):
    """The workflow is blocked or dead: it will not go on before somebody mends and resumes it."""

    def __init__(self, workflow_id: str, status: str, report: str) -> None:
        self.workflow_id, self.status, self.report = workflow_id, status, report
        super().__init__(
            f"workflow {workflow_id!r} is {status}: {report} Nothing is lost; mend it, then app.resume({workflow_id!r})"
        )


class ResultTimeout(HoldfastError, TimeoutError):
    """The result did not come within the caller's time; the workflow goes on."""

    def __init__(self, workflow_id: str, seconds: float) -> None:
        self.workflow_id, self.seconds = workflow_id, seconds
        super().__init__(f"workflow {workflow_id!r} had no result after {seconds:g} s; it goes on")


class StepTimeout(HoldfastError, TimeoutError):
    """A step's attempt took longer than its `timeout`."""

    def __init__(self, step: str, seconds: float) -> None:
        self.step, self.seconds = step, seconds
        super().__init__(f"step {step!r} took longer than {seconds:g} s")


class StepOutcomeUnknown(HoldfastError):
    """An at-most-once step was interrupted: nobody recorded whether it had its effect."""

    def __init__(self, workflow_id: str, step: str) -> None:
        self.workflow_id, self.step = workflow_id, step
        super().__init__(
            f"workflow {workflow_id!r} was interrupted while step {step!r}, which may run at most once, was running: "
            "find out whether it took effect; give the step a `check=` function to have that done"
        )


class RecordedError(HoldfastError):
    """Stands in for a recorded exception whose type this program does not have."""

    def __init__(self, type_name: str, message: str, recorded_traceback: str = "") -> None:
        self.type_name, self.message, self.recorded_traceback = type_name, message, recorded_traceback
        super().__init__(f"{type_name}: {message}")


class ApprovalError(HoldfastError):
    """A decision on an approval can't be taken: unknown, expired or already decided."""


class StoreUnavailable(HoldfastError):
    """The database can't be reached or can't write for now, or nobody knows whether a commit went through."""


class WorkflowCancelled(BaseException):
    """Raised inside a workflow that was cancelled, at its next durable operation.

    Catch it to clean up (durable operations work in the handler) and raise it again. A coroutine that awaits something
    else gets `asyncio.CancelledError` there instead, and may clean up in the same way.
    """

    def __init__(self, workflow_id: str = "") -> None:
        self.workflow_id = workflow_id
        super().__init__(f"workflow {workflow_id!r} was cancelled")
