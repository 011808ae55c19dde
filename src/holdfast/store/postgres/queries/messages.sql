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

-- name: receive_message
-- Consumes and records in one statement, so that a batch with many receives needs no round trip for each.
WITH known AS (
    SELECT output FROM {schema}.journal WHERE workflow_id = %(workflow_id)s AND step_id = %(step_id)s
), oldest AS (
    SELECT message_id, body FROM {schema}.messages
    WHERE workflow_id = %(workflow_id)s AND topic = %(topic)s AND consumed_by IS NULL AND NOT EXISTS (SELECT FROM known)
    ORDER BY seq LIMIT 1
), consumed AS (
    UPDATE {schema}.messages AS m SET consumed_by = %(step_id)s
    FROM oldest
    WHERE m.workflow_id = %(workflow_id)s AND m.message_id = oldest.message_id
), recorded AS (
    INSERT INTO {schema}.journal (
        workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors,
        started_at, finished_at
    )
    SELECT
        %(workflow_id)s, %(step_id)s, %(branch)s, %(name)s, %(kind)s, %(seq)s::int, %(digest)s, (SELECT body FROM oldest),
        %(error)s, %(attempts)s::int, %(attempt_errors)s, %(started_at)s::float8, %(finished_at)s::float8
    WHERE NOT EXISTS (SELECT FROM known) AND (%(expired)s::boolean OR EXISTS (SELECT FROM oldest))
)
SELECT true, output FROM known
UNION ALL
SELECT true, body FROM oldest
UNION ALL
SELECT %(expired)s::boolean, NULL WHERE NOT EXISTS (SELECT FROM known) AND NOT EXISTS (SELECT FROM oldest);

-- name: insert_timer
-- The wait's end counts only while the receive is open.
INSERT INTO {schema}.journal (
    workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors, started_at, finished_at
)
SELECT
    %(workflow_id)s, %(step_id)s, %(branch)s, %(name)s, %(kind)s, %(seq)s::int, %(digest)s, %(output)s, %(error)s,
    %(attempts)s::int, %(attempt_errors)s, %(started_at)s::float8, %(finished_at)s::float8
WHERE NOT EXISTS (
    SELECT FROM {schema}.journal AS j WHERE j.workflow_id = %(workflow_id)s AND j.step_id = %(receive_id)s
)
ON CONFLICT (workflow_id, step_id) DO NOTHING;
