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
SELECT EXISTS (SELECT 1 FROM holdfast_workflows WHERE status = 'running')
    OR EXISTS (
        SELECT 1 FROM holdfast_workflows
        WHERE status = 'enqueued' AND wake_at <= :now + :horizon AND name IN (SELECT value FROM json_each(:names))
    )
    OR EXISTS (
        SELECT 1 FROM holdfast_workflows
        WHERE status = 'suspended' AND wake_at <= :now + :horizon AND name IN (SELECT value FROM json_each(:names))
    );
