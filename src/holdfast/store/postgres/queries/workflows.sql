-- Every statement that writes to a workflow checks epoch and status itself. Rows were locked by lock_workflows before.

-- name: insert_workflow_infos
-- Its RETURNING tells which creations are new.
INSERT INTO {schema}.workflow_info
    (id, version, input, input_digest, request_id, parent_id, created_at, deadline_at, traceparent, timeout)
SELECT n.id, n.version, n.input, n.input_digest, n.request_id, n.parent_id, n.created_at, n.deadline_at, n.traceparent,
    n.timeout
FROM unnest(
    %(id)s::text[], %(version)s::text[], %(input)s::text[], %(input_digest)s::text[], %(request_id)s::text[],
    %(parent_id)s::text[], %(created_at)s::float8[], %(deadline_at)s::float8[], %(traceparent)s::text[],
    %(timeout)s::float8[], %(fence_id)s::text[], %(fence_epoch)s::int[]
) AS n (
    id, version, input, input_digest, request_id, parent_id, created_at, deadline_at, traceparent,
    timeout, fence_id, fence_epoch
)
LEFT JOIN {schema}.workflows AS f ON f.id = n.fence_id
WHERE n.fence_id IS NULL OR (f.epoch = n.fence_epoch AND f.status = 'running')
ON CONFLICT (id) DO NOTHING
RETURNING id, request_id;

-- name: insert_workflows
-- Whose request made the info row owns the id; a row that is there already was made by the same batch, sent before.
-- One that may start at once has its place in the line, too.
INSERT INTO {schema}.workflows (id, name, status, owner, epoch, wake_at, queue, priority, partition_key, stage)
SELECT n.id, n.name, n.status, n.owner, n.epoch,
    CASE n.status WHEN 'enqueued' THEN coalesce(n.wake_at, least(
        i.created_at, coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8)
    )) END,
    n.queue, n.priority, coalesce(n.partition_key, ''),
    CASE WHEN n.queue IS NOT NULL AND n.status = 'enqueued' THEN CASE
        WHEN n.wake_at > coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8) THEN 'delayed'
        ELSE 'line'
    END END
FROM unnest(
    %(id)s::text[], %(request_id)s::text[], %(name)s::text[], %(status)s::text[], %(owner)s::text[], %(epoch)s::int[],
    %(wake_at)s::float8[], %(queue)s::text[], %(priority)s::int[], %(partition_key)s::text[]
) AS n (id, request_id, name, status, owner, epoch, wake_at, queue, priority, partition_key)
JOIN {schema}.workflow_info AS i ON i.id = n.id AND i.request_id = n.request_id
ON CONFLICT (id) DO NOTHING;

-- name: create_alone
-- insert_workflow_infos and insert_workflows for one workflow that its creator runs, in one statement that is its own
-- transaction. No row: the id is taken, or the worker declared dead, and nothing is written.
WITH worker AS (
    SELECT k.worker_id FROM {schema}.workers AS k WHERE k.worker_id = %(owner)s AND k.alive FOR KEY SHARE
), made AS (
    INSERT INTO {schema}.workflow_info
        (id, version, input, input_digest, request_id, parent_id, created_at, deadline_at, traceparent, timeout)
    SELECT
        %(workflow_id)s, %(version)s, %(input)s, %(input_digest)s, %(request_id)s, %(parent_id)s,
        %(created_at)s::float8, %(deadline_at)s::float8, %(traceparent)s, %(timeout)s::float8
    FROM worker
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
INSERT INTO {schema}.workflows (id, name, status, owner, epoch, queue, priority, partition_key)
SELECT made.id, %(name)s, 'running', %(owner)s, 1, %(queue)s, %(priority)s::int, %(partition)s FROM made
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: insert_outcomes
-- `held_status` is what the row has now: running, or the outcome itself where one commit creates and ends a workflow.
-- `request_id` is set where the same unit creates the workflow: the write belongs to that creation, not to another
-- process's workflow that happens to have the same id and epoch.
INSERT INTO {schema}.outcomes (id, status, output, error, finished_at)
SELECT r.workflow_id, r.status, r.output, r.error,
    coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8)
FROM unnest(
    %(workflow_id)s::text[], %(epoch)s::int[], %(held_status)s::text[], %(request_id)s::text[],
    %(status)s::text[], %(output)s::text[], %(error)s::text[]
) AS r (workflow_id, epoch, held_status, request_id, status, output, error)
JOIN {schema}.workflows AS w ON w.id = r.workflow_id AND w.epoch = r.epoch AND w.status = r.held_status
LEFT JOIN {schema}.workflow_info AS i ON i.id = CASE WHEN r.request_id IS NOT NULL THEN r.workflow_id END
WHERE r.request_id IS NULL OR i.request_id = r.request_id
ON CONFLICT (id) DO NOTHING;

-- name: finish_workflows
-- The status that is expected comes as a value: a constant would let the planner read the index of all that is running.
WITH ended AS (
    UPDATE {schema}.workflows AS w
    SET status = r.status, owner = NULL, wake_at = NULL, crashes = 0
    FROM unnest(
        %(workflow_id)s::text[], %(epoch)s::int[], %(held_status)s::text[], %(request_id)s::text[], %(status)s::text[]
    ) AS r (workflow_id, epoch, held_status, request_id, status)
    LEFT JOIN {schema}.workflow_info AS i ON i.id = CASE WHEN r.request_id IS NOT NULL THEN r.workflow_id END
    WHERE w.id = r.workflow_id AND w.epoch = r.epoch AND w.status = r.held_status
        AND (r.request_id IS NULL OR i.request_id = r.request_id)
    RETURNING w.id
)
UPDATE {schema}.workers AS k SET suspect_id = NULL FROM ended WHERE k.suspect_id = ended.id;

-- name: finish_alone
-- insert_checkpoints, insert_outcomes and finish_workflows for one workflow and its last checkpoint, if there is one. No
-- row: the fence does not hold, and nothing is written.
WITH held AS (
    SELECT w.id, w.cancel_at,
        CASE WHEN w.queue IS NOT NULL THEN (SELECT q.is_limited FROM {schema}.queues AS q WHERE q.name = w.queue) END
        AS is_limited
    FROM {schema}.workflows AS w
    WHERE w.id = %(workflow_id)s AND w.epoch = %(epoch)s AND w.status IN ('running', '')
    FOR NO KEY UPDATE OF w
), recorded AS (
    INSERT INTO {schema}.journal (
        workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at,
        finished_at
    )
    SELECT
        held.id, %(step_id)s, %(branch)s, %(name)s, %(kind)s, %(seq)s::int, %(digest)s, %(output)s, %(error)s,
        %(attempts)s::int, %(attempt_errors)s, %(started_at)s::float8, %(finished_at)s::float8
    FROM held WHERE %(step_id)s::text IS NOT NULL
    ON CONFLICT (workflow_id, step_id) DO NOTHING
), outcome AS (
    INSERT INTO {schema}.outcomes (id, status, output, error, finished_at)
    SELECT held.id, %(status)s, %(result)s, %(failure)s,
        coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8)
    FROM held
    ON CONFLICT (id) DO NOTHING
), ended AS (
    UPDATE {schema}.workflows AS w SET status = %(status)s, owner = NULL, wake_at = NULL, crashes = 0
    FROM held WHERE w.id = held.id
    RETURNING w.id
), cleared AS (
    UPDATE {schema}.workers AS k SET suspect_id = NULL FROM ended WHERE k.suspect_id = ended.id
)
SELECT held.cancel_at, held.is_limited FROM held;

-- name: release_strays
-- What workers created or claimed for themselves after they were declared dead: nobody would take it over.
UPDATE {schema}.workflows AS w SET status = 'enqueued', owner = NULL, wake_at = 0
FROM {schema}.workers AS k
WHERE k.worker_id = ANY(%(worker_ids)s::text[]) AND NOT k.alive AND w.owner = k.worker_id AND w.status = 'running'
RETURNING w.id;

-- name: suspend_workflow
-- One statement, so that the check, the change and the waits need no round trips of their own. How it looks for what
-- has come: see wake_workflows. `IN ('running', '')`: a plan for this one row must not read the index of all that runs.
WITH wanted AS (
    SELECT target_id, kind, name
    FROM unnest(%(target_id)s::text[], %(kind)s::text[], %(name)s::text[]) AS t (target_id, kind, name)
), asleep AS (
    UPDATE {schema}.workflows AS w
    SET status = 'suspended', owner = NULL, wake_at = %(wake_at)s::float8, crashes = 0
    WHERE w.id = %(workflow_id)s AND w.epoch = %(epoch)s AND w.status IN ('running', '')
        AND (w.cancel_at IS NULL OR %(cancel_heard)s::boolean)
        AND NOT EXISTS (
            SELECT FROM wanted AS t
            WHERE CASE t.kind
                WHEN 'result' THEN (SELECT true FROM {schema}.outcomes AS o WHERE o.id = t.target_id LIMIT 1)
                WHEN 'get_event' THEN (
                    SELECT true FROM {schema}.events AS e WHERE e.workflow_id = t.target_id AND e.name = t.name LIMIT 1
                )
                ELSE (
                    SELECT true FROM {schema}.messages AS m
                    WHERE m.workflow_id = t.target_id AND m.topic = t.name AND m.consumed_by IS NULL LIMIT 1
                )
            END
        )
    RETURNING w.id
), noted AS (
    INSERT INTO {schema}.waits (workflow_id, target_id, kind, name)
    SELECT asleep.id, t.target_id, t.kind, t.name FROM asleep, wanted AS t
    ON CONFLICT (workflow_id, target_id, kind, name) DO NOTHING
)
SELECT id FROM asleep;

-- name: wake_workflows
-- Looks at what is there, not at what the batch meant to write: a refused write wakes nobody. Each look is for one row,
-- after the join: as EXISTS the planner would read all outcomes there are, in every commit, into a hash table.
WITH due AS (
    SELECT DISTINCT q.workflow_id
    FROM unnest(%(target_id)s::text[], %(kind)s::text[], %(name)s::text[]) AS t (target_id, kind, name)
    JOIN {schema}.waits AS q ON q.target_id = t.target_id AND q.kind = t.kind AND q.name = t.name
    WHERE CASE q.kind
        WHEN 'result' THEN (SELECT true FROM {schema}.outcomes AS o WHERE o.id = q.target_id LIMIT 1)
        WHEN 'get_event' THEN (
            SELECT true FROM {schema}.events AS e WHERE e.workflow_id = q.target_id AND e.name = q.name LIMIT 1
        )
        ELSE (
            SELECT true FROM {schema}.messages AS m
            WHERE m.workflow_id = q.target_id AND m.topic = q.name AND m.consumed_by IS NULL LIMIT 1
        )
    END
), woken AS (
    UPDATE {schema}.workflows AS w
    SET status = 'enqueued', wake_at = coalesce(%(now)s::float8, extract(epoch FROM clock_timestamp())::float8)
    FROM due
    WHERE w.id = due.workflow_id AND w.status = 'suspended'
    RETURNING w.id
), forgotten AS (
    DELETE FROM {schema}.waits AS q USING woken WHERE q.workflow_id = woken.id
)
SELECT id FROM woken;

-- name: release_workflow
-- It was begun, so it goes before what was never begun, like what a dead worker leaves.
UPDATE {schema}.workflows SET status = 'enqueued', owner = NULL, wake_at = 0
WHERE id = %(workflow_id)s AND epoch = %(epoch)s AND status IN ('running', '');

-- name: set_aside_workflow
WITH aside AS (
    UPDATE {schema}.workflows SET status = %(status)s, owner = NULL, wake_at = NULL
    WHERE id = %(workflow_id)s AND epoch = %(epoch)s AND status IN ('running', '')
    RETURNING id
)
INSERT INTO {schema}.reports (id, report, at) SELECT id, %(report)s, %(now)s::float8 FROM aside
ON CONFLICT (id) DO UPDATE SET report = excluded.report, at = excluded.at;

-- name: put_report
INSERT INTO {schema}.reports (id, report, at) VALUES (%(workflow_id)s, %(report)s, %(now)s)
ON CONFLICT (id) DO UPDATE SET report = excluded.report, at = excluded.at;

-- name: forgive_workflow
UPDATE {schema}.workflows SET crashes = 0
WHERE id = %(workflow_id)s AND epoch = %(epoch)s AND status IN ('running', '') AND crashes > 0;

-- name: resume_workflow
-- In a queue it lines up anew: nobody has kept its place.
WITH was AS (
    SELECT id, status FROM {schema}.workflows WHERE id = %(workflow_id)s
), back AS (
    UPDATE {schema}.workflows AS w
    SET status = 'enqueued', crashes = 0, wake_at = %(now)s, stage = CASE WHEN w.queue IS NOT NULL THEN 'line' END
    FROM was WHERE w.id = was.id AND w.status IN ('blocked', 'dead')
    RETURNING w.id
), mended AS (
    DELETE FROM {schema}.reports AS p USING back WHERE p.id = back.id
)
SELECT status FROM was;

-- name: taken_by_claim
-- What a claim whose reply was lost has taken already.
SELECT id FROM {schema}.workflows
WHERE status = 'running' AND owner = %(worker_id)s AND claim_id = %(claim_id)s;

-- name: claim_workflows
-- Without what is in queues. Each part is one range of a partial index, oldest first. Rows that another worker is
-- claiming at this moment are passed over, not waited for. A worker runs one suspect at a time, noted in its row. The version is looked up for
-- pinned names only, here and below: such workflows are for workers that have their version's code.
WITH enqueued AS (
    SELECT id, wake_at, crashes FROM {schema}.workflows
    WHERE status = 'enqueued' AND queue IS NULL AND wake_at <= %(now)s AND crashes < %(isolate_from)s
        AND NOT %(accused)s::boolean
        AND name = ANY(%(names)s::text[])
        AND (name <> ALL(%(pinned_names)s::text[]) OR name || chr(10) || (
            SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = workflows.id
        ) = ANY(%(pinned)s::text[]))
    ORDER BY wake_at, id LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
), asleep AS (
    SELECT id, wake_at, crashes FROM {schema}.workflows
    WHERE status = 'suspended' AND queue IS NULL AND wake_at <= %(now)s AND name = ANY(%(names)s::text[])
        AND NOT %(accused)s::boolean
        AND (name <> ALL(%(pinned_names)s::text[]) OR name || chr(10) || (
            SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = workflows.id
        ) = ANY(%(pinned)s::text[]))
    ORDER BY wake_at LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
), suspect AS (
    SELECT id, wake_at, crashes FROM {schema}.workflows
    WHERE status = 'enqueued' AND queue IS NULL AND wake_at <= %(now)s AND crashes >= %(isolate_from)s
        AND name = ANY(%(names)s::text[])
        AND (name <> ALL(%(pinned_names)s::text[]) OR name || chr(10) || (
            SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = workflows.id
        ) = ANY(%(pinned)s::text[]))
        AND (crashes >= %(accused_from)s) = %(accused)s::boolean
        AND (SELECT suspect_id FROM {schema}.workers WHERE worker_id = %(worker_id)s) IS NULL
    ORDER BY wake_at, id LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
), due AS (
    SELECT id, wake_at, crashes FROM (
        SELECT id, wake_at, crashes FROM enqueued
        UNION ALL SELECT id, wake_at, crashes FROM asleep
        UNION ALL SELECT id, wake_at, crashes FROM suspect
    ) AS ready
    ORDER BY wake_at, id LIMIT %(limit)s
), blamed AS (
    UPDATE {schema}.workers AS k SET suspect_id = due.id
    FROM due WHERE due.crashes >= %(isolate_from)s AND k.worker_id = %(worker_id)s
), forgotten AS (
    DELETE FROM {schema}.waits AS q USING due WHERE q.workflow_id = due.id
), taken AS (
    UPDATE {schema}.workflows AS w
    SET status = 'running', owner = %(worker_id)s, epoch = w.epoch + 1, wake_at = NULL, claim_id = %(claim_id)s
    FROM due WHERE w.id = due.id
    RETURNING w.id
), begun AS (
    -- A timeout counts from the first claim: later ones would not come to an earlier deadline.
    UPDATE {schema}.workflow_info AS i SET deadline_at = %(now)s::float8 + i.timeout
    FROM due WHERE i.id = due.id AND %(now)s::float8 + i.timeout < coalesce(i.deadline_at, 'Infinity')
)
SELECT taken.id FROM taken JOIN due ON due.id = taken.id ORDER BY due.wake_at, taken.id;

-- name: running_of_worker
SELECT id FROM {schema}.workflows WHERE status = 'running' AND owner = %(worker_id)s ORDER BY id;

-- name: lock_running_of_worker
SELECT id, crashes FROM {schema}.workflows WHERE status = 'running' AND owner = %(worker_id)s ORDER BY id
FOR NO KEY UPDATE;

-- name: take_over_workflow
-- `IN ('running', '')`: a plan for these rows must not read all that runs once for each of them.
UPDATE {schema}.workflows AS w
SET status = r.status, owner = NULL, epoch = w.epoch + 1, wake_at = r.wake_at, crashes = r.crashes
FROM unnest(%(workflow_id)s::text[], %(status)s::text[], %(wake_at)s::float8[], %(crashes)s::int[])
    AS r (workflow_id, status, wake_at, crashes)
WHERE w.id = r.workflow_id AND w.status IN ('running', '') AND w.owner = %(worker_id)s;

-- name: descendants
-- Itself first, then its children, whatever their status: what has ended may have left children behind.
WITH RECURSIVE tree (id) AS (
    SELECT %(workflow_id)s::text COLLATE "C"
    UNION
    SELECT i.id FROM tree JOIN {schema}.workflow_info AS i ON i.parent_id = tree.id
)
SELECT w.id, w.status, w.epoch FROM tree JOIN {schema}.workflows AS w ON w.id = tree.id;

-- name: cancel_workflow
-- Those that nobody runs and nobody will: cancelled at once.
WITH ended AS (
    UPDATE {schema}.workflows
    SET status = 'cancelled', owner = NULL, wake_at = NULL, crashes = 0, cancel_at = coalesce(cancel_at, %(now)s)
    WHERE id = ANY(%(workflow_ids)s::text[])
    RETURNING id
), noted AS (
    INSERT INTO {schema}.outcomes (id, status, finished_at) SELECT id, 'cancelled', %(now)s::float8 FROM ended
    ON CONFLICT (id) DO NOTHING
), forgotten AS (
    DELETE FROM {schema}.waits AS q USING ended WHERE q.workflow_id = ended.id
)
DELETE FROM {schema}.reports AS p USING ended WHERE p.id = ended.id;

-- name: terminate_workflow
WITH ended AS (
    UPDATE {schema}.workflows
    SET status = 'cancelled', owner = NULL, wake_at = NULL, crashes = 0, epoch = epoch + 1,
        cancel_at = coalesce(cancel_at, %(now)s)
    WHERE id = ANY(%(workflow_ids)s::text[])
    RETURNING id
), noted AS (
    INSERT INTO {schema}.outcomes (id, status, finished_at) SELECT id, 'cancelled', %(now)s::float8 FROM ended
    ON CONFLICT (id) DO NOTHING
), forgotten AS (
    DELETE FROM {schema}.waits AS q USING ended WHERE q.workflow_id = ended.id
), cleared AS (
    UPDATE {schema}.workers AS k SET suspect_id = NULL FROM ended WHERE k.suspect_id = ended.id
)
DELETE FROM {schema}.reports AS p USING ended WHERE p.id = ended.id;

-- name: request_cancel
WITH asked AS (
    UPDATE {schema}.workflows
    SET cancel_at = coalesce(cancel_at, %(now)s::float8),
        wake_at = CASE status WHEN 'suspended' THEN %(now)s::float8 ELSE wake_at END,
        status = CASE status WHEN 'suspended' THEN 'enqueued' ELSE status END
    WHERE id = ANY(%(workflow_ids)s::text[])
    RETURNING id
)
DELETE FROM {schema}.waits AS q USING asked WHERE q.workflow_id = asked.id;

-- name: workflow
SELECT * FROM {schema}.records WHERE workflow_id = %(workflow_id)s;

-- name: workflows_by_id
SELECT * FROM {schema}.records WHERE workflow_id = ANY(%(workflow_ids)s::text[]);

-- name: outcomes
-- What was set aside gives its report for an error.
SELECT w.id, w.status, o.output, coalesce(o.error, r.report)
FROM {schema}.workflows AS w
LEFT JOIN {schema}.outcomes AS o ON o.id = w.id
LEFT JOIN {schema}.reports AS r ON r.id = w.id
WHERE w.id = ANY(%(workflow_ids)s::text[]) AND w.status IN ('succeeded', 'failed', 'cancelled', 'blocked', 'dead');

-- name: next_due
-- Without queues. Suspended ones with a time, and delayed ones that have not begun; what is enqueued and was due when it
-- was last claimed is not waited for.
SELECT min(wake_at) FROM (
    SELECT min(wake_at) AS wake_at FROM {schema}.workflows
    WHERE status = 'suspended' AND wake_at IS NOT NULL AND queue IS NULL AND name = ANY(%(names)s::text[])
        AND (name <> ALL(%(pinned_names)s::text[]) OR name || chr(10) || (
            SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = workflows.id
        ) = ANY(%(pinned)s::text[]))
    UNION ALL
    SELECT min(wake_at) FROM {schema}.workflows
    WHERE status = 'enqueued' AND queue IS NULL AND name = ANY(%(names)s::text[])
        AND (name <> ALL(%(pinned_names)s::text[]) OR name || chr(10) || (
            SELECT i.version FROM {schema}.workflow_info AS i WHERE i.id = workflows.id
        ) = ANY(%(pinned)s::text[]))
        AND wake_at > %(after)s::float8
) AS due;

-- name: cancelled_by_others
SELECT id FROM {schema}.workflows WHERE status = 'running' AND owner = %(worker_id)s AND cancel_at IS NOT NULL
ORDER BY id;

-- name: accused_wait
-- Who lost its worker is due from the beginning of time on.
SELECT EXISTS (
    SELECT 1 FROM {schema}.workflows
    WHERE status = 'enqueued' AND queue IS NULL AND wake_at <= 0 AND crashes >= %(accused_from)s
        AND name = ANY(%(names)s::text[])
    UNION ALL
    SELECT 1 FROM {schema}.workflows
    WHERE status = 'enqueued' AND queue IS NOT NULL AND stage IS NULL AND wake_at <= 0 AND crashes >= %(accused_from)s
        AND name = ANY(%(names)s::text[])
);

-- name: count_unknown
-- Of what is in line, a sample: there may be millions.
SELECT name, count(*) FROM (
    SELECT name FROM {schema}.workflows WHERE status = 'enqueued' AND queue IS NULL
    UNION ALL
    (
        SELECT name FROM {schema}.workflows
        WHERE stage = 'line' AND status = 'enqueued'
            AND (%(queues)s::text[] IS NULL OR queue = ANY(%(queues)s::text[]))
        LIMIT 1000
    )
) AS waiting
WHERE name <> ALL(%(names)s::text[])
GROUP BY name;

-- name: count_other_versions
SELECT w.name, i.version, count(*)
FROM (
    SELECT id, name FROM {schema}.workflows WHERE status = 'enqueued' AND queue IS NULL
    UNION ALL
    (SELECT id, name FROM {schema}.workflows WHERE stage = 'line' AND status = 'enqueued' LIMIT 1000)
) AS w
JOIN {schema}.workflow_info AS i ON i.id = w.id
WHERE w.name = ANY(%(pinned_names)s::text[])
    AND w.name || chr(10) || i.version <> ALL(%(pinned)s::text[])
GROUP BY w.name, i.version;

-- name: unfinished_versions
SELECT w.name, i.version,
    count(*) FILTER (WHERE w.status = 'enqueued'),
    count(*) FILTER (WHERE w.status = 'suspended'),
    count(*) FILTER (WHERE w.status = 'running'),
    count(*) FILTER (WHERE w.status IN ('blocked', 'dead'))
FROM {schema}.workflows AS w
JOIN {schema}.workflow_info AS i ON i.id = w.id
WHERE w.status IN ('enqueued', 'suspended', 'running', 'blocked', 'dead')
GROUP BY w.name, i.version
ORDER BY w.name, i.version;
