-- Admission to queues. A claim asks which queues have something due, counts what runs, and lets in what the limits leave.

-- name: put_queue
INSERT INTO {schema}.queues AS q (
    name, concurrency, worker_concurrency, rate_limit, rate_period,
    partition_concurrency, partition_rate_limit, partition_rate_period, hold_while_suspended, is_limited, declared
) VALUES (
    %(name)s, %(concurrency)s, %(worker_concurrency)s, %(rate_limit)s, %(rate_period)s,
    %(partition_concurrency)s, %(partition_rate_limit)s, %(partition_rate_period)s, %(hold_while_suspended)s, %(is_limited)s, %(declared)s
)
ON CONFLICT (name) DO UPDATE SET
    concurrency = excluded.concurrency, worker_concurrency = excluded.worker_concurrency,
    rate_limit = excluded.rate_limit, rate_period = excluded.rate_period,
    partition_concurrency = excluded.partition_concurrency, partition_rate_limit = excluded.partition_rate_limit,
    partition_rate_period = excluded.partition_rate_period, hold_while_suspended = excluded.hold_while_suspended,
    is_limited = excluded.is_limited, declared = excluded.declared
WHERE q.declared <> excluded.declared;

-- name: change_queue
UPDATE {schema}.queues SET
    concurrency = %(concurrency)s, worker_concurrency = %(worker_concurrency)s,
    rate_limit = %(rate_limit)s, rate_period = %(rate_period)s,
    partition_concurrency = %(partition_concurrency)s, partition_rate_limit = %(partition_rate_limit)s,
    partition_rate_period = %(partition_rate_period)s, hold_while_suspended = %(hold_while_suspended)s,
    is_limited = %(is_limited)s
WHERE name = %(name)s
RETURNING name;

-- name: pause_queue
UPDATE {schema}.queues SET paused = %(paused)s WHERE name = %(name)s RETURNING name;

-- name: queue_names
SELECT name FROM {schema}.queues ORDER BY name;

-- name: queue_states
WITH t AS (SELECT coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8) AS now)
SELECT q.name, q.concurrency, q.worker_concurrency, q.rate_limit, q.rate_period, q.partition_concurrency,
    q.partition_rate_limit, q.partition_rate_period, q.hold_while_suspended, q.paused,
    (SELECT count(*) FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.stage = 'line' AND w.status = 'enqueued'),
    (SELECT count(*) FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued' AND w.wake_at <= t.now),
    (SELECT count(*) FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued' AND w.wake_at > t.now),
    (SELECT count(*) FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.status = 'running' AND w.queue IS NOT NULL),
    (SELECT count(*) FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.status = 'suspended' AND w.queue IS NOT NULL),
    t.now - least(
        (SELECT min(w.wake_at) FROM {schema}.workflows AS w
            WHERE w.queue = q.name AND w.stage = 'line' AND w.status = 'enqueued'),
        (SELECT min(w.wake_at) FROM {schema}.workflows AS w
            WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued' AND w.wake_at <= t.now)
    )
FROM {schema}.queues AS q, t
ORDER BY q.name;

-- name: open_queues
-- Those in which something is due. Each question is one look into an index: the order asked for keeps the planner from
-- reading a table of millions for it, as EXISTS does not.
SELECT q.name FROM {schema}.queues AS q
WHERE (%(queues)s::text[] IS NULL OR q.name = ANY(%(queues)s::text[])) AND (
    (
        SELECT w.id FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.status = 'enqueued' AND w.queue IS NOT NULL AND w.stage IS NULL
            AND w.wake_at <= %(now)s
        ORDER BY w.queue, w.wake_at, w.id LIMIT 1
    ) IS NOT NULL
    OR (
        SELECT w.id FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.status = 'suspended' AND w.queue IS NOT NULL AND w.wake_at <= %(now)s
        ORDER BY w.queue, w.wake_at LIMIT 1
    ) IS NOT NULL
    OR (NOT q.paused AND (
        SELECT w.id FROM {schema}.workflows AS w WHERE w.queue = q.name AND w.stage = 'line' AND w.status = 'enqueued'
        ORDER BY w.queue, w.partition_key LIMIT 1
    ) IS NOT NULL)
    OR (NOT q.paused AND (
        SELECT w.id FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued' AND w.wake_at <= %(now)s
        ORDER BY w.queue, w.wake_at LIMIT 1
    ) IS NOT NULL)
)
ORDER BY q.name;

-- name: lock_queues
-- One worker at a time lets in from a queue: what it counts stays true until it commits. In one order everywhere.
SELECT name, concurrency, worker_concurrency, rate_limit, rate_period, partition_concurrency,
    partition_rate_limit, partition_rate_period, hold_while_suspended, paused, turn, let_in_at
FROM {schema}.queues
WHERE name = ANY(%(queues)s::text[])
ORDER BY name COLLATE "C"
FOR NO KEY UPDATE;

-- name: queue_loads
-- Only what a limit asks for is counted. The time is that after the locks: another worker's starts are before it.
WITH t AS (SELECT coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8) AS now)
SELECT q.name,
    CASE WHEN q.concurrency IS NULL THEN 0 ELSE (
        SELECT count(*) FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.status = 'running' AND w.queue IS NOT NULL
    ) END,
    CASE WHEN q.worker_concurrency IS NULL THEN 0 ELSE (
        SELECT count(*) FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.status = 'running' AND w.queue IS NOT NULL AND w.owner = %(worker_id)s
    ) END,
    CASE WHEN q.concurrency IS NULL OR NOT q.hold_while_suspended THEN 0 ELSE (
        SELECT count(*) FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.status = 'suspended' AND w.queue IS NOT NULL
    ) + (
        SELECT count(*) FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.status = 'enqueued' AND w.queue IS NOT NULL AND w.stage IS NULL
    ) END,
    CASE WHEN q.rate_limit IS NULL THEN 0 ELSE (
        SELECT count(*) FROM {schema}.queue_starts AS s WHERE s.queue = q.name AND s.at + q.rate_period > t.now
            AND s.at > t.now - q.rate_period - 1
    ) END,
    t.now
FROM {schema}.queues AS q, t
WHERE q.name = ANY(%(queues)s::text[]);

-- name: partition_loads
SELECT partition_key, sum(held)::bigint, sum(started)::bigint FROM (
    SELECT w.partition_key AS partition_key, count(*) AS held, 0 AS started FROM {schema}.workflows AS w
    WHERE w.queue = %(queue)s AND w.status = 'running' AND w.queue IS NOT NULL
    GROUP BY w.partition_key
    UNION ALL
    SELECT w.partition_key, count(*), 0 FROM {schema}.workflows AS w
    WHERE %(holds)s::boolean AND w.queue = %(queue)s AND w.status = 'suspended' AND w.queue IS NOT NULL
    GROUP BY w.partition_key
    UNION ALL
    SELECT w.partition_key, count(*), 0 FROM {schema}.workflows AS w
    WHERE %(holds)s::boolean AND w.queue = %(queue)s AND w.status = 'enqueued' AND w.queue IS NOT NULL AND w.stage IS NULL
    GROUP BY w.partition_key
    UNION ALL
    SELECT s.partition_key, 0, count(*) FROM {schema}.queue_starts AS s
    WHERE s.queue = %(queue)s AND s.at + %(period)s::float8 > %(now)s::float8 AND s.at > %(now)s::float8 - %(period)s::float8 - 1
    GROUP BY s.partition_key
) AS counted
GROUP BY partition_key;

-- name: line_up
-- What was delayed takes its place in the line when its time has come, so that the line holds nothing that may not start.
UPDATE {schema}.workflows SET stage = 'line'
WHERE id IN (
    SELECT id FROM {schema}.workflows
    WHERE queue = %(queue)s AND stage = 'delayed' AND status = 'enqueued' AND wake_at <= %(now)s
    ORDER BY wake_at LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
);

-- name: returning_workflows
-- What has begun and is to go on: woken, or left by a worker. Suspects apart.
SELECT id, partition_key FROM (
    (
        SELECT id, partition_key, wake_at FROM {schema}.workflows
        WHERE queue = %(queue)s AND status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL
            AND wake_at <= %(now)s AND crashes < %(isolate_from)s AND name = ANY(%(names)s::text[])
            AND (name <> ALL(%(pinned_names)s::text[]) OR name || chr(10) || (
                SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = workflows.id
            ) = ANY(%(pinned)s::text[]))
            AND partition_key <> ALL(%(without)s::text[])
        ORDER BY wake_at, id LIMIT %(limit)s
    )
    UNION ALL
    (
        SELECT id, partition_key, wake_at FROM {schema}.workflows
        WHERE queue = %(queue)s AND status = 'suspended' AND queue IS NOT NULL
            AND wake_at <= %(now)s AND name = ANY(%(names)s::text[])
            AND (name <> ALL(%(pinned_names)s::text[]) OR name || chr(10) || (
                SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = workflows.id
            ) = ANY(%(pinned)s::text[]))
            AND partition_key <> ALL(%(without)s::text[])
        ORDER BY wake_at LIMIT %(limit)s
    )
) AS due
ORDER BY wake_at, id LIMIT %(limit)s;

-- name: returning_suspect
SELECT id, partition_key FROM {schema}.workflows
WHERE queue = %(queue)s AND status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL
    AND wake_at <= %(now)s AND crashes >= %(isolate_from)s AND (crashes >= %(accused_from)s) = %(accused)s::boolean
    AND name = ANY(%(names)s::text[])
    AND (name <> ALL(%(pinned_names)s::text[]) OR name || chr(10) || (
        SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = workflows.id
    ) = ANY(%(pinned)s::text[]))
    AND partition_key <> ALL(%(without)s::text[])
ORDER BY wake_at, id LIMIT 1;

-- name: waiting_partitions
-- Which partitions have somebody in line, from a key on: one look into the index for each, however long the line is.
WITH RECURSIVE keys (key) AS (
    (
        SELECT partition_key FROM {schema}.workflows
        WHERE queue = %(queue)s AND stage = 'line' AND status = 'enqueued' AND partition_key >= %(start)s
        ORDER BY partition_key LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT w.partition_key FROM {schema}.workflows AS w
        WHERE w.queue = %(queue)s AND w.stage = 'line' AND w.status = 'enqueued' AND w.partition_key > keys.key
        ORDER BY w.partition_key LIMIT 1
    )
    FROM keys WHERE keys.key IS NOT NULL
)
SELECT key FROM keys
WHERE key IS NOT NULL AND key <> ALL(%(without)s::text[])
LIMIT %(limit)s;

-- name: heads_of_lines
-- The first few of each partition, in the order of the partitions given.
SELECT l.id, l.partition_key
FROM unnest(%(partitions)s::text[]) WITH ORDINALITY AS k (key, place)
CROSS JOIN LATERAL (
    SELECT w.id, w.partition_key, w.priority, w.wake_at FROM {schema}.workflows AS w
    WHERE w.queue = %(queue)s AND w.partition_key = k.key COLLATE "C" AND w.stage = 'line' AND w.status = 'enqueued'
        AND w.name = ANY(%(names)s::text[])
        AND (w.name <> ALL(%(pinned_names)s::text[]) OR w.name || chr(10) || (
            SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = w.id
        ) = ANY(%(pinned)s::text[]))
    ORDER BY w.priority, w.wake_at, w.id LIMIT %(limit)s
) AS l
ORDER BY k.place, l.priority, l.wake_at, l.id;

-- name: admit_workflows
-- A row that another transaction holds at this moment is passed over: it is being changed, and will be told of.
WITH free AS (
    SELECT id FROM {schema}.workflows
    WHERE id = ANY(%(workflow_ids)s::text[]) AND status IN ('enqueued', 'suspended')
    FOR NO KEY UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM {schema}.waits AS q USING free WHERE q.workflow_id = free.id
), begun AS (
    -- A timeout counts from the first claim: later ones would not come to an earlier deadline.
    UPDATE {schema}.workflow_info AS i SET deadline_at = this.now + i.timeout
    FROM free, (SELECT coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8) AS now) AS this
    WHERE i.id = free.id AND this.now + i.timeout < coalesce(i.deadline_at, 'Infinity')
)
UPDATE {schema}.workflows AS w
SET status = 'running', owner = %(worker_id)s, epoch = w.epoch + 1, wake_at = NULL, claim_id = %(claim_id)s, stage = NULL
FROM free WHERE w.id = free.id
RETURNING w.id;

-- name: note_starts
INSERT INTO {schema}.queue_starts (queue, at, workflow_id, partition_key)
SELECT w.queue, %(now)s::float8, w.id, w.partition_key FROM {schema}.workflows AS w
WHERE w.id = ANY(%(workflow_ids)s::text[])
ON CONFLICT (queue, at, workflow_id) DO NOTHING;

-- name: forget_starts
DELETE FROM {schema}.queue_starts WHERE queue = %(queue)s AND at < %(before)s;

-- name: set_turn
UPDATE {schema}.queues SET turn = %(turn)s, let_in_at = %(now)s WHERE name = %(queue)s;

-- name: runs_suspect
SELECT EXISTS (SELECT 1 FROM {schema}.workers WHERE worker_id = %(worker_id)s AND suspect_id IS NOT NULL);

-- name: next_due_in_queues
-- The next time at which a queue has more to give than now: somebody's own time, or a start that leaves a rate's period.
-- What is due already waits for a place, and whoever frees one tells.
SELECT min(at) FROM (
    SELECT (
        SELECT w.wake_at FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.status = 'suspended' AND w.queue IS NOT NULL
            AND w.wake_at > %(after)s::float8 AND w.name = ANY(%(names)s::text[])
            AND (w.name <> ALL(%(pinned_names)s::text[]) OR w.name || chr(10) || (
                SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = w.id
            ) = ANY(%(pinned)s::text[]))
        ORDER BY w.wake_at LIMIT 1
    ) AS at
    FROM {schema}.queues AS q
    WHERE %(queues)s::text[] IS NULL OR q.name = ANY(%(queues)s::text[])
    UNION ALL
    SELECT (
        SELECT w.wake_at FROM {schema}.workflows AS w
        WHERE w.queue = q.name AND w.stage = 'delayed' AND w.status = 'enqueued'
            AND w.wake_at > %(after)s::float8 AND w.name = ANY(%(names)s::text[])
            AND (w.name <> ALL(%(pinned_names)s::text[]) OR w.name || chr(10) || (
                SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = w.id
            ) = ANY(%(pinned)s::text[]))
        ORDER BY w.wake_at LIMIT 1
    )
    FROM {schema}.queues AS q
    WHERE NOT q.paused AND (%(queues)s::text[] IS NULL OR q.name = ANY(%(queues)s::text[]))
    UNION ALL
    SELECT (
        SELECT min(s.at) FROM {schema}.queue_starts AS s WHERE s.queue = q.name AND s.at > %(after)s::float8 - p.period
    ) + p.period
    FROM {schema}.queues AS q
    JOIN (
        SELECT name, rate_period AS period FROM {schema}.queues WHERE rate_period IS NOT NULL
        UNION ALL
        SELECT name, partition_rate_period FROM {schema}.queues WHERE partition_rate_period IS NOT NULL
    ) AS p ON p.name = q.name
    WHERE NOT q.paused AND (%(queues)s::text[] IS NULL OR q.name = ANY(%(queues)s::text[]))
        AND (
            SELECT w.id FROM {schema}.workflows AS w WHERE w.queue = q.name AND w.stage = 'line' AND w.status = 'enqueued'
            ORDER BY w.queue, w.partition_key LIMIT 1
        ) IS NOT NULL
) AS due;

-- name: lock_queue_key
-- Whoever comes second waits here for the first one's commit.
INSERT INTO {schema}.queue_keys AS k (queue, key, workflow_id, request_id, requested_at)
VALUES (%(queue)s, %(key)s, '', '', 0)
ON CONFLICT (queue, key) DO UPDATE SET key = k.key;

-- name: queue_key
-- Who was created with the key, and whether it still waits for its time.
SELECT k.workflow_id, k.request_id, k.requested_at, k.until, w.status,
    coalesce(w.status = 'enqueued' AND w.stage = 'delayed', false)
FROM {schema}.queue_keys AS k
LEFT JOIN {schema}.workflows AS w ON w.id = k.workflow_id
WHERE k.queue = %(queue)s AND k.key = %(key)s;

-- name: put_queue_key
INSERT INTO {schema}.queue_keys (queue, key, workflow_id, request_id, requested_at, until)
VALUES (%(queue)s, %(key)s, %(workflow_id)s, %(request_id)s, %(requested_at)s, %(until)s)
ON CONFLICT (queue, key) DO UPDATE SET
    workflow_id = excluded.workflow_id, request_id = excluded.request_id,
    requested_at = excluded.requested_at, until = excluded.until;

-- name: postpone_workflow
UPDATE {schema}.workflows SET wake_at = %(wake_at)s
WHERE id = %(workflow_id)s AND status IN ('enqueued', '') AND stage = 'delayed'
RETURNING id;

-- name: replace_input
UPDATE {schema}.workflow_info SET input = %(input)s, input_digest = %(input_digest)s, version = %(version)s
WHERE id = %(workflow_id)s;
