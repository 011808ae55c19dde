-- What management reads and writes beside lists: counts, attributes, lineage, duties, all that belongs to a workflow.

-- name: count_workflows
-- Only of what has no outcome the time of creation is looked up.
SELECT w.status, w.name, w.queue, count(*), min(i.created_at)
FROM {schema}.workflows AS w
LEFT JOIN {schema}.workflow_info AS i ON i.id = w.id AND w.status NOT IN ('succeeded', 'failed', 'cancelled')
GROUP BY w.status, w.name, w.queue;

-- name: attributes
SELECT name, value FROM {schema}.attributes WHERE workflow_id = %(workflow_id)s ORDER BY name;

-- name: put_attributes
-- One statement for all: the write's own id is noted first; one that is there already sets nothing.
WITH applied AS (
    INSERT INTO {schema}.event_writes (workflow_id, write_id) VALUES (%(workflow_id)s, %(write_id)s)
    ON CONFLICT (workflow_id, write_id) DO NOTHING
    RETURNING workflow_id
), dropped AS (
    DELETE FROM {schema}.attributes AS a USING applied
    WHERE a.workflow_id = applied.workflow_id AND a.name = ANY(%(dropped)s::text[])
)
INSERT INTO {schema}.attributes (workflow_id, name, value)
SELECT applied.workflow_id, n.name, n.value
FROM applied, unnest(%(name)s::text[], %(value)s::text[]) AS n (name, value)
ON CONFLICT (workflow_id, name) DO UPDATE SET value = excluded.value;

-- name: lineage
SELECT forked_from, forked_step, forked_at FROM {schema}.lineage WHERE workflow_id = %(workflow_id)s;

-- name: forks
SELECT workflow_id FROM {schema}.lineage WHERE forked_from = %(workflow_id)s ORDER BY forked_at, workflow_id;

-- name: tree
WITH RECURSIVE tree (id) AS (
    SELECT %(workflow_id)s::text COLLATE "C"
    UNION
    SELECT i.id FROM tree JOIN {schema}.workflow_info AS i ON i.parent_id = tree.id
)
SELECT id FROM tree;

-- name: messages
SELECT message_id, topic, body, sent_at, sender_id, consumed_by FROM {schema}.messages
WHERE workflow_id = %(workflow_id)s ORDER BY topic, seq;

-- name: events
SELECT name, value, write_id, version, set_at FROM {schema}.events WHERE workflow_id = %(workflow_id)s ORDER BY name;

-- name: event_writes
SELECT write_id FROM {schema}.event_writes WHERE workflow_id = %(workflow_id)s ORDER BY write_id;

-- name: stream_items
SELECT stream, "offset", value, write_id FROM {schema}.streams
WHERE workflow_id = %(workflow_id)s ORDER BY stream COLLATE "C", "offset";

-- name: take_duty
INSERT INTO {schema}.duties AS d (name, holder, until) VALUES (%(name)s, %(holder)s, %(now)s::float8 + %(seconds)s)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE d.holder = excluded.holder OR d.until <= %(now)s::float8
RETURNING true;

-- name: ended_before
-- One range of the index; without what would be kept: children of parents that may go on, and what others wait for.
SELECT o.id FROM {schema}.outcomes AS o
JOIN {schema}.workflow_info AS i ON i.id = o.id
LEFT JOIN {schema}.workflows AS p ON p.id = i.parent_id
WHERE o.status = %(status)s AND o.finished_at < %(before)s
    AND (p.status IS NULL OR p.status IN ('succeeded', 'failed', 'cancelled'))
    AND NOT EXISTS (
        SELECT FROM {schema}.waits AS q JOIN {schema}.workflows AS s ON s.id = q.workflow_id
        WHERE q.target_id = o.id AND s.status = 'suspended'
    )
ORDER BY o.finished_at, o.id
LIMIT %(limit)s;

-- name: adopt_version
UPDATE {schema}.workflow_info SET version = %(version)s, deadline_at = coalesce(%(deadline_at)s::float8, deadline_at)
WHERE id = %(workflow_id)s AND version = '';
