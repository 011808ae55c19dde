-- name: insert_schedule
INSERT INTO {schema}.schedules (
    name, workflow, spec, timezone, arguments, digest, overlap, catchup, jitter, queue, priority, declared, paused,
    revision, next_at, last_at, current_id, held_id, tick_id, started, skipped, missed, created_at, updated_at
) VALUES (
    %(name)s, %(workflow)s, %(spec)s, %(timezone)s, %(arguments)s, %(digest)s, %(overlap)s, %(catchup)s, %(jitter)s,
    %(queue)s, %(priority)s, %(declared)s, %(paused)s, %(revision)s, %(next_at)s, %(last_at)s, %(current_id)s,
    %(held_id)s, %(tick_id)s, %(started)s, %(skipped)s, %(missed)s, %(created_at)s, %(updated_at)s
)
ON CONFLICT (name) DO NOTHING
RETURNING name;

-- name: update_schedule
UPDATE {schema}.schedules SET
    workflow = %(workflow)s, spec = %(spec)s, timezone = %(timezone)s, arguments = %(arguments)s, digest = %(digest)s,
    overlap = %(overlap)s, catchup = %(catchup)s, jitter = %(jitter)s, queue = %(queue)s, priority = %(priority)s,
    declared = %(declared)s, paused = %(paused)s, revision = %(revision)s, next_at = %(next_at)s,
    last_at = %(last_at)s, current_id = %(current_id)s, held_id = %(held_id)s, tick_id = %(tick_id)s,
    started = %(started)s, skipped = %(skipped)s, missed = %(missed)s, created_at = %(created_at)s,
    updated_at = %(updated_at)s
WHERE name = %(name)s;

-- name: delete_schedule
DELETE FROM {schema}.schedules WHERE name = %(name)s;

-- name: schedule
SELECT
    name, workflow, spec, timezone, arguments, digest, overlap, catchup, jitter, queue, priority, declared, paused,
    revision, next_at, last_at, current_id, held_id, tick_id, started, skipped, missed, created_at, updated_at
FROM {schema}.schedules WHERE name = %(name)s;

-- name: lock_schedule
-- One tick at a time; readers are not held up.
SELECT
    name, workflow, spec, timezone, arguments, digest, overlap, catchup, jitter, queue, priority, declared, paused,
    revision, next_at, last_at, current_id, held_id, tick_id, started, skipped, missed, created_at, updated_at
FROM {schema}.schedules WHERE name = %(name)s
FOR NO KEY UPDATE;

-- name: schedules
SELECT
    name, workflow, spec, timezone, arguments, digest, overlap, catchup, jitter, queue, priority, declared, paused,
    revision, next_at, last_at, current_id, held_id, tick_id, started, skipped, missed, created_at, updated_at
FROM {schema}.schedules ORDER BY name;

-- name: upcoming_schedules
-- Those that some worker here can tick, soonest first.
SELECT
    name, workflow, spec, timezone, arguments, digest, overlap, catchup, jitter, queue, priority, declared, paused,
    revision, next_at, last_at, current_id, held_id, tick_id, started, skipped, missed, created_at, updated_at
FROM {schema}.schedules
WHERE NOT paused AND next_at IS NOT NULL AND workflow = ANY(%(names)s::text[])
ORDER BY next_at, name LIMIT %(limit)s;

-- name: hold_workflow
-- Created in this transaction: it waits for another one's outcome before it begins.
WITH held AS (
    UPDATE {schema}.workflows SET status = 'suspended', wake_at = NULL
    WHERE id = %(workflow_id)s AND status = 'enqueued' AND epoch = 0
    RETURNING id
)
INSERT INTO {schema}.waits (workflow_id, target_id, kind, name) SELECT id, %(target_id)s, %(kind)s, '' FROM held
ON CONFLICT (workflow_id, target_id, kind, name) DO NOTHING;

-- name: release_held_workflow
WITH released AS (
    UPDATE {schema}.workflows SET status = 'enqueued', wake_at = %(now)s
    WHERE id = %(workflow_id)s AND status = 'suspended' AND epoch = 0
    RETURNING id
)
DELETE FROM {schema}.waits AS q USING released WHERE q.workflow_id = released.id;
