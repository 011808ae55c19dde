-- Lists of values come as one JSON array. The write lock is held whenever something is written, so nothing here locks rows.

-- name: lock_workflows
-- The JSON list is the outer loop, so that each id is one search in the primary key.
-- The last column tells whether its end may let another one start from its queue.
SELECT w.id, w.status, w.epoch, w.owner, w.crashes, w.cancel_at,
    CASE WHEN w.queue IS NOT NULL THEN (SELECT q.is_limited FROM holdfast_queues AS q WHERE q.name = w.queue) END
FROM json_each(?) AS wanted
CROSS JOIN holdfast_workflows AS w ON w.id = wanted.value;

-- name: insert_workflows
INSERT INTO holdfast_workflows (id, name, status, owner, epoch, wake_at, queue, priority, partition_key, stage)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: create_alone
-- insert_workflows for one workflow that its creator runs. No row: the id is taken, or the worker declared dead.
INSERT INTO holdfast_workflows (id, name, status, owner, epoch, queue, priority, partition_key)
SELECT ?, ?, 'running', ?, 1, ?, ?, ?
WHERE NOT EXISTS (SELECT 1 FROM holdfast_workers WHERE worker_id = ? AND NOT alive)
ON CONFLICT (id) DO NOTHING;

-- name: insert_workflow_infos
INSERT INTO holdfast_workflow_info (
    id, version, input, input_digest, request_id, parent_id, created_at, deadline_at, traceparent, timeout
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_outcomes
-- Guarded by the epoch; the first outcome stays.
INSERT INTO holdfast_outcomes (id, status, output, error, finished_at)
SELECT ?, ?, ?, ?, ?
WHERE EXISTS (SELECT 1 FROM holdfast_workflows WHERE id = ? AND epoch = ?)
ON CONFLICT (id) DO NOTHING;

-- name: finish_workflows
UPDATE holdfast_workflows SET status = ?, owner = NULL, wake_at = NULL, crashes = 0
WHERE id = ? AND epoch = ? AND status = 'running';

-- name: finish_alone
-- finish_workflows for one workflow whose end changes nothing else. No row: the fence does not hold, its cancellation was
-- asked for, it was suspected of a crash, or another one may take its place in a queue.
UPDATE holdfast_workflows SET status = ?, owner = NULL, wake_at = NULL
WHERE id = ? AND epoch = ? AND status = 'running' AND cancel_at IS NULL AND crashes = 0 AND queue IS NULL;

-- name: suspend_workflow
UPDATE holdfast_workflows SET status = 'suspended', owner = NULL, wake_at = :wake_at, crashes = 0
WHERE id = :workflow_id AND epoch = :epoch AND status = 'running';

-- name: release_workflow
-- It was begun, so it goes before what was never begun, like what a dead worker leaves.
UPDATE holdfast_workflows SET status = 'enqueued', owner = NULL, wake_at = 0
WHERE id = :workflow_id AND epoch = :epoch AND status = 'running';

-- name: set_aside_workflow
UPDATE holdfast_workflows SET status = :status, owner = NULL, wake_at = NULL
WHERE id = :workflow_id AND epoch = :epoch AND status = 'running';

-- name: put_report
INSERT INTO holdfast_reports (id, report, at) VALUES (:workflow_id, :report, :now)
ON CONFLICT (id) DO UPDATE SET report = excluded.report, at = excluded.at;

-- name: delete_report
DELETE FROM holdfast_reports WHERE id = :workflow_id;

-- name: forgive_workflow
UPDATE holdfast_workflows SET crashes = 0 WHERE id = :workflow_id AND epoch = :epoch AND status = 'running';

-- name: wake_workflows
UPDATE holdfast_workflows SET status = 'enqueued', wake_at = :now
WHERE id IN (SELECT value FROM json_each(:workflow_ids)) AND status = 'suspended'
RETURNING id;

-- name: taken_by_claim
-- What a claim whose reply was lost has taken already.
SELECT id FROM holdfast_workflows WHERE status = 'running' AND owner = :worker_id AND claim_id = :claim_id;

-- name: due_workflows
-- Without suspects, and what is in queues. Each half is one range of a partial index, oldest first. The version is
-- looked up for pinned names only, here and below: such workflows are for workers that have their version's code.
SELECT id, wake_at FROM (
    SELECT id, wake_at FROM holdfast_workflows
    WHERE status = 'enqueued' AND queue IS NULL AND wake_at <= :now AND crashes < :isolate_from
        AND name IN (SELECT value FROM json_each(:names))
      AND (name NOT IN (SELECT value FROM json_each(:pinned_names)) OR name || char(10) || (
        SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = holdfast_workflows.id
      ) IN (SELECT value FROM json_each(:pinned)))
    ORDER BY wake_at, id LIMIT :limit
)
UNION ALL
SELECT id, wake_at FROM (
    SELECT id, wake_at FROM holdfast_workflows
    WHERE status = 'suspended' AND queue IS NULL AND wake_at <= :now AND name IN (SELECT value FROM json_each(:names))
      AND (name NOT IN (SELECT value FROM json_each(:pinned_names)) OR name || char(10) || (
        SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = holdfast_workflows.id
      ) IN (SELECT value FROM json_each(:pinned)))
    ORDER BY wake_at LIMIT :limit
)
ORDER BY wake_at, id LIMIT :limit;

-- name: due_suspect
SELECT id, wake_at FROM holdfast_workflows
WHERE status = 'enqueued' AND queue IS NULL AND wake_at <= :now AND crashes >= :isolate_from
    AND (crashes >= :accused_from) = :accused AND name IN (SELECT value FROM json_each(:names))
  AND (name NOT IN (SELECT value FROM json_each(:pinned_names)) OR name || char(10) || (
    SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = holdfast_workflows.id
  ) IN (SELECT value FROM json_each(:pinned)))
ORDER BY wake_at, id LIMIT 1;

-- name: claim_workflows
UPDATE holdfast_workflows
SET status = 'running', owner = :worker_id, epoch = epoch + 1, wake_at = NULL, claim_id = :claim_id, stage = NULL
WHERE id IN (SELECT value FROM json_each(:workflow_ids)) AND status IN ('enqueued', 'suspended');

-- name: begin_timeouts
-- A timeout counts from the first claim: later ones would not come to an earlier deadline.
UPDATE holdfast_workflow_info SET deadline_at = :now + timeout
WHERE id IN (SELECT value FROM json_each(:workflow_ids)) AND :now + timeout < coalesce(deadline_at, 9e999);

-- name: running_of_worker
SELECT id, crashes FROM holdfast_workflows WHERE status = 'running' AND owner = :worker_id ORDER BY id;

-- name: take_over_workflow
UPDATE holdfast_workflows
SET status = :status, owner = NULL, epoch = epoch + 1, wake_at = :wake_at, crashes = :crashes
WHERE id = :workflow_id AND status = 'running' AND owner = :worker_id;

-- name: descendants
-- Itself first, then its children, whatever their status: what has ended may have left children behind.
WITH RECURSIVE tree (id) AS (
    VALUES (:workflow_id)
    UNION
    SELECT i.id FROM tree CROSS JOIN holdfast_workflow_info AS i ON i.parent_id = tree.id
)
SELECT w.id, w.status, w.epoch FROM tree CROSS JOIN holdfast_workflows AS w ON w.id = tree.id;

-- name: cancel_workflow
-- One that nobody runs and nobody will: cancelled at once.
UPDATE holdfast_workflows
SET status = 'cancelled', owner = NULL, wake_at = NULL, crashes = 0, cancel_at = coalesce(cancel_at, :now)
WHERE id = :workflow_id;

-- name: terminate_workflow
UPDATE holdfast_workflows
SET status = 'cancelled', owner = NULL, wake_at = NULL, crashes = 0, epoch = epoch + 1,
    cancel_at = coalesce(cancel_at, :now)
WHERE id = :workflow_id;

-- name: request_cancel
UPDATE holdfast_workflows SET cancel_at = coalesce(cancel_at, :now) WHERE id = :workflow_id;

-- name: resume_workflow
-- In a queue it lines up anew: nobody has kept its place.
UPDATE holdfast_workflows
SET status = 'enqueued', wake_at = :now, crashes = 0, stage = CASE WHEN queue IS NOT NULL THEN 'line' END
WHERE id = :workflow_id AND status IN ('blocked', 'dead');

-- name: workflow
SELECT * FROM holdfast_records WHERE workflow_id = :workflow_id;

-- name: workflows_by_id
SELECT r.* FROM json_each(:workflow_ids) AS wanted CROSS JOIN holdfast_records AS r ON r.workflow_id = wanted.value;

-- name: outcomes
-- What was set aside gives its report for an error.
SELECT w.id, w.status, o.output, coalesce(o.error, r.report)
FROM json_each(:workflow_ids) AS wanted
CROSS JOIN holdfast_workflows AS w ON w.id = wanted.value
LEFT JOIN holdfast_outcomes AS o ON o.id = w.id
LEFT JOIN holdfast_reports AS r ON r.id = w.id
WHERE w.status IN ('succeeded', 'failed', 'cancelled', 'blocked', 'dead');

-- name: next_due
-- Without queues. Suspended ones with a time, and delayed ones that have not begun; what is enqueued and was due when it
-- was last claimed is not waited for.
SELECT min(wake_at) FROM (
    SELECT wake_at FROM (
        SELECT wake_at FROM holdfast_workflows
        WHERE status = 'suspended' AND wake_at IS NOT NULL AND queue IS NULL
            AND name IN (SELECT value FROM json_each(:names))
          AND (name NOT IN (SELECT value FROM json_each(:pinned_names)) OR name || char(10) || (
            SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = holdfast_workflows.id
          ) IN (SELECT value FROM json_each(:pinned)))
        ORDER BY wake_at LIMIT 1
    )
    UNION ALL
    SELECT wake_at FROM (
        SELECT wake_at FROM holdfast_workflows
        WHERE status = 'enqueued' AND queue IS NULL AND wake_at > :after AND name IN (SELECT value FROM json_each(:names))
          AND (name NOT IN (SELECT value FROM json_each(:pinned_names)) OR name || char(10) || (
            SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = holdfast_workflows.id
          ) IN (SELECT value FROM json_each(:pinned)))
        ORDER BY wake_at LIMIT 1
    )
);

-- name: accused_wait
-- Who lost its worker is due from the beginning of time on.
SELECT EXISTS (
    SELECT 1 FROM holdfast_workflows
    WHERE status = 'enqueued' AND queue IS NULL AND wake_at <= 0 AND crashes >= :accused_from
        AND name IN (SELECT value FROM json_each(:names))
    UNION ALL
    SELECT 1 FROM holdfast_workflows
    WHERE status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL AND wake_at <= 0 AND crashes >= :accused_from
        AND name IN (SELECT value FROM json_each(:names))
);

-- name: count_unknown
-- Of what is in line, a sample: there may be millions.
SELECT name, count(*) FROM (
    SELECT name FROM holdfast_workflows WHERE status = 'enqueued' AND queue IS NULL
    UNION ALL
    SELECT * FROM (
        SELECT name FROM holdfast_workflows
        WHERE stage = 'line' AND status = 'enqueued'
            AND (:queues IS NULL OR queue IN (SELECT value FROM json_each(:queues)))
        LIMIT 1000
    )
)
WHERE name NOT IN (SELECT value FROM json_each(:names))
GROUP BY name;

-- name: count_other_versions
-- The index of what is enqueued is read, as for unknown names, and a sample of what is in line.
SELECT w.name, i.version, count(*)
FROM (
    SELECT id, name FROM holdfast_workflows WHERE status = 'enqueued' AND queue IS NULL
    UNION ALL
    SELECT * FROM (SELECT id, name FROM holdfast_workflows WHERE stage = 'line' AND status = 'enqueued' LIMIT 1000)
) AS w
CROSS JOIN holdfast_workflow_info AS i ON i.id = w.id
WHERE w.name IN (SELECT value FROM json_each(:pinned_names))
  AND w.name || char(10) || i.version NOT IN (SELECT value FROM json_each(:pinned))
GROUP BY w.name, i.version;

-- name: unfinished_versions
SELECT w.name, i.version,
    count(*) FILTER (WHERE w.status = 'enqueued'),
    count(*) FILTER (WHERE w.status = 'suspended'),
    count(*) FILTER (WHERE w.status = 'running'),
    count(*) FILTER (WHERE w.status IN ('blocked', 'dead'))
FROM holdfast_workflows AS w
CROSS JOIN holdfast_workflow_info AS i ON i.id = w.id
WHERE w.status IN ('enqueued', 'suspended', 'running', 'blocked', 'dead')
GROUP BY w.name, i.version
ORDER BY w.name, i.version;

-- name: cancelled_by_others
SELECT id FROM holdfast_workflows WHERE owner = :worker_id AND status = 'running' AND cancel_at IS NOT NULL;
