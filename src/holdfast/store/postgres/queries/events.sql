-- name: put_event
-- The write's own id is noted first; one that is there already sets nothing.
WITH applied AS (
    INSERT INTO {schema}.event_writes (workflow_id, write_id) VALUES (%(workflow_id)s, %(write_id)s)
    ON CONFLICT (workflow_id, write_id) DO NOTHING
    RETURNING workflow_id, write_id
)
INSERT INTO {schema}.events AS e (workflow_id, name, value, write_id, version, set_at)
SELECT workflow_id, %(name)s, %(value)s, write_id, 1, %(now)s::float8
FROM applied
ON CONFLICT (workflow_id, name) DO UPDATE
SET value = excluded.value, write_id = excluded.write_id, version = e.version + 1, set_at = excluded.set_at
RETURNING true;

-- name: event
SELECT value FROM {schema}.events WHERE workflow_id = %(workflow_id)s AND name = %(name)s;
