-- What operators look at now and then, and metrics at intervals.

-- name: status_counts
SELECT status, count(*) FROM holdfast_workflows
WHERE status IN ('enqueued', 'running', 'suspended', 'blocked', 'dead')
GROUP BY status;

-- name: line_counts
-- What a worker gave back has no time of its own (0): it goes first.
SELECT coalesce(queue, ''), count(*), min(nullif(wake_at, 0)) FROM holdfast_workflows
WHERE status = 'enqueued' AND wake_at <= :now
GROUP BY coalesce(queue, '')
ORDER BY coalesce(queue, '');

-- name: waits
SELECT target_id, kind, name FROM holdfast_waits WHERE workflow_id = :workflow_id ORDER BY target_id, kind, name;

-- name: has_work
-- A paused queue starts nothing, so what waits in it for its first start is no work; what has begun goes on.
SELECT EXISTS (SELECT 1 FROM holdfast_workflows WHERE status = 'running')
    OR EXISTS (
        SELECT 1 FROM holdfast_workflows
        WHERE status = 'enqueued' AND wake_at <= :now + :horizon AND name IN (SELECT value FROM json_each(:names))
            AND (stage IS NULL OR queue NOT IN (SELECT q.name FROM holdfast_queues AS q WHERE q.paused))
    )
    OR EXISTS (
        SELECT 1 FROM holdfast_workflows
        WHERE status = 'suspended' AND wake_at <= :now + :horizon AND name IN (SELECT value FROM json_each(:names))
    );
