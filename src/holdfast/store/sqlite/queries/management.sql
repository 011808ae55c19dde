-- What management reads and writes beside lists: counts, attributes, lineage, duties, all that belongs to a workflow.

-- name: count_workflows
-- Only of what has no outcome the time of creation is looked up.
SELECT w.status, w.name, w.queue, count(*), min(i.created_at)
FROM holdfast_workflows AS w
LEFT JOIN holdfast_workflow_info AS i ON i.id = w.id AND w.status NOT IN ('succeeded', 'failed', 'cancelled')
GROUP BY w.status, w.name, w.queue;

-- name: attributes
SELECT name, value FROM holdfast_attributes WHERE workflow_id = :workflow_id ORDER BY name;

-- name: put_attribute
INSERT INTO holdfast_attributes (workflow_id, name, value) VALUES (:workflow_id, :name, :value)
ON CONFLICT (workflow_id, name) DO UPDATE SET value = excluded.value;

-- name: drop_attribute
DELETE FROM holdfast_attributes WHERE workflow_id = :workflow_id AND name = :name;

-- name: lineage
SELECT forked_from, forked_step, forked_at FROM holdfast_lineage WHERE workflow_id = :workflow_id;

-- name: forks
SELECT workflow_id FROM holdfast_lineage WHERE forked_from = :workflow_id ORDER BY forked_at, workflow_id;

-- name: tree
SELECT id FROM (
    WITH RECURSIVE tree (id) AS (
        VALUES (:workflow_id)
        UNION
        SELECT i.id FROM tree CROSS JOIN holdfast_workflow_info AS i ON i.parent_id = tree.id
    )
    SELECT id FROM tree
);

-- name: messages
SELECT message_id, topic, body, sent_at, sender_id, consumed_by FROM holdfast_messages
WHERE workflow_id = :workflow_id ORDER BY topic, seq;

-- name: events
SELECT name, value, write_id, version, set_at FROM holdfast_events WHERE workflow_id = :workflow_id ORDER BY name;

-- name: event_writes
SELECT write_id FROM holdfast_event_writes WHERE workflow_id = :workflow_id ORDER BY write_id;

-- name: stream_items
SELECT stream, "offset", value, write_id FROM holdfast_streams
WHERE workflow_id = :workflow_id ORDER BY stream, "offset";

-- name: take_duty
INSERT INTO holdfast_duties (name, holder, until) VALUES (:name, :holder, :now + :seconds)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE holder = excluded.holder OR until <= :now
RETURNING 1;

-- name: ended_before
-- One range of the index; without what would be kept: children of parents that may go on, and what others wait for.
SELECT o.id FROM holdfast_outcomes AS o
CROSS JOIN holdfast_workflow_info AS i ON i.id = o.id
LEFT JOIN holdfast_workflows AS p ON p.id = i.parent_id
WHERE o.status = :status AND o.finished_at < :before
    AND (p.status IS NULL OR p.status IN ('succeeded', 'failed', 'cancelled'))
    AND NOT EXISTS (
        SELECT 1 FROM holdfast_waits AS q CROSS JOIN holdfast_workflows AS s ON s.id = q.workflow_id
        WHERE q.target_id = o.id AND s.status = 'suspended'
    )
ORDER BY o.finished_at, o.id
LIMIT :limit;

-- name: adopt_version
UPDATE holdfast_workflow_info SET version = :version, deadline_at = coalesce(:deadline_at, deadline_at)
WHERE id = :workflow_id AND version = '';
