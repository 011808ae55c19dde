-- What a commit does around its writes. Bulk parameters are arrays, one element a row.

-- name: begin_default
BEGIN;

-- name: begin_repeatable_read
BEGIN ISOLATION LEVEL REPEATABLE READ;

-- name: begin_serializable
BEGIN ISOLATION LEVEL SERIALIZABLE;

-- name: begin
-- READ COMMITTED on purpose: each statement after the locks sees what was committed until then. It does not say
-- READ WRITE, which would override an administrator's default_transaction_read_only.
BEGIN ISOLATION LEVEL READ COMMITTED;

-- name: commit
COMMIT;

-- name: now
SELECT extract(epoch FROM clock_timestamp())::float8;

-- name: lock_workers
-- Before all workflows, so that a take-over and the worker it buries lock in the same order. Held until the commit, so
-- that nobody is declared dead while it takes more work; its heartbeats are not held up.
SELECT worker_id, alive FROM {schema}.workers WHERE worker_id = ANY(%(worker_ids)s::text[]) ORDER BY worker_id
FOR KEY SHARE;

-- name: lock_workflows
-- The last column tells whether its end may let another one start from its queue.
SELECT w.id, w.status, w.epoch, w.owner, w.crashes, w.cancel_at,
    CASE WHEN w.queue IS NOT NULL THEN (SELECT q.is_limited FROM {schema}.queues AS q WHERE q.name = w.queue) END
FROM {schema}.workflows AS w
WHERE w.id = ANY(%(workflow_ids)s::text[])
ORDER BY w.id
FOR NO KEY UPDATE OF w;

-- name: waiters
-- The rows that a batch is going to wake, to be locked in order with the others.
SELECT DISTINCT workflow_id FROM {schema}.waits WHERE target_id = ANY(%(target_ids)s::text[]);
