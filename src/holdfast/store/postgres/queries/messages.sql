-- Numbers are given under the lock of the destination's row, never by a sequence: a sequence is not in the order of
-- commits, so that a reader could pass over a message that commits late.

-- name: insert_message
WITH destination AS (
    SELECT id, status FROM {schema}.workflows WHERE id = %(workflow_id)s
), placed AS (
    INSERT INTO {schema}.messages (workflow_id, message_id, topic, seq, body, sent_at, sender_id)
    SELECT
        d.id, %(message_id)s, %(topic)s,
        coalesce((
            SELECT max(m.seq) FROM {schema}.messages AS m WHERE m.workflow_id = d.id AND m.topic = %(topic)s
        ), 0) + 1,
        %(body)s, %(sent_at)s::float8, %(sender_id)s
    FROM destination AS d
    ON CONFLICT (workflow_id, message_id) DO NOTHING
    RETURNING workflow_id
)
SELECT status, EXISTS (SELECT FROM placed) FROM destination;

-- name: mailbox
SELECT message_id, body FROM {schema}.messages
WHERE workflow_id = %(workflow_id)s AND topic = %(topic)s AND consumed_by IS NULL
ORDER BY seq LIMIT %(limit)s;

-- name: consume_messages
-- Guarded by the epoch, like the checkpoints of the receives that are written beside it. Found by their ids: a condition
-- on consumed_by would invite the planner to go through all messages that wait.
UPDATE {schema}.messages AS m SET consumed_by = coalesce(m.consumed_by, r.step_id)
FROM unnest(
    %(epoch)s::int[], %(held_status)s::text[], %(workflow_id)s::text[], %(message_id)s::text[], %(step_id)s::text[]
) AS r (epoch, held_status, workflow_id, message_id, step_id)
JOIN {schema}.workflows AS w ON w.id = r.workflow_id AND w.epoch = r.epoch AND w.status = r.held_status
WHERE m.workflow_id = r.workflow_id AND m.message_id = r.message_id;
