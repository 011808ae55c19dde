"""Management from code: looking at workflows, and cancelling, resuming, retrying, forking, moving and deleting them."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import TypeVar

from holdfast.api.launched import refuse_on_event_loop
from holdfast.core.management import Changed, WorkflowCount, WorkflowDetails
from holdfast.core.model import WorkflowFilter, WorkflowRecord
from holdfast.core.options import Duration, seconds
from holdfast.runtime import changing, deleting, forking, looking, moving
from holdfast.runtime.changing import Bulk, Target
from holdfast.runtime.deleting import ENDED
from holdfast.runtime.effects import Flow, drive, drive_async
from holdfast.runtime.engine import Engine
from holdfast.runtime.forking import ForkRequest
from holdfast.runtime.looking import Aspect

T = TypeVar("T")


class Admin:
    """Management of the workflows in one database: `app.admin`, `client.admin`.

    The same from inside a worker and from outside; every method has a twin for coroutines, with an `a` in front.
    Changes to many (`cancel`, `resume`, `retry`, `delete`) take one id, several, or a filter: with a filter at most
    `limit` workflows are changed, newest first, and `dry_run` only tells which. An id that there is not raises
    `WorkflowNotFound`, before anything is changed. All of them may be repeated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """What reads and writes for it, for integrations."""
        return self._engine

    # Looking

    def list(self, where: WorkflowFilter | None = None) -> builtins.list[WorkflowRecord]:
        """List one page of workflows, newest first. The next page is that of `where.after(page[-1])`."""
        return _run("list", looking.page(self._engine, where or WorkflowFilter()))

    async def alist(self, where: WorkflowFilter | None = None) -> builtins.list[WorkflowRecord]:
        """List workflows in a coroutine; see `list`."""
        return await drive_async(looking.page(self._engine, where or WorkflowFilter()))

    def each(self, where: WorkflowFilter | None = None) -> Iterator[WorkflowRecord]:
        """Yield all workflows that match, newest first, read page by page of `where.limit`."""
        where = where or WorkflowFilter()
        while page := self.list(where):
            yield from page
            where = where.after(page[-1])

    async def aeach(self, where: WorkflowFilter | None = None) -> AsyncIterator[WorkflowRecord]:
        """Yield workflows in a coroutine; see `each`."""
        where = where or WorkflowFilter()
        while page := await self.alist(where):
            for record in page:
                yield record
            where = where.after(page[-1])

    def count(self, *by: Aspect, where: WorkflowFilter | None = None) -> builtins.list[WorkflowCount]:
        """Count workflows by `"status"`, `"name"`, `"queue"`, or any of these together; by nothing: all.

        Each count comes with the time at which the oldest workflow without an outcome was created. Without a filter it
        reads the narrow table of all workflows once; with one it reads all that match, page by page.
        """
        return _run("count", looking.count(self._engine, by, where))

    async def acount(self, *by: Aspect, where: WorkflowFilter | None = None) -> builtins.list[WorkflowCount]:
        """Count workflows in a coroutine; see `count`."""
        return await drive_async(looking.count(self._engine, by, where))

    def show(self, workflow_id: str) -> WorkflowDetails:
        """Read a workflow with its journal, children, approvals, attributes and lineage. Raises `WorkflowNotFound`."""
        return _run("show", looking.show(self._engine, workflow_id))

    async def ashow(self, workflow_id: str) -> WorkflowDetails:
        """Read a workflow with all that belongs to it, in a coroutine; see `show`."""
        return await drive_async(looking.show(self._engine, workflow_id))

    # Changing

    def cancel(self, target: Target, *, children: bool = True, limit: int = 1000, dry_run: bool = False) -> Changed:
        """Ask for cancellation, with all descendants unless `children` is false. What has ended is left as it is.

        Their code sees `WorkflowCancelled` at its next durable operation; those that nobody runs end at once.
        """
        bulk = Bulk(target, limit=limit, dry_run=dry_run)
        return _run("cancel", changing.cancel(self._engine, bulk, children=children))

    async def acancel(
        self, target: Target, *, children: bool = True, limit: int = 1000, dry_run: bool = False
    ) -> Changed:
        """Ask for cancellation in a coroutine; see `cancel`."""
        bulk = Bulk(target, limit=limit, dry_run=dry_run)
        return await drive_async(changing.cancel(self._engine, bulk, children=children))

    def resume(self, target: Target, *, limit: int = 1000, dry_run: bool = False) -> Changed:
        """Let blocked and dead workflows go on from their journals. Others are left as they are."""
        return _run("resume", changing.resume(self._engine, Bulk(target, limit=limit, dry_run=dry_run)))

    async def aresume(self, target: Target, *, limit: int = 1000, dry_run: bool = False) -> Changed:
        """Let blocked and dead workflows go on, in a coroutine; see `resume`."""
        return await drive_async(changing.resume(self._engine, Bulk(target, limit=limit, dry_run=dry_run)))

    def retry(
        self,
        target: Target,
        *,
        from_start: bool = False,
        version: str | None = None,
        limit: int = 1000,
        dry_run: bool = False,
    ) -> Changed:
        """Try failed or cancelled workflows again, each as a new one that is forked at the failure.

        All that was recorded before the step whose error failed the workflow is taken over; with `from_start`, nothing
        but the input. They run under the originals' version, or under `version`. The originals stay as they are.
        A workflow is retried once: its retry has the id `<id>~retry`, and a second call gives that one. Retry that one,
        if it fails too.
        """
        bulk = Bulk(target, limit=limit, dry_run=dry_run)
        return _run("retry", forking.retry(self._engine, bulk, from_start=from_start, version=version))

    async def aretry(
        self,
        target: Target,
        *,
        from_start: bool = False,
        version: str | None = None,
        limit: int = 1000,
        dry_run: bool = False,
    ) -> Changed:
        """Try failed or cancelled workflows again, in a coroutine; see `retry`."""
        bulk = Bulk(target, limit=limit, dry_run=dry_run)
        return await drive_async(forking.retry(self._engine, bulk, from_start=from_start, version=version))

    def delete(self, target: Target, *, children: bool = False, limit: int = 1000, dry_run: bool = False) -> Changed:
        """Delete workflows that have ended or are set aside, with everything recorded for them but approvals.

        Kept are: what may still go on by itself, what another workflow waits for, and children whose parent may still
        go on and look for them. `children` deletes the descendants too, of a workflow all or none. The id of a deleted
        workflow is free again. A dry run does not look at who waits.
        """
        bulk = Bulk(target, limit=limit, dry_run=dry_run)
        return _run("delete", deleting.delete(self._engine, bulk, children=children))

    async def adelete(
        self, target: Target, *, children: bool = False, limit: int = 1000, dry_run: bool = False
    ) -> Changed:
        """Delete workflows in a coroutine; see `delete`."""
        bulk = Bulk(target, limit=limit, dry_run=dry_run)
        return await drive_async(deleting.delete(self._engine, bulk, children=children))

    def delete_older_than(
        self, age: Duration, *, status: Iterable[str] = ENDED, limit: int | None = None, dry_run: bool = False
    ) -> int:
        """Delete workflows that ended more than `age` seconds ago, oldest first, in small commits; return how many.

        What `delete` keeps is kept. A policy that does this all the time: `Holdfast(url, retention=…)`.
        """
        flow = deleting.older_than(self._engine, seconds(age), status=status, limit=limit, dry_run=dry_run)
        return _run("delete_older_than", flow)

    async def adelete_older_than(
        self, age: Duration, *, status: Iterable[str] = ENDED, limit: int | None = None, dry_run: bool = False
    ) -> int:
        """Delete what ended long ago, in a coroutine; see `delete_older_than`."""
        flow = deleting.older_than(self._engine, seconds(age), status=status, limit=limit, dry_run=dry_run)
        return await drive_async(flow)

    # Forking and moving

    def fork(
        self,
        workflow_id: str,
        from_step: str | int | None = None,
        *,
        id: str | None = None,
        input: Mapping[str, object] | None = None,
        outcomes: Mapping[str, object] | None = None,
        version: str | None = None,
    ) -> str:
        """Make a new workflow that goes on from a place in another one's journal; return its id.

        `from_step` (a step's id, or its `seq`, at most one more than the last) is the first to run anew: the journal is
        copied up to there. None takes over nothing but the input; with `outcomes`, all up to the last of these steps.
        `input` replaces arguments by name; `outcomes` gives steps that are taken over another result, or an exception
        to raise. The original is never touched. Children are not copied: those that are taken over have their recorded
        results. Steps that run anew have idempotency keys of their own. It runs under the version of the original's
        code, or under `version`.

        With an `id` it is idempotent. Raises `WorkflowNotFound`, `UsageError` for a step that is not recorded,
        `WorkflowIdConflict`, `PayloadError`.
        """
        request = ForkRequest(from_step, id=id, input=input or {}, outcomes=outcomes or {}, version=version)
        return _run("fork", forking.fork(self._engine, workflow_id, request))

    async def afork(
        self,
        workflow_id: str,
        from_step: str | int | None = None,
        *,
        id: str | None = None,
        input: Mapping[str, object] | None = None,
        outcomes: Mapping[str, object] | None = None,
        version: str | None = None,
    ) -> str:
        """Fork a workflow in a coroutine; see `fork`."""
        request = ForkRequest(from_step, id=id, input=input or {}, outcomes=outcomes or {}, version=version)
        return await drive_async(forking.fork(self._engine, workflow_id, request))

    def export(self, workflow_id: str, *, children: bool = False) -> str:
        """Write a workflow with all that is recorded for it, approvals left out, as JSON text in pure ASCII.

        `children` adds all descendants. Raises `WorkflowNotFound`.
        """
        return _run("export", moving.export(self._engine, workflow_id, children=children))

    async def aexport(self, workflow_id: str, *, children: bool = False) -> str:
        """Write a workflow as JSON text, in a coroutine; see `export`."""
        return await drive_async(moving.export(self._engine, workflow_id, children=children))

    def import_(self, document: str) -> Changed:
        """Take in workflows that `export` wrote, from any kind of database.

        What had not ended is set aside as blocked, since it may go on where it comes from; `resume` lets it go on here.
        Raises `WorkflowIdConflict` for an id that is taken by anything but the same workflow with the same records,
        before anything is written; `UsageError` for a document of another format.
        """
        return _run("import_", moving.take_in(self._engine, document))

    async def aimport_(self, document: str) -> Changed:
        """Take in workflows in a coroutine; see `import_`."""
        return await drive_async(moving.take_in(self._engine, document))


def _run(verb: str, flow: Flow[T]) -> T:
    refuse_on_event_loop(f"Admin.{verb}()", f"await admin.a{verb}(…)")
    return drive(flow)
