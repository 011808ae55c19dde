-- name: transaction_began
-- The same for all statements of one transaction, and of no other. In microseconds, which no setting of the session's
-- formats differently.
SELECT (extract(epoch FROM now()) * 1000000)::bigint;

-- name: insert_checkpoints
-- Guarded by the epoch; the first checkpoint of a step stays. For `held_status` and `request_id` see insert_outcomes.
INSERT INTO {schema}.journal (
    workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
)
SELECT
    r.workflow_id, r.step_id, r.branch, r.name, r.kind, r.seq, r.digest, r.output, r.error, r.attempts, r.attempt_errors,
    r.started_at, r.finished_at
FROM unnest(
    %(epoch)s::int[], %(held_status)s::text[], %(request_id)s::text[],
    %(workflow_id)s::text[], %(step_id)s::text[], %(branch)s::text[], %(name)s::text[], %(kind)s::text[], %(seq)s::int[],
    %(digest)s::text[], %(output)s::text[], %(error)s::text[], %(attempts)s::int[], %(attempt_errors)s::text[],
    %(started_at)s::float8[], %(finished_at)s::float8[]
) AS r (
    epoch, held_status, request_id,
    workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
)
JOIN {schema}.workflows AS w ON w.id = r.workflow_id AND w.epoch = r.epoch AND w.status = r.held_status
LEFT JOIN {schema}.workflow_info AS i ON i.id = CASE WHEN r.request_id IS NOT NULL THEN r.workflow_id END
WHERE r.request_id IS NULL OR i.request_id = r.request_id
ON CONFLICT (workflow_id, step_id) DO NOTHING;

-- name: record_alone
-- What a commit of insert_checkpoints does for one checkpoint, in one statement that is its own transaction: no row means
-- that the fence does not hold, and that nothing is written. `IN ('running', '')`: see suspend_workflow.
WITH held AS (
    SELECT w.id, w.cancel_at FROM {schema}.workflows AS w
    WHERE w.id = %(workflow_id)s AND w.epoch = %(epoch)s AND w.status IN ('running', '')
    FOR NO KEY UPDATE
), recorded AS (
    INSERT INTO {schema}.journal (
        workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at,
        finished_at
    )
    SELECT
        held.id, %(step_id)s, %(branch)s, %(name)s, %(kind)s, %(seq)s::int, %(digest)s, %(output)s, %(error)s,
        %(attempts)s::int, %(attempt_errors)s, %(started_at)s::float8, %(finished_at)s::float8
    FROM held
    ON CONFLICT (workflow_id, step_id) DO NOTHING
)
SELECT held.cancel_at FROM held;

-- name: fence
SELECT epoch = %(epoch)s AND status = 'running' FROM {schema}.workflows WHERE id = %(workflow_id)s;

-- name: insert_fenced_checkpoint
-- The last statement of a user's transaction. It is sent in one packet with the COMMIT, so that its row lock makes a
-- take-over wait for that moment, and no longer: a process that is paused in its transaction holds up nobody. So it has
-- to fail by itself: without a workflow in this epoch, or in another transaction than the one that was begun, the id is
-- NULL, which the table refuses; and an outcome that is there already is a conflict of keys, for what the user wrote
-- must not commit then.
INSERT INTO {schema}.journal (
    workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
)
VALUES (
    (
        SELECT w.id FROM {schema}.workflows AS w
        WHERE w.id = %(workflow_id)s AND w.epoch = %(epoch)s AND w.status IN ('running', '')
            AND (extract(epoch FROM now()) * 1000000)::bigint = %(begun_at)s
        FOR SHARE
    ),
    %(step_id)s, %(branch)s, %(name)s, %(kind)s, %(seq)s, %(digest)s, %(output)s, %(error)s, %(attempts)s,
    %(attempt_errors)s, %(started_at)s, %(finished_at)s
);

-- name: checkpoint
SELECT step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
FROM {schema}.journal WHERE workflow_id = %(workflow_id)s AND step_id = %(step_id)s;

-- name: journal
SELECT step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
FROM {schema}.journal WHERE workflow_id = %(workflow_id)s ORDER BY seq, step_id;

-- name: journals
SELECT workflow_id,
    step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
FROM {schema}.journal WHERE workflow_id = ANY(%(workflow_ids)s::text[])
ORDER BY workflow_id, seq, step_id;
