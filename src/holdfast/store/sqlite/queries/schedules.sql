-- name: insert_schedule
INSERT INTO holdfast_schedules (
    name, workflow, spec, timezone, arguments, digest, overlap, catchup, jitter, queue, priority, declared, paused,
    revision, next_at, last_at, current_id, held_id, tick_id, started, skipped, missed, created_at, updated_at
) VALUES (
    :name, :workflow, :spec, :timezone, :arguments, :digest, :overlap, :catchup, :jitter, :queue, :priority,
    :declared, :paused, :revision, :next_at, :last_at, :current_id, :held_id, :tick_id, :started, :skipped, :missed,
    :created_at, :updated_at
)
ON CONFLICT (name) DO NOTHING;

-- name: update_schedule
UPDATE holdfast_schedules SET
    workflow = :workflow, spec = :spec, timezone = :timezone, arguments = :arguments, digest = :digest,
    overlap = :overlap, catchup = :catchup, jitter = :jitter, queue = :queue, priority = :priority,
    declared = :declared, paused = :paused, revision = :revision, next_at = :next_at, last_at = :last_at,
    current_id = :current_id, held_id = :held_id, tick_id = :tick_id, started = :started, skipped = :skipped,
    missed = :missed, created_at = :created_at, updated_at = :updated_at
WHERE name = :name;

-- name: delete_schedule
DELETE FROM holdfast_schedules WHERE name = :name;

-- name: schedule
SELECT
    name, workflow, spec, timezone, arguments, digest, overlap, catchup, jitter, queue, priority, declared, paused,
    revision, next_at, last_at, current_id, held_id, tick_id, started, skipped, missed, created_at, updated_at
FROM holdfast_schedules WHERE name = :name;

-- name: schedules
SELECT
    name, workflow, spec, timezone, arguments, digest, overlap, catchup, jitter, queue, priority, declared, paused,
    revision, next_at, last_at, current_id, held_id, tick_id, started, skipped, missed, created_at, updated_at
FROM holdfast_schedules ORDER BY name;

-- name: upcoming_schedules
-- Those that some worker here can tick, soonest first.
SELECT
    name, workflow, spec, timezone, arguments, digest, overlap, catchup, jitter, queue, priority, declared, paused,
    revision, next_at, last_at, current_id, held_id, tick_id, started, skipped, missed, created_at, updated_at
FROM holdfast_schedules
WHERE paused = 0 AND next_at IS NOT NULL AND workflow IN (SELECT value FROM json_each(:names))
ORDER BY next_at, name LIMIT :limit;

-- name: hold_workflow
-- Created in this transaction: it waits for another one's outcome before it begins.
UPDATE holdfast_workflows SET status = 'suspended', wake_at = NULL
WHERE id = :workflow_id AND status = 'enqueued' AND epoch = 0;
