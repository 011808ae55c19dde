-- What operators look at now and then, and metrics at intervals.

-- name: status_counts
SELECT status, count(*) FROM {schema}.workflows
WHERE status IN ('enqueued', 'running', 'suspended', 'blocked', 'dead')
GROUP BY status;

-- name: line_counts
-- What a worker gave back has no time of its own (0): it goes first.
SELECT coalesce(queue, ''), count(*), min(nullif(wake_at, 0)) FROM {schema}.workflows
WHERE status = 'enqueued' AND wake_at <= coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8)
GROUP BY coalesce(queue, '')
ORDER BY coalesce(queue, '');

-- name: waits
SELECT target_id, kind, name FROM {schema}.waits WHERE workflow_id = %(workflow_id)s ORDER BY target_id, kind, name;

-- name: has_work
-- A paused queue starts nothing, so what waits in it for its first start is no work; what has begun goes on.
SELECT EXISTS (SELECT FROM {schema}.workflows WHERE status = 'running')
    OR EXISTS (
        SELECT FROM {schema}.workflows
        WHERE status IN ('enqueued', 'suspended') AND name = ANY (%(names)s::text[])
          AND wake_at <= coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8) + %(horizon)s::float8
          AND (stage IS NULL OR queue NOT IN (SELECT q.name FROM {schema}.queues AS q WHERE q.paused))
    );
