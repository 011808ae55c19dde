-- Admission to queues. A claim asks which queues have something due, counts what runs, and lets in what the limits leave.

-- name: put_queue
INSERT INTO holdfast_queues (
    name, concurrency, worker_concurrency, rate_limit, rate_period,
    partition_concurrency, partition_rate_limit, partition_rate_period, hold_while_suspended, is_limited, declared
) VALUES (
    :name, :concurrency, :worker_concurrency, :rate_limit, :rate_period,
    :partition_concurrency, :partition_rate_limit, :partition_rate_period, :hold_while_suspended, :is_limited, :declared
)
ON CONFLICT (name) DO UPDATE SET
    concurrency = excluded.concurrency, worker_concurrency = excluded.worker_concurrency,
    rate_limit = excluded.rate_limit, rate_period = excluded.rate_period,
    partition_concurrency = excluded.partition_concurrency, partition_rate_limit = excluded.partition_rate_limit,
    partition_rate_period = excluded.partition_rate_period, hold_while_suspended = excluded.hold_while_suspended,
    is_limited = excluded.is_limited, declared = excluded.declared
WHERE holdfast_queues.declared <> excluded.declared;

-- name: change_queue
UPDATE holdfast_queues SET
    concurrency = :concurrency, worker_concurrency = :worker_concurrency,
    rate_limit = :rate_limit, rate_period = :rate_period,
    partition_concurrency = :partition_concurrency, partition_rate_limit = :partition_rate_limit,
    partition_rate_period = :partition_rate_period, hold_while_suspended = :hold_while_suspended,
    is_limited = :is_limited
WHERE name = :name
RETURNING name;

-- name: pause_queue
UPDATE holdfast_queues SET paused = :paused WHERE name = :name RETURNING name;

-- name: queue_names
SELECT name FROM holdfast_queues ORDER BY name;

-- name: queue_states
SELECT q.name, q.concurrency, q.worker_concurrency, q.rate_limit, q.rate_period, q.partition_concurrency,
    q.partition_rate_limit, q.partition_rate_period, q.hold_while_suspended, q.paused,
    (SELECT count(*) FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.stage = 'line' AND w.status = 'enqueued'),
    (SELECT count(*) FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued' AND w.wake_at <= :now),
    (SELECT count(*) FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued' AND w.wake_at > :now),
    (SELECT count(*) FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.status = 'running' AND w.queue IS NOT NULL),
    (SELECT count(*) FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.status = 'suspended' AND w.queue IS NOT NULL),
    :now - min(
        coalesce((SELECT min(w.wake_at) FROM holdfast_workflows AS w
            WHERE w.queue = q.name AND w.stage = 'line' AND w.status = 'enqueued'), 9e999),
        coalesce((SELECT min(w.wake_at) FROM holdfast_workflows AS w
            WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued' AND w.wake_at <= :now), 9e999)
    )
FROM holdfast_queues AS q
ORDER BY q.name;

-- name: open_queues
-- Those in which something is due. Each question is one look into an index.
SELECT q.name FROM holdfast_queues AS q
WHERE (:queues IS NULL OR q.name IN (SELECT value FROM json_each(:queues))) AND (
    EXISTS (
        SELECT 1 FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.status = 'enqueued' AND w.queue IS NOT NULL AND w.stage IS NULL
            AND w.wake_at <= :now
    )
    OR EXISTS (
        SELECT 1 FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.status = 'suspended' AND w.queue IS NOT NULL AND w.wake_at <= :now
    )
    OR (NOT q.paused AND EXISTS (
        SELECT 1 FROM holdfast_workflows AS w WHERE w.queue = q.name AND w.stage = 'line' AND w.status = 'enqueued'
    ))
    OR (NOT q.paused AND EXISTS (
        SELECT 1 FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued' AND w.wake_at <= :now
    ))
)
ORDER BY q.name;

-- name: lock_queues
-- There is one writer, so nothing has to be locked here.
SELECT name, concurrency, worker_concurrency, rate_limit, rate_period, partition_concurrency,
    partition_rate_limit, partition_rate_period, hold_while_suspended, paused, turn, let_in_at
FROM holdfast_queues
WHERE name IN (SELECT value FROM json_each(:queues))
ORDER BY name;

-- name: queue_loads
-- Only what a limit asks for is counted.
SELECT q.name,
    CASE WHEN q.concurrency IS NULL THEN 0 ELSE (
        SELECT count(*) FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.status = 'running' AND w.queue IS NOT NULL
    ) END,
    CASE WHEN q.worker_concurrency IS NULL THEN 0 ELSE (
        SELECT count(*) FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.status = 'running' AND w.queue IS NOT NULL AND w.owner = :worker_id
    ) END,
    CASE WHEN q.concurrency IS NULL OR NOT q.hold_while_suspended THEN 0 ELSE (
        SELECT count(*) FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.status = 'suspended' AND w.queue IS NOT NULL
    ) + (
        SELECT count(*) FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.status = 'enqueued' AND w.queue IS NOT NULL AND w.stage IS NULL
    ) END,
    CASE WHEN q.rate_limit IS NULL THEN 0 ELSE (
        SELECT count(*) FROM holdfast_queue_starts AS s WHERE s.queue = q.name AND s.at + q.rate_period > :now
            AND s.at > :now - q.rate_period - 1
    ) END,
    :now
FROM holdfast_queues AS q
WHERE q.name IN (SELECT value FROM json_each(:queues));

-- name: partition_loads
SELECT partition_key, sum(held), sum(started) FROM (
    SELECT w.partition_key AS partition_key, count(*) AS held, 0 AS started FROM holdfast_workflows AS w
    WHERE w.queue = :queue AND w.status = 'running' AND w.queue IS NOT NULL
    GROUP BY w.partition_key
    UNION ALL
    SELECT w.partition_key, count(*), 0 FROM holdfast_workflows AS w
    WHERE :holds AND w.queue = :queue AND w.status = 'suspended' AND w.queue IS NOT NULL
    GROUP BY w.partition_key
    UNION ALL
    SELECT w.partition_key, count(*), 0 FROM holdfast_workflows AS w
    WHERE :holds AND w.queue = :queue AND w.status = 'enqueued' AND w.queue IS NOT NULL AND w.stage IS NULL
    GROUP BY w.partition_key
    UNION ALL
    SELECT s.partition_key, 0, count(*) FROM holdfast_queue_starts AS s
    WHERE s.queue = :queue AND s.at + :period > :now AND s.at > :now - :period - 1
    GROUP BY s.partition_key
)
GROUP BY partition_key;

-- name: line_up
-- What was delayed takes its place in the line when its time has come, so that the line holds nothing that may not start.
UPDATE holdfast_workflows SET stage = 'line'
WHERE id IN (
    SELECT id FROM holdfast_workflows
    WHERE queue = :queue AND stage = 'delayed' AND status = 'enqueued' AND wake_at <= :now
    ORDER BY wake_at LIMIT :limit
);

-- name: returning_workflows
-- What has begun and is to go on: woken, or left by a worker. Suspects apart.
SELECT id, partition_key FROM (
    SELECT * FROM (
        SELECT id, partition_key, wake_at FROM holdfast_workflows
        WHERE queue = :queue AND status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL
            AND wake_at <= :now AND crashes < :isolate_from AND name IN (SELECT value FROM json_each(:names))
            AND (name NOT IN (SELECT value FROM json_each(:pinned_names)) OR name || char(10) || (
                SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = holdfast_workflows.id
            ) IN (SELECT value FROM json_each(:pinned)))
            AND partition_key NOT IN (SELECT value FROM json_each(:without))
        ORDER BY wake_at, id LIMIT :limit
    )
    UNION ALL
    SELECT * FROM (
        SELECT id, partition_key, wake_at FROM holdfast_workflows
        WHERE queue = :queue AND status = 'suspended' AND queue IS NOT NULL
            AND wake_at <= :now AND name IN (SELECT value FROM json_each(:names))
            AND (name NOT IN (SELECT value FROM json_each(:pinned_names)) OR name || char(10) || (
                SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = holdfast_workflows.id
            ) IN (SELECT value FROM json_each(:pinned)))
            AND partition_key NOT IN (SELECT value FROM json_each(:without))
        ORDER BY wake_at LIMIT :limit
    )
)
ORDER BY wake_at, id LIMIT :limit;

-- name: returning_suspect
SELECT id, partition_key FROM holdfast_workflows
WHERE queue = :queue AND status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL
    AND wake_at <= :now AND crashes >= :isolate_from AND (crashes >= :accused_from) = :accused
    AND name IN (SELECT value FROM json_each(:names))
    AND (name NOT IN (SELECT value FROM json_each(:pinned_names)) OR name || char(10) || (
        SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = holdfast_workflows.id
    ) IN (SELECT value FROM json_each(:pinned)))
    AND partition_key NOT IN (SELECT value FROM json_each(:without))
ORDER BY wake_at, id LIMIT 1;

-- name: waiting_partitions
-- Which partitions have somebody in line, from a key on: one look into the index for each, however long the line is.
WITH RECURSIVE keys (key) AS (
    SELECT * FROM (
        SELECT partition_key FROM holdfast_workflows
        WHERE queue = :queue AND stage = 'line' AND status = 'enqueued' AND partition_key >= :start
        ORDER BY partition_key LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT w.partition_key FROM holdfast_workflows AS w
        WHERE w.queue = :queue AND w.stage = 'line' AND w.status = 'enqueued' AND w.partition_key > keys.key
        ORDER BY w.partition_key LIMIT 1
    )
    FROM keys WHERE keys.key IS NOT NULL
)
SELECT key FROM keys
WHERE key IS NOT NULL AND key NOT IN (SELECT value FROM json_each(:without))
LIMIT :limit;

-- name: heads_of_lines
-- The first few of each partition, in the order of the partitions given.
SELECT w.id, w.partition_key
FROM json_each(:partitions) AS k
CROSS JOIN holdfast_workflows AS w
WHERE w.id IN (
    SELECT l.id FROM holdfast_workflows AS l
    WHERE l.queue = :queue AND l.partition_key = k.value AND l.stage = 'line' AND l.status = 'enqueued'
        AND l.name IN (SELECT value FROM json_each(:names))
        AND (l.name NOT IN (SELECT value FROM json_each(:pinned_names)) OR l.name || char(10) || (
            SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = l.id
        ) IN (SELECT value FROM json_each(:pinned)))
    ORDER BY l.priority, l.wake_at, l.id LIMIT :limit
)
ORDER BY k.key, w.priority, w.wake_at, w.id;

-- name: note_starts
INSERT INTO holdfast_queue_starts (queue, at, workflow_id, partition_key)
SELECT w.queue, :now, w.id, w.partition_key
FROM json_each(:workflow_ids) AS started
CROSS JOIN holdfast_workflows AS w ON w.id = started.value
WHERE true
ON CONFLICT (queue, at, workflow_id) DO NOTHING;

-- name: forget_starts
DELETE FROM holdfast_queue_starts WHERE queue = :queue AND at < :before;

-- name: set_turn
UPDATE holdfast_queues SET turn = :turn, let_in_at = :now WHERE name = :queue;

-- name: runs_suspect
SELECT EXISTS (SELECT 1 FROM holdfast_workers WHERE worker_id = :worker_id AND suspect_id IS NOT NULL);

-- name: next_due_in_queues
-- The next time at which a queue has more to give than now: somebody's own time, or a start that leaves a rate's period.
-- What is due already waits for a place, and whoever frees one tells.
SELECT min(at) FROM (
    SELECT (
        SELECT w.wake_at FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.status = 'suspended' AND w.queue IS NOT NULL
            AND w.wake_at > :after AND w.name IN (SELECT value FROM json_each(:names))
            AND (w.name NOT IN (SELECT value FROM json_each(:pinned_names)) OR w.name || char(10) || (
                SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = w.id
            ) IN (SELECT value FROM json_each(:pinned)))
        ORDER BY w.wake_at LIMIT 1
    ) AS at
    FROM holdfast_queues AS q
    WHERE :queues IS NULL OR q.name IN (SELECT value FROM json_each(:queues))
    UNION ALL
    SELECT (
        SELECT w.wake_at FROM holdfast_workflows AS w
        WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued'
            AND w.wake_at > :after AND w.name IN (SELECT value FROM json_each(:names))
            AND (w.name NOT IN (SELECT value FROM json_each(:pinned_names)) OR w.name || char(10) || (
                SELECT i.version FROM holdfast_workflow_info AS i WHERE i.id = w.id
            ) IN (SELECT value FROM json_each(:pinned)))
        ORDER BY w.wake_at LIMIT 1
    )
    FROM holdfast_queues AS q
    WHERE NOT q.paused AND (:queues IS NULL OR q.name IN (SELECT value FROM json_each(:queues)))
    UNION ALL
    SELECT (
        SELECT min(s.at) FROM holdfast_queue_starts AS s WHERE s.queue = q.name AND s.at > :after - p.period
    ) + p.period
    FROM holdfast_queues AS q
    CROSS JOIN (
        SELECT name, rate_period AS period FROM holdfast_queues WHERE rate_period IS NOT NULL
        UNION ALL
        SELECT name, partition_rate_period FROM holdfast_queues WHERE partition_rate_period IS NOT NULL
    ) AS p ON p.name = q.name
    WHERE NOT q.paused AND (:queues IS NULL OR q.name IN (SELECT value FROM json_each(:queues)))
        AND EXISTS (
            SELECT 1 FROM holdfast_workflows AS w WHERE w.queue = q.name AND w.stage = 'line' AND w.status = 'enqueued'
        )
);

-- name: queue_key
-- Who was created with the key, and whether it still waits for its time.
SELECT k.workflow_id, k.request_id, k.requested_at, k.until, w.status,
    coalesce(w.status = 'enqueued' AND w.stage = 'delayed', 0)
FROM holdfast_queue_keys AS k
LEFT JOIN holdfast_workflows AS w ON w.id = k.workflow_id
WHERE k.queue = :queue AND k.key = :key;

-- name: put_queue_key
INSERT INTO holdfast_queue_keys (queue, key, workflow_id, request_id, requested_at, until)
VALUES (:queue, :key, :workflow_id, :request_id, :requested_at, :until)
ON CONFLICT (queue, key) DO UPDATE SET
    workflow_id = excluded.workflow_id, request_id = excluded.request_id,
    requested_at = excluded.requested_at, until = excluded.until;

-- name: postpone_workflow
UPDATE holdfast_workflows SET wake_at = :wake_at
WHERE id = :workflow_id AND status = 'enqueued' AND stage = 'delayed'
RETURNING id;

-- name: replace_input
UPDATE holdfast_workflow_info SET input = :input, input_digest = :input_digest, version = :version
WHERE id = :workflow_id;
