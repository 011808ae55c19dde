-- Putting the rows of a workflow that was just created in their places, for forks and imports. A row that is there
-- already was left behind by one that was deleted while a step of it still ran somewhere; it stays.

-- name: restore_journal
INSERT INTO {schema}.journal (
    workflow_id, step_id, branch, name, kind, seq, digest, output, error, attempts, attempt_errors,
    started_at, finished_at
)
SELECT * FROM unnest(
    %(workflow_id)s::text[], %(step_id)s::text[], %(branch)s::text[], %(name)s::text[], %(kind)s::text[],
    %(seq)s::int[], %(digest)s::text[], %(output)s::text[], %(error)s::text[], %(attempts)s::int[],
    %(attempt_errors)s::text[], %(started_at)s::float8[], %(finished_at)s::float8[]
)
ON CONFLICT DO NOTHING;

-- name: restore_messages
INSERT INTO {schema}.messages (
    workflow_id, message_id, topic, seq, body, sent_at, sender_id, consumed_by
)
SELECT * FROM unnest(
    %(workflow_id)s::text[], %(message_id)s::text[], %(topic)s::text[], %(seq)s::int[], %(body)s::text[],
    %(sent_at)s::float8[], %(sender_id)s::text[], %(consumed_by)s::text[]
)
ON CONFLICT DO NOTHING;

-- name: restore_events
INSERT INTO {schema}.events (
    workflow_id, name, value, write_id, version, set_at
)
SELECT * FROM unnest(
    %(workflow_id)s::text[], %(name)s::text[], %(value)s::text[], %(write_id)s::text[], %(version)s::int[],
    %(set_at)s::float8[]
)
ON CONFLICT DO NOTHING;

-- name: restore_event_writes
INSERT INTO {schema}.event_writes (
    workflow_id, write_id
)
SELECT * FROM unnest(
    %(workflow_id)s::text[], %(write_id)s::text[]
)
ON CONFLICT DO NOTHING;

-- name: restore_streams
INSERT INTO {schema}.streams (
    workflow_id, stream, "offset", value, write_id
)
SELECT * FROM unnest(
    %(workflow_id)s::text[], %(stream)s::text[], %(offset)s::int[], %(value)s::text[], %(write_id)s::text[]
)
ON CONFLICT DO NOTHING;

-- name: restore_attributes
INSERT INTO {schema}.attributes (
    workflow_id, name, value
)
SELECT * FROM unnest(
    %(workflow_id)s::text[], %(name)s::text[], %(value)s::text[]
)
ON CONFLICT DO NOTHING;

-- name: restore_lineage
INSERT INTO {schema}.lineage (
    workflow_id, forked_from, forked_step, forked_at
)
SELECT * FROM unnest(
    %(workflow_id)s::text[], %(forked_from)s::text[], %(forked_step)s::text[], %(forked_at)s::float8[]
)
ON CONFLICT DO NOTHING;

-- name: restore_standing
UPDATE {schema}.workflows
SET status = %(status)s, epoch = %(epoch)s, wake_at = NULL, stage = NULL, crashes = %(crashes)s,
    cancel_at = %(cancel_at)s::float8
WHERE id = %(workflow_id)s;

-- name: restore_outcome
INSERT INTO {schema}.outcomes (id, status, output, error, finished_at)
VALUES (%(workflow_id)s, %(status)s, %(output)s, %(error)s, %(finished_at)s);
